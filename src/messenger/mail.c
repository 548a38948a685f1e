/* SPDX-License-Identifier: BSD-2-Clause */
#include "messenger/mail.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "message/template.h"

enum {
    PLAIN_MAX = 60,  /* bytes of a subject that stands as it is */
    WORD_BYTES = 39, /* of an encoded word: with what is around it 64 of 75 */
    LINE_BYTES = 57, /* of a line of base64: 76 */
    DOMAIN_CAP = 65,
};

static bool is_continuation(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

static bool is_plain(const char *text)
{
    for (const char *at = text; *at; at++)
        if (*at < ' ' || *at > '~')
            return false;
    return strlen(text) <= PLAIN_MAX && !strstr(text, "=?");
}

void pnd_mail_put_subject(FILE *to, const char *text)
{
    unsigned char coded[4 * (WORD_BYTES / 3 + 1) + 1];
    size_t left = strlen(text), len;

    if (is_plain(text)) {
        fprintf(to, "Subject: %s\r\n", text);
        return;
    }
    fputs("Subject:", to);
    for (; left; text += len, left -= len) {
        len = left < WORD_BYTES ? left : WORD_BYTES;
        while (len < left && len > 1 && is_continuation(text[len]))
            len--; /* no character is in two words */
        EVP_EncodeBlock(coded, (const unsigned char *)text, (int)len);
        fprintf(to, " =?UTF-8?B?%s?=\r\n", (const char *)coded);
    }
}

static void put_date(FILE *to, int64_t now_s)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)now_s;
    struct tm tm;

    if (gmtime_r(&now, &tm)) /* not by strftime: its names are the locale's */
        fprintf(to, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* What is behind the @ of our own ids. */
static const char *domain_of(const json_t *fields, char ret[DOMAIN_CAP])
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    const char *server = json_string_value(json_object_get(fields, "server"));
    size_t len = server ? strspn(server, allowed) : 0;

    snprintf(ret, DOMAIN_CAP, "%.*s", (int)len, len ? server : "");
    return ret[0] && ret[0] != '.' ? ret : "panicd.invalid";
}

static void put_headers(FILE *to, const struct pnd_message_channel *channel,
                        const struct pnd_queue_message *message, int64_t now_s)
{
    const char *group = json_string_value(json_object_get(message->fields, "group"));
    char room[DOMAIN_CAP];
    const char *domain = domain_of(message->fields, room);

    put_date(to, now_s);
    fprintf(to, "From: <%s>\r\nTo: ", channel->from);
    for (unsigned i = 0; i < channel->to.count; i++)
        fprintf(to, "%s<%s>", i ? ",\r\n " : "", channel->to.at[i]);
    fprintf(to, "\r\nMessage-ID: <%s.%s@%s>\r\n", message->id, channel->name, domain);
    if (group && strspn(group, "0123456789abcdef") == strlen(group))
        fprintf(to, "References: <group.%s@%s>\r\n", group, domain); /* one thread for a panic */
    fputs("Auto-Submitted: auto-generated\r\n"
          "MIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=UTF-8\r\n"
          "Content-Transfer-Encoding: base64\r\n",
          to);
}

static void put_body(FILE *to, const char *text)
{
    unsigned char coded[4 * (LINE_BYTES / 3) + 1];
    size_t left = strlen(text), len;

    for (; left; text += len, left -= len) {
        len = left < LINE_BYTES ? left : LINE_BYTES;
        EVP_EncodeBlock(coded, (const unsigned char *)text, (int)len);
        fprintf(to, "%s\r\n", (const char *)coded);
    }
}

/* A text of lines as mail has them. */
static char *with_crlf(const char *text)
{
    char *out = malloc(2 * strlen(text) + 1);
    size_t len = 0;

    for (; out && *text; text++) {
        if (*text == '\n')
            out[len++] = '\r';
        out[len++] = *text;
    }
    if (out)
        out[len] = '\0';
    return out;
}

static void cut(char *subject)
{
    size_t len = strlen(subject);

    if (len <= PND_MAIL_SUBJECT_MAX)
        return;
    len = PND_MAIL_SUBJECT_MAX - 3;
    while (len && is_continuation(subject[len]))
        len--;
    memcpy(subject + len, "...", 4);
}

char *pnd_mail_write(const struct pnd_message_channel *channel,
                     const struct pnd_queue_message *message, int64_t now_s, size_t *ret_len)
{
    char *subject = pnd_template_render(channel->subject[0] ? channel->subject : "[panicd] ${text}",
                                        message->fields, PND_TEMPLATE_TEXT);
    char *body = channel->body[0]
                     ? pnd_template_render(channel->body, message->fields, PND_TEMPLATE_TEXT)
                     : pnd_fields_page(message->fields);
    char *lines = body ? with_crlf(body) : NULL, *text = NULL;
    FILE *to = subject && lines ? open_memstream(&text, ret_len) : NULL;

    if (to) {
        cut(subject);
        put_headers(to, channel, message, now_s);
        pnd_mail_put_subject(to, subject);
        fputs("\r\n", to);
        put_body(to, lines);
        if (fclose(to) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(subject);
    free(body);
    free(lines);
    return text;
}
