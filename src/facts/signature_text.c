/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A panic string, reduced to what is the same on every machine. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "facts/signature_parts.h"

struct out {
    char *at;
    size_t len, cap;
};

static void put(struct out *out, char c)
{
    if (out->len + 1 < out->cap)
        out->at[out->len++] = c;
    out->at[out->len] = '\0';
}

static void put_all(struct out *out, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put(out, from[i]);
}

/* One '#', however many numbers meet. */
static void put_number(struct out *out)
{
    if (out->len == 0 || out->at[out->len - 1] != '#')
        put(out, '#');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_digit(c) || is_alpha(c) || c == '_';
}

static bool is_path(char c)
{
    return is_word(c) || c == '/' || c == '.' || c == '-' || c == '+';
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static size_t run(const char *text, bool (*is)(char c))
{
    size_t len = 0;

    while (text[len] && is(text[len]))
        len++;
    return len;
}

/* ---- the line that counts ---- */

/* What stands before every panic string: behind it, or NULL. */
static const char *skip_prefix(const char *at)
{
    static const char *const plain[] = {"Kernel panic - not syncing: ", "panic: ",
                                        "Debugger called: ", "Debugger message: ", "Oops: "};
    const char *end;

    if (*at == ' ' || *at == '\t' || *at == '"')
        return at + 1;
    for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
        if (starts(at, plain[i]))
            return at + strlen(plain[i]);
    }
    if (starts(at, "panic(cpu ") && (end = strstr(at, "): ")) != NULL)
        return end + 3;
    if (*at == '<' && is_digit(at[1]) && at[1 + run(at + 1, is_digit)] == '>')
        return at + run(at + 1, is_digit) + 2;
    if (*at == '[') { /* "[   12.345678] ", "[  T712] " */
        at += 1 + strspn(at + 1, " ");
        at += *at == 'T' || *at == 'C';
        end = at + strspn(at, "0123456789.");
        if (end > at && *end == ']')
            return end + 1;
    }
    return NULL;
}

/* Where a line ends that registers and flags follow in. */
static size_t tail_start(const char *line)
{
    static const char *const tails[] = {", registers:", " at pc 0x", " (saved state", " [#"};
    size_t first = strlen(line);

    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        const char *at = strstr(line, tails[i]);

        if (at && (size_t)(at - line) < first)
            first = (size_t)(at - line);
    }
    return first;
}

static bool is_source(const char *name, size_t len)
{
    static const char *const ends[] = {".c", ".h", ".S", ".rs", ".cc", ".cpp"};

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        size_t end = strlen(ends[i]);

        if (len > end && memcmp(name + len - end, ends[i], end) == 0)
            return true;
    }
    return false;
}

/* The last part of the path of a source file, whose directory is its builder's.
 * @return bytes that it stands for; 0: there is none here */
static size_t put_source(struct out *out, const char *at)
{
    size_t len = run(at, is_path), base = len;

    if (!is_source(at, len))
        return 0;
    while (base > 0 && at[base - 1] != '/')
        base--;
    put_all(out, at + base, len - base);
    return len;
}

static void tidy_end(struct out *out)
{
    while (out->len > 0 && strchr(" \t:,;\"#.", out->at[out->len - 1]))
        out->at[--out->len] = '\0';
    /* an oops has its number, in hexadecimal, before the " [#1]" that is cut away */
    if (out->len > 6 && starts(out->at + out->len - 6, ": 0") &&
        run(out->at + out->len - 4, is_hex) == 4)
        out->at[out->len -= 6] = '\0';
}

static bool take_line(const char *from, size_t len, char ret[PND_SIGNATURE_LINE])
{
    char line[PND_SIGNATURE_LINE];
    struct out out = {ret, 0, PND_SIGNATURE_LINE};
    const char *at = line, *next;

    len = len < sizeof(line) ? len : sizeof(line) - 1;
    memcpy(line, from, len);
    line[len] = '\0';
    while ((next = skip_prefix(at)) != NULL)
        at = next;
    line[(size_t)(at - line) + tail_start(at)] = '\0';
    ret[0] = '\0';
    while (*at) {
        size_t source = out.len == 0 || !is_path(at[-1]) ? put_source(&out, at) : 0;

        at += source;
        if (source)
            continue;
        if (*at == ' ' || *at == '\t') {
            if (out.len > 0 && out.at[out.len - 1] != ' ')
                put(&out, ' ');
        } else if (*at != '"' && *at != '\r') {
            put(&out, *at);
        }
        at++;
    }
    tidy_end(&out);
    return out.len > 0;
}

