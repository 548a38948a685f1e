/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands without a shell; see ssh_command.h. */
#include "panicctl/ssh_command.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "panicd/err.h"

enum token { TOKEN_END, TOKEN_WORD, TOKEN_INTO, TOKEN_AND_THEN, TOKEN_BAD, TOKEN_LONG };

struct reader {
    const char *at;
    char word[PND_SSH_PATH_CAP];
};

struct step {
    char words[PND_SSH_WORDS_MAX][PND_SSH_PATH_CAP];
    unsigned count;
    int into; /* which word stands behind ">"; 0: none does */
};

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (uint8_t)c > 127 || (c && strchr("_./:,=+@%^~-", c));
}

static bool quotable(char c)
{
    return (uint8_t)c >= ' ' && c != 0x7f && !strchr("'\"\\$`", c);
}

/* Quoted and other parts that touch are one word, as in dd of='/var/crash/x'. */
static enum token next_word(struct reader *reader)
{
    size_t len = 0;
    char quote = '\0';

    for (; quote || plain(*reader->at) || *reader->at == '\'' || *reader->at == '"'; reader->at++) {
        char c = *reader->at;

        if (!quote && (c == '\'' || c == '"')) {
            quote = c;
        } else if (quote && c == quote) {
            quote = '\0';
        } else if (quote && !quotable(c)) { /* the end, too */
            return TOKEN_BAD;
        } else if (len + 1 == sizeof(reader->word)) {
            return TOKEN_LONG;
        } else {
            reader->word[len++] = c;
        }
    }
    reader->word[len] = '\0';
    return len ? TOKEN_WORD : TOKEN_BAD;
}

static enum token next(struct reader *reader)
{
    while (*reader->at == ' ')
        reader->at++;
    if (!*reader->at)
        return TOKEN_END;
    if (*reader->at == '>') {
        reader->at++;
        return TOKEN_INTO;
    }
    if (*reader->at == ';' || (reader->at[0] == '&' && reader->at[1] == '&')) {
        reader->at += *reader->at == ';' ? 1 : 2;
        return TOKEN_AND_THEN;
    }
    return next_word(reader);
}

/* @param ret_last  nothing follows it */
static int read_step(struct reader *reader, struct step *step, bool *ret_last)
{
    enum token token;

    *step = (struct step){0};
    while ((token = next(reader)) != TOKEN_END && token != TOKEN_AND_THEN) {
        if (token == TOKEN_LONG)
            return PND_E_RANGE;
        if (token == TOKEN_INTO && !step->into && step->count > 0) {
            step->into = (int)step->count;
        } else if (token == TOKEN_WORD && step->count < PND_SSH_WORDS_MAX) {
            memcpy(step->words[step->count++], reader->word, sizeof(reader->word));
        } else {
            return PND_E_NAME;
        }
    }
    *ret_last = token == TOKEN_END;
    return step->count ? PND_OK : PND_E_NAME;
}

static bool digits(const char *text, char most)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > most)
            return false;
    }
    return len > 0 && len <= 9;
}

static bool is(const struct step *step, unsigned count, const char *first, const char *second)
{
    return step->count == count && !step->into && strcmp(step->words[0], first) == 0 &&
           (!second || strcmp(step->words[1], second) == 0);
}

/* What begins with "-" would be an option. */
static bool names_path(const char *word)
{
    return word[0] && word[0] != '-';
}

static int ask(struct pnd_ssh_command *command, enum pnd_ssh_asked asked, const char *path)
{
    if (!names_path(path))
        return PND_E_NAME;
    command->asked = asked;
    snprintf(command->path, sizeof(command->path), "%s", path);
    return PND_OK;
}

static int take_dd(const struct step *step, struct pnd_ssh_command *command)
{
    const char *path = "";

    for (unsigned i = 1; i < step->count; i++) {
        const char *word = step->words[i];

        if (strncmp(word, "of=", 3) == 0 && !path[0])
            path = word + 3;
        else if (strncmp(word, "bs=", 3) != 0 || !digits(word + 3, '9'))
            return PND_E_NAME;
    }
    return ask(command, PND_SSH_RECEIVE, path);
}