/* How any oops ends, and how any NMI begins: what else is said of it counts more. */
static bool is_weak(const char *line)
{
    return starts(line, "Fatal exception") || starts(line, "Uhhuh. ");
}

void pnd_signature_line(const char *panic, char ret[PND_SIGNATURE_LINE])
{
    char line[PND_SIGNATURE_LINE];

    ret[0] = '\0';
    while (*panic) {
        size_t len = strcspn(panic, "\n");

        if (take_line(panic, len, line) && (!ret[0] || !is_weak(line))) {
            memcpy(ret, line, sizeof(line));
            if (!is_weak(ret))
                return;
        }
        panic += len + (panic[len] == '\n');
    }
}

/* ---- what of it is the same everywhere ---- */

/* A UUID or an Ethernet address. @return its bytes, or 0 */
static size_t identifier(const char *at)
{
    static const char *const forms[] = {"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
                                        "xx:xx:xx:xx:xx:xx"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        size_t len = 0;

        while (forms[i][len] && (forms[i][len] == 'x' ? is_hex(at[len]) : forms[i][len] == at[len]))
            len++;
        if (!forms[i][len] && !is_word(at[len]))
            return len;
    }
    return 0;
}

static bool is_unit(const char *at, size_t len)
{
    static const char *const units[] = {"s",  "ms", "us", "ns", "m",  "h",  "B",
                                        "KB", "kB", "MB", "GB", "th", "st", "nd"};

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strlen(units[i]) == len && memcmp(at, units[i], len) == 0)
            return true;
    }
    return false;
}

/* "0x1f", "12", "23s", "ffff888012345678", "deadbeef" */
static bool is_number(const char *word, size_t len)
{
    size_t hex = run(word, is_hex), digits = run(word, is_digit);
    bool any = strcspn(word, "0123456789") < len;

    if (len > 2 && word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
        return run(word + 2, is_hex) >= len - 2;
    if (hex >= len && (len >= 8 || (any && len >= 4) || is_digit(word[0])))
        return true;
    return digits > 0 && (digits >= len || is_unit(word + digits, len - digits));
}

static bool is_counted(const char *word, size_t len, const char *name)
{
    size_t start = strlen(name);

    return len > start && starts(word, name) && is_digit(word[start]) &&
           strspn(word + start, "0123456789snpt") >= len - start;
}

/* A disk is anyone's: sda1, nvme0n1p2, ada0p3, disk0s2. */
static bool is_disk(const char *word, size_t len)
{
    static const char *const lettered[] = {"sd", "hd", "vd", "xvd"};
    static const char *const counted[] = {"ada",    "cd",  "da",  "disk", "dm",   "loop", "md",
                                          "mmcblk", "nda", "nvd", "nvme", "vtbd", "zd"};

    for (size_t i = 0; i < sizeof(lettered) / sizeof(*lettered); i++) {
        size_t start = strlen(lettered[i]);

        if (len > start && len <= start + 4 && starts(word, lettered[i]) && is_alpha(word[start]) &&
            start + 1 + run(word + start + 1, is_digit) >= len)
            return true;
    }
    for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
        if (is_counted(word, len, counted[i]))
            return true;
    }
    return false;
}

/* Of others the name may be the cause, the number is not: en0, vtnet1, CPU2.
 * @return bytes of the part that stays, or 0 */
static size_t device(const char *word, size_t len)
{
    static const char *const counted[] = {"CPU", "bge", "bond", "br",    "cpu", "em",  "en",
                                          "eth", "igb", "ix",   "re",    "tap", "tty", "ttyS",
                                          "tun", "tx",  "vnet", "vtnet", "wlan"};

    for (size_t i = 0; i < sizeof(counted) / sizeof(*counted); i++) {
        if (is_counted(word, len, counted[i]))
            return strlen(counted[i]);
    }
    return 0;
}

/* "[kworker/2:1:123]", "[bash:712]": what ran, and its number. @return its bytes, or 0 */
static size_t running(const char *at)
{
    size_t end = strcspn(at + 1, "[]") + 1, digits = end;

    if (at[0] != '[' || at[end] != ']')
        return 0;
    while (digits > 1 && is_digit(at[digits - 1]))
        digits--;
    return digits < end && digits > 1 && at[digits - 1] == ':' ? end + 1 : 0;
}

/* What follows a symbol: "+0x12/0x34", " + 0x12", ".isra.0". @return its bytes, or 0 */
static size_t symbol_tail(const char *at)
{
    static const char *const made[] = {".isra.", ".constprop.", ".part.", ".cold", ".llvm."};
    size_t len = 0;

    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++) {
        if (starts(at, made[i]))
            return strlen(made[i]) + run(at + strlen(made[i]), is_digit);
    }
    len += at[len] == ' ';
    if (at[len] != '+')
        return 0;
    len += 1 + (at[len + 1] == ' ');
    if (at[len] != '0' || at[len + 1] != 'x' || !is_hex(at[len + 2]))
        return 0;
    len += 2 + run(at + len + 2, is_hex);
    if (at[len] == '/' && at[len + 1] == '0' && at[len + 2] == 'x')
        len += 3 + run(at + len + 3, is_hex);
    return len;
}

static bool is_name(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(word, name, len) == 0;
}

/* Does @p before stand before @p word? */
static bool follows(const char *line, const char *word, const char *before)
{
    size_t len = strlen(before);

    return (size_t)(word - line) >= len && starts(word - len, before);
}

/* A word whose neighbour is a name of the moment. @return bytes to leave out behind it */
static size_t moment(const char *line, const char *word, size_t len)
{
    const char *rest = word + len;

    if (is_name(word, len, "kworker") && *rest == '/')
        return strcspn(rest, " ])}>,");
    if (is_name(word, len, "task") && *rest == ' ') { /* "task bash:712 blocked for ..." */
        size_t name = 1 + strcspn(rest + 1, " ");

        return starts(rest + name, " blocked") ? name : 0;
    }
    if (is_name(word, len, "process") && *rest == ' ' && follows(line, word, "state in "))
        return 1 + strcspn(rest + 1, " "); /* "Bad page state in process bash  pfn:1f" */
    if (starts(rest, ": ") && (is_name(word, len, "Comm") ||
                               (is_name(word, len, "atomic") && follows(line, word, "while "))))
        return 2 + strcspn(rest + 2, " "); /* "scheduling while atomic: bash/712/0x00000002" */
    return 0;
}

/* "pid 712 (bash)". @return bytes of " (bash)" behind the number at @p word, or 0 */
static size_t named_pid(const char *line, const char *word, const char *rest)
{
    size_t end;

    if (!starts(rest, " (") || (!follows(line, word, "pid ") && !follows(line, word, "process ")))
        return 0;
    end = strcspn(rest, ")");
    return rest[end] == ')' ? end + 1 : 0;
}

/* One word. @return bytes of the line that are dealt with */
static size_t put_word(struct out *out, const char *line, const char *word)
{
    size_t len = run(word, is_word), stays;

    stays = device(word, len);
    if (!stays && (is_disk(word, len) || is_number(word, len))) {
        put_number(out);
        return len + named_pid(line, word, word + len);
    }
    /* zones of an allocator are other zones, not other numbers */
    if ((is_name(word, len, "kalloc") || is_name(word, len, "kmalloc") ||
         is_name(word, len, "malloc")) &&
        (word[len] == '.' || word[len] == '-') && is_digit(word[len + 1])) {
        len += 1 + run(word + len + 1, is_word);
        put_all(out, word, len);
        return len;
    }
    put_all(out, word, stays ? stays : len);
    if (stays)
        put_number(out);
    return len + moment(line, word, len);
}

void pnd_signature_reduce(const char *line, char ret[PND_SIGNATURE_LINE])
{
    struct out out = {ret, 0, PND_SIGNATURE_LINE};
    const char *at = line;

    ret[0] = '\0';
    while (*at) {
        size_t used = identifier(at);

        if (used) {
            put_number(&out);
        } else if (is_word(*at)) {
            used = put_word(&out, line, at);
            while (symbol_tail(at + used)) /* ".isra.0+0x12/0x34" */
                used += symbol_tail(at + used);
        } else if ((used = running(at)) == 0) {
            used = 1;
            if (*at == ' ' &&
                starts(at, " = ")) /* "type = 14" of one version, "type 14" of another */
                used = 2;
            else if (*at != ' ' || (out.len > 0 && out.at[out.len - 1] != ' '))
                put(&out, *at);
        }
        at += used;
    }
    tidy_end(&out);
}