static int take_step(const struct step *step, struct pnd_ssh_command *command)
{
    const char *last = step->words[step->count - 1];

    if (is(step, 2, "umask", NULL))
        return digits(last, '7') ? PND_OK : PND_E_NAME;
    if (is(step, 3, "mkdir", "-p") || is(step, 2, "rmdir", NULL))
        return names_path(last) ? PND_OK : PND_E_NAME;
    if (is(step, 3, "mv", NULL))
        return names_path(step->words[1]) && names_path(last) ? PND_OK : PND_E_NAME;
    if (is(step, 3, "mktemp", "-dqp"))
        return ask(command, PND_SSH_TEMPORARY, last);
    if (is(step, 3, "df", "--output=avail"))
        return ask(command, PND_SSH_ROOM, last);
    if (step->count == 2 && step->into == 1 && strcmp(step->words[0], "cat") == 0)
        return ask(command, PND_SSH_RECEIVE, last);
    if (!step->into && strcmp(step->words[0], "dd") == 0)
        return take_dd(step, command);
    return PND_E_NAME;
}

int pnd_ssh_command_parse(const char *text, struct pnd_ssh_command *ret)
{
    struct reader reader = {.at = text};
    struct pnd_ssh_command command = {.asked = PND_SSH_NOTHING};
    struct step step;
    bool last = false;

    if (strnlen(text, PND_SSH_COMMAND_MAX + 1) > PND_SSH_COMMAND_MAX)
        return PND_E_RANGE;
    for (unsigned steps = 0; !last; steps++) {
        int err = read_step(&reader, &step, &last);

        if (!err && steps == PND_SSH_STEPS_MAX)
            err = PND_E_RANGE;
        if (!err && command.asked != PND_SSH_NOTHING) /* that would have been the last */
            err = PND_E_NAME;
        if (!err)
            err = take_step(&step, &command);
        if (err)
            return err;
    }
    *ret = command;
    return PND_OK;
}

/* ---- names ---- */

/* The part of @p path before @p end that is behind the slash before it. */
static const char *component(const char *path, const char *end, size_t *ret_len)
{
    const char *start = end;

    while (start > path && start[-1] != '/')
        start--;
    *ret_len = (size_t)(end - start);
    return start;
}

static void remove_word(char *text, const char *word)
{
    char *at = strstr(text, word);

    if (at)
        memmove(at, at + strlen(word), strlen(at + strlen(word)) + 1);
}

enum pnd_ssh_file pnd_ssh_command_name(const char *path, char ret[PND_SSH_NAME_CAP])
{
    const char *end = path + strlen(path), *base, *dir;
    char file[PND_SSH_NAME_CAP / 2];
    size_t len, dir_len;

    while (end > path && end[-1] == '/')
        end--;
    base = component(path, end, &len);
    snprintf(file, sizeof(file), "%.*s", (int)(len < sizeof(file) ? len : sizeof(file) - 1), base);
    remove_word(file, "-incomplete");
    for (end = base; end > path && end[-1] == '/';)
        end--;
    dir = component(path, end, &dir_len);
    if (dir_len >= PND_SSH_NAME_CAP / 2)
        dir_len = PND_SSH_NAME_CAP / 2 - 1;
    snprintf(ret, PND_SSH_NAME_CAP, "%.*s%s%s", (int)dir_len, dir, dir_len ? "-" : "",
             file[0] ? file : "dump");
    if (strcmp(file, "README.txt") == 0)
        return PND_SSH_FILE_NONE;
    return strcmp(file, "vmcore-dmesg.txt") == 0 || strcmp(file, "dmesg") == 0 ||
                   strncmp(file, "dmesg.", 6) == 0
               ? PND_SSH_FILE_TEXT
               : PND_SSH_FILE_DUMP;
}
