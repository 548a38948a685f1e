/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mistakes that are made with boot-args, and what to write instead.
 * @source PROTOCOL.md#kdp-2.8, #kdp-3.1, #kdp-3.2, #kdp-4.1 */
#include "advice/lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "advice/known.h"
#include "host/text.h"

enum {
    XNU_REBOOT_ALWAYS = 4903,
    XNU_CURRENT_ORDER = 4570,
    XNU_LOCAL_CORE = 3247,
    XNU_LOCAL_WORD_END = 3789,
    SHORT_NAME = 4, /* below it, a name is like too many others */
    NAME_MAX_LEN = 40,
    SHOWN_MAX = 60,
    SHOWN_CAP = 4 * SHOWN_MAX + 4, /* each byte as \xHH */
};

struct look {
    struct pnd_argline line; /* without the quotes and dashes of a web page */
    struct pnd_bootargs args;
    uint32_t works;     /* the bits that mean something in this train */
    bool network;       /* a dump to the network is wanted */
    bool no_value;      /* debug= is no number: what lands in it is not worth a word */
    struct pnd_fix fix; /* of the finding that comes next */
    struct pnd_lint *lint;
};

__attribute__((format(printf, 4, 5))) static void find(struct look *look, const char *trap,
                                                       const char *instead, const char *fmt, ...)
{
    struct pnd_lint *lint = look->lint;
    struct pnd_lint_finding *finding;
    va_list ap;

    if (lint->count == PND_LINT_MAX)
        return;
    finding = &lint->at[lint->count++];
    finding->fix = look->fix;
    look->fix.kind = PND_FIX_NONE;
    finding->trap = trap;
    snprintf(finding->instead, sizeof(finding->instead), "%s", instead);
    va_start(ap, fmt);
    vsnprintf(finding->text, sizeof(finding->text), fmt, ap);
    va_end(ap);
}

/* How the next finding is put right; a text that is too long for that is left to a person. */
__attribute__((format(printf, 3, 4))) static void plan(struct look *look, enum pnd_fix_kind kind,
                                                       const char *fmt, ...)
{
    struct pnd_fix *fix = &look->fix;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(fix->text, sizeof(fix->text), fmt, ap);
    va_end(ap);
    fix->kind = len >= 0 && (size_t)len < sizeof(fix->text) ? kind : PND_FIX_NONE;
}

/* The bytes from @p from to @p to are what the text of the next fix replaces. */
static void plan_span(struct look *look, const char *from, const char *to)
{
    look->fix.at = (size_t)(from - look->line.text);
    look->fix.len = (size_t)(to - from);
}

static bool has(const struct look *look, uint32_t bits)
{
    return (look->works & bits) != 0;
}

static bool given(const struct look *look, const char *name)
{
    struct pnd_bootarg arg;

    return pnd_bootargs_find(look->line.text, name, &arg) == PND_OK;
}

/* A word or its value, fit to be printed; the first 60 bytes are enough to know it. */
static const char *shown(char *ret, const char *text, size_t len)
{
    return pnd_text_escape(ret, SHOWN_CAP, text, len < SHOWN_MAX ? len : SHOWN_MAX);
}

/* ---- what a web page makes of a line ---- */

static const struct {
    const char *bytes, *plain, *what;
} typographic[] = {
    {"\xe2\x80\x98", "", "a curly quote"},
    {"\xe2\x80\x99", "", "a curly quote"},
    {"\xe2\x80\x9a", "", "a curly quote"},
    {"\xe2\x80\x9b", "", "a curly quote"},
    {"\xe2\x80\x9c", "", "a curly quote"},
    {"\xe2\x80\x9d", "", "a curly quote"},
    {"\xe2\x80\x9e", "", "a curly quote"},
    {"\xe2\x80\x9f", "", "a curly quote"},
    {"\xc2\xab", "", "a curly quote"},
    {"\xc2\xbb", "", "a curly quote"},
    {"\xe2\x80\xb2", "", "a prime"},
    {"\xe2\x80\xb3", "", "a prime"},
    {"\xe2\x80\x90", "-", "a typographic dash"},
    {"\xe2\x80\x91", "-", "a typographic dash"},
    {"\xe2\x80\x92", "-", "a typographic dash"},
    {"\xe2\x80\x93", "-", "a typographic dash"},
    {"\xe2\x80\x94", "-", "a typographic dash"},
    {"\xe2\x80\x95", "-", "a typographic dash"},
    {"\xe2\x88\x92", "-", "a typographic dash"},
    {"\xc2\xa0", " ", "a blank that is none"},
    {"\xe2\x80\xaf", " ", "a blank that is none"},
    {"\xe2\x80\x8b", "", "an invisible character"},
    {"\n", " ", "a line break"},
    {"\r", "", "a line break"},
    {"\"", "", "a quote"},
    {"'", "", "a quote"},
};

enum { TYPOGRAPHIC_COUNT = sizeof(typographic) / sizeof(typographic[0]) };

static int typographic_at(const char *at)
{
    for (unsigned i = 0; i < TYPOGRAPHIC_COUNT; i++) {
        if (strncmp(at, typographic[i].bytes, strlen(typographic[i].bytes)) == 0)
            return (int)i;
    }
    return -1;
}

/* Whatever else is wrong is then looked for in the line as it was meant. */
static void check_typography(struct look *look)
{
    const char *said[TYPOGRAPHIC_COUNT], *from = look->line.text;
    char plain[PND_ARGLINE_CAP];
    unsigned said_count = 0;
    size_t used = 0;

    while (*from) {
        int which = typographic_at(from);
        unsigned i = 0;

        if (which < 0) {
            plain[used++] = *from++;
            continue;
        }
        if (typographic[which].plain[0])
            plain[used++] = typographic[which].plain[0];
        from += strlen(typographic[which].bytes);
        while (i < said_count && strcmp(said[i], typographic[which].what) != 0)
            i++;
        if (i < said_count)
            continue;
        said[said_count++] = typographic[which].what;
        look->fix.kind = PND_FIX_PLAIN;
        find(look, "typography", "type it anew: only \" around the line, - and blanks",
             "%s in the line, as copied from a web page: the kernel takes it for a part of the "
             "word",
             typographic[which].what);
    }
    plain[used] = '\0';
    memcpy(look->line.text, plain, used + 1);
    memcpy(look->lint->plain, plain, used + 1);
}

/* ---- words ---- */

/* How many letters are to be changed, added or taken out; more than @p limit is not counted on. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[NAME_MAX_LEN + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned corner = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned above = row[j], best = corner + (strncasecmp(&a[i - 1], &b[j - 1], 1) != 0);

            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            corner = above;
        }
    }
    return row[b_len];
}

/* The known name that this one may be meant for. */
static const char *meant(const char *name, size_t len)
{
    const struct pnd_arg *arg;
    const char *best = NULL;
    unsigned best_distance = 3;

    if (len < SHORT_NAME || len > NAME_MAX_LEN)
        return NULL;
    for (unsigned i = 0; (arg = pnd_arg(i)); i++) {
        size_t known_len = strlen(arg->name);
        unsigned limit = known_len > SHORT_NAME + 1 ? 2 : 1, off;

        if (known_len < SHORT_NAME || known_len > NAME_MAX_LEN)
            continue;
        off = distance(name, len, arg->name, known_len);
        if (off <= limit && off < best_distance) {
            best = arg->name;
            best_distance = off;
        }
    }
    return best;
}

static void check_name(struct look *look, const struct pnd_argline_word *word)
{
    static const char wrong_port[] = "_panicd_port";
    char name[SHOWN_CAP], instead[PND_LINT_TEXT_CAP];
    const char *better;

    if (word->name_len == 0 || pnd_arg_find(word->text, word->name_len))
        return;
    shown(name, word->text, word->name_len);
    if (word->name_len == strlen(wrong_port) &&
        memcmp(word->text, wrong_port, strlen(wrong_port)) == 0) {
        snprintf(instead, sizeof(instead), "panicd_port%s",
                 shown(name, word->text + word->name_len, word->len - word->name_len));
        plan(look, PND_FIX_SPAN, "panicd_port");
        plan_span(look, word->text, word->text + word->name_len);
        find(look, "port-name", instead,
             "_panicd_port is not the name: it does nothing, and the port stays 1069");
        return;
    }
    better = meant(word->text, word->name_len);
    if (!better)
        return;
    plan(look, PND_FIX_SPAN, "%s", better);
    plan_span(look, word->text, word->text + word->name_len);
    find(look, "misspelt", better, "%s is no boot-arg for dumps, but close to %s", name, better);
}

/* Name and value, which a blank keeps apart, as one word. */
static void plan_join(struct look *look, const struct pnd_argline_word *word, const char *value,
                      const char *end)
{
    plan(look, PND_FIX_SPAN, "%.*s=%.*s", (int)word->name_len, word->text, (int)(end - value),
         value);
    plan_span(look, word->text, end);
}

/* "name =value", "name= value", "_name value" */
static void check_blank(struct look *look, const struct pnd_argline_word *word, const char *behind)
{
    const struct pnd_arg *arg = pnd_arg_find(word->text, word->name_len);
    struct pnd_argline_word next;
    char instead[PND_LINT_TEXT_CAP], name[SHOWN_CAP], value[SHOWN_CAP];
    bool empty = word->has_value && word->len == word->name_len + 1, more, value_next;
    const char *text, *end;

    more = pnd_argline_next(&behind, &next);
    value_next = more && !next.has_value && !pnd_arg_find(next.text, next.name_len);
    end = next.text + next.len;
    if (more && next.text[0] == '=' && !word->has_value) {
        shown(value, next.text + 1, next.len - 1);
        text = "has a blank in front of its \"=\", and so is nothing";
        plan_join(look, word, next.text + 1, end);
    } else if (arg && empty) {
        shown(value, value_next ? next.text : "...", value_next ? next.len : 3);
        text = "has nothing behind its \"=\", and so is empty";
        if (value_next)
            plan_join(look, word, next.text, end);
    } else if (arg && arg->kind == PND_ARG_TEXT && !word->has_value) {
        shown(value, more && !next.has_value ? next.text : "...",
              more && !next.has_value ? next.len : 3);
        text = word->text[0] == '_'
                   ? "has no \"=\": it takes the next word without its first character"
                   : "has no \"=\" and a value, and so is \"1\"";
        if (value_next)
            plan_join(look, word, next.text, end);
    } else {
        return;
    }
    shown(name, word->text, word->name_len);
    snprintf(instead, sizeof(instead), "%s=%s", name, value);
    find(look, "blank", instead, "%s %s", name, text);
}

/* A number that only has to be written in another way: "08", "0X1f", "DB_NMI|DB_ARP". */
static void plan_number(struct look *look, const struct pnd_argline_word *word)
{
    const char *value = word->text + word->name_len + 1;
    size_t len = word->len - word->name_len - 1, zeros = 0;
    char single[128];
    struct pnd_bootarg found;
    uint32_t sum;

    if (len >= sizeof(single) / 2)
        return;
    while (zeros + 1 < len && value[zeros] == '0')
        zeros++;
    if (len > 2 && value[0] == '0' && value[1] == 'X')
        snprintf(single, sizeof(single), "is=0x%.*s", (int)(len - 2), value + 2);
    else
        snprintf(single, sizeof(single), "is=%.*s", (int)(len - zeros), value + zeros);
    if (pnd_bootargs_find(single, "is", &found) == PND_OK && found.is_number)
        plan(look, PND_FIX_SPAN, "%s", single + strlen("is="));
    else if (word->name_len == strlen("debug") && pnd_argline_value(value, len, &sum))
        plan(look, PND_FIX_SPAN, "0x%x", sum);
    plan_span(look, value, value + len);
}

static void check_number(struct look *look, const struct pnd_argline_word *word)
{
    const struct pnd_arg *arg = pnd_arg_find(word->text, word->name_len);
    char single[128], value[SHOWN_CAP];
    struct pnd_bootarg found;

    if (!arg || arg->kind != PND_ARG_NUMBER || !word->has_value || word->len == word->name_len + 1)
        return;
    snprintf(single, sizeof(single), "%.*s", (int)word->len, word->text);
    if (pnd_bootargs_find(single, arg->name, &found) != PND_OK || found.is_number)
        return;
    shown(value, word->text + word->name_len + 1, word->len - word->name_len - 1);
    plan_number(look, word);
    find(look, "no-number",
         value[0] == '0' && strchr("89", value[1]) && value[1]
             ? "a number without the leading 0"
             : "a number as the kernel reads them: 0x1f, 31, 037 or 0b11111",
         "%s=%s is no number to the kernel, which copies the letters into it: a leading 0 means "
         "octal, the x of 0x is small, names are not understood",
         arg->name, value);
}

/* Of a name that is there twice, which one counts? */
static void check_twice(struct look *look, const struct pnd_argline_word *word, const char *behind)
{
    bool first = word->text[0] == '-' || word->text[0] == '_', differs = false;
    char name[SHOWN_CAP], value[SHOWN_CAP], instead[PND_LINT_TEXT_CAP];
    struct pnd_argline_word other, last = *word;

    while (pnd_argline_next(&behind, &other)) {
        if (other.name_len != word->name_len || memcmp(other.text, word->text, word->name_len) != 0)
            continue;
        differs |= other.len != last.len || memcmp(other.text, last.text, last.len) != 0;
        last = other;
    }
    for (const char *at = look->line.text; pnd_argline_next(&at, &other);) {
        if (other.text >= word->text)
            break; /* none before it: it is told once, at the first */
        if (other.name_len == word->name_len && memcmp(other.text, word->text, word->name_len) == 0)
            return;
    }
    if (!differs || word->name_len == 0)
        return;
    if (first)
        last = *word;
    shown(value, last.text, last.len);
    plan(look, PND_FIX_PUT, "%.*s", (int)last.len, last.text);
    snprintf(instead, sizeof(instead), "only one of them; now it is %s", value);
    find(look, "twice", instead, "%s is there more than once: of this name the %s one counts",
         shown(name, word->text, word->name_len), first ? "first" : "last");
}

static void check_words(struct look *look)
{
    struct pnd_argline_word word;

    for (const char *at = look->line.text; pnd_argline_next(&at, &word);) {
        check_name(look, &word);
        check_blank(look, &word, at);
        check_number(look, &word);
        check_twice(look, &word, at);
    }
}

/* ---- the value of debug= ---- */

/* What the value has to lose or to get; said with the finding, and in the sum. */
static const char *change(struct look *look, char *ret, uint32_t without, uint32_t with)
{
    with &= ~look->args.debug;
    look->fix = (struct pnd_fix){.kind = PND_FIX_BITS, .without = without, .with = with};
    look->lint->debug_instead = (look->lint->debug_instead & ~without) | with;
    if (without && with)
        snprintf(ret, PND_LINT_TEXT_CAP, "debug= without 0x%x, with 0x%x", without, with);
    else
        snprintf(ret, PND_LINT_TEXT_CAP, "debug= with%s 0x%x", without ? "out" : "",
                 without ? without : with);
    return ret;
}

static void check_debug(struct look *look)
{
    if (look->args.debug != 0 || look->no_value)
        return;
    plan(look, PND_FIX_PUT, "debug=0x24c44");
    find(look, "no-debug",
         "debug=0x24c44, to send a core and restart; panicctl bootargs encode "
         "makes others",
         "debug= is %s: nothing is dumped, no interface is registered, whatever else is there",
         given(look, "debug") ? "0" : "missing");
}

static void check_bits(struct look *look)
{
    uint32_t train = look->args.xnu, idle = look->args.debug & ~look->works, unknown = idle;
    const struct pnd_debug_flag *flag;
    char instead[PND_LINT_TEXT_CAP];

    for (unsigned i = 0; (flag = pnd_debug_flag(i)); i++) {
        unknown &= ~flag->bit;
        if (!(idle & flag->bit))
            continue;
        if (flag->until && train > flag->until)
            find(look, "obsolete", change(look, instead, flag->bit, 0),
                 "%s (0x%x) is obsolete: since macOS %s it does nothing", flag->name, flag->bit,
                 pnd_macos_after(flag->until));
        else
            find(look, "too-new", change(look, instead, flag->bit, 0),
                 "%s (0x%x) does nothing before macOS %s (xnu %u)", flag->name, flag->bit,
                 pnd_macos_of(flag->since), flag->since);
    }
    if (unknown)
        find(look, "unknown-bit", change(look, instead, unknown, 0),
             "0x%x is no bit that any release knows", unknown);
}

static void check_order(struct look *look)
{
    bool core = has(look, PND_DB_KERN_DUMP_ON_PANIC | PND_DB_KERN_DUMP_ON_NMI);
    char instead[PND_LINT_TEXT_CAP];

    if (!look->network)
        return;
    if (has(look, PND_DB_REBOOT_ALWAYS))
        find(look, "reboot-always",
             change(look, instead, PND_DB_REBOOT_ALWAYS,
                    PND_DB_REBOOT_POST_CORE | PND_DB_DISABLE_LOCAL_CORE),
             "DB_REBOOT_ALWAYS (0x100000) restarts the machine before any dump to the network: "
             "since macOS 10.14 nothing is ever sent");
    if (look->args.xnu >= XNU_CURRENT_ORDER && core && has(look, PND_DB_REBOOT_POST_CORE) &&
        !has(look, PND_DB_DISABLE_LOCAL_CORE))
        find(look, "local-core-first", change(look, instead, 0, PND_DB_DISABLE_LOCAL_CORE),
             "DB_REBOOT_POST_CORE (0x4000) without DB_DISABLE_LOCAL_CORE (0x20000): where a local "
             "core can be written, the machine restarts after it, and nothing is sent");
    if (!has(look, PND_DB_ARP))
        find(look, "no-arp", change(look, instead, 0, PND_DB_ARP),
             "DB_ARP (0x40) is missing: a machine that panicked does not ask for the server's "
             "hardware address, so nothing arrives");
}

static void check_nmi(struct look *look)
{
    char instead[PND_LINT_TEXT_CAP];

    if (has(look, PND_DB_KERN_DUMP_ON_NMI) && !has(look, PND_DB_NMI))
        find(look, "no-nmi", change(look, instead, 0, PND_DB_NMI),
             "DB_KERN_DUMP_ON_NMI (0x800) without DB_NMI (0x4): an NMI does nothing");
    if (look->line.value_only || look->args.watchdog_off)
        return;
    plan(look, PND_FIX_PUT, "wdt=-1");
    if (given(look, "wdt"))
        find(look, "watchdog", "wdt=-1", "wdt= is not -1: only that keeps the watchdog away");
    else if (has(look, PND_DB_KERN_DUMP_ON_NMI))
        find(look, "watchdog", "wdt=-1",
             "wdt=-1 is missing: while a machine hangs or an NMI's core is sent, the watchdog may "
             "restart it");
    else
        look->fix.kind = PND_FIX_NONE;
}

/* ---- the rest of the line ---- */

static void check_quad(struct look *look, const char *name, uint32_t address)
{
    char value[SHOWN_CAP], instead[PND_LINT_TEXT_CAP];
    struct pnd_bootarg arg;

    if (pnd_bootargs_find(look->line.text, name, &arg) != PND_OK || address != 0)
        return;
    snprintf(instead, sizeof(instead), "%s=10.0.40.2, with the address that is meant", name);
    find(look, "no-address", instead,
         "%s=%s is no address: it has to be four decimal numbers with dots, no name, no IPv6", name,
         shown(value, arg.text, arg.len));
}

static void check_addresses(struct look *look)
{
    const struct pnd_bootargs *args = &look->args;
    bool disk_only = strcmp(args->panicd_ip, "local") == 0 && args->xnu >= XNU_LOCAL_CORE &&
                     args->xnu <= XNU_LOCAL_WORD_END;

    if (!disk_only)
        check_quad(look, "_panicd_ip", args->server);
    check_quad(look, "_router_ip", args->router);
    if (args->has_ip_addr)
        check_quad(look, "kdp_ip_addr", args->own);
    if (look->network && !args->has_panicd_ip && !look->line.value_only)
        find(look, "no-server", "_panicd_ip=10.0.40.2, with the server's address",
             "_panicd_ip= is missing: there is nobody to send to");
    if (args->port == 0) {
        plan(look, PND_FIX_PUT, "panicd_port=1069");
        find(look, "port", "panicd_port=1069", "panicd_port=0 is no port");
    }
}

static void check_port_range(struct look *look)
{
    struct pnd_bootarg arg;

    if (pnd_bootargs_find(look->line.text, "panicd_port", &arg) == PND_OK && arg.is_number &&
        arg.number > PND_ADVICE_PORT_MAX) {
        plan(look, PND_FIX_PUT, "panicd_port=1069");
        find(look, "port", "panicd_port=1069", "panicd_port= is above 65535, and is cut");
    }
}

static void check_interface(struct look *look)
{
    const struct pnd_bootargs *args = &look->args;

    if (!look->network || look->line.value_only)
        return;
    if (!args->has_match_name && look->line.arm64)
        find(look, "no-interface", "kdp_match_name=en0, with the interface that is meant",
             "kdp_match_name= is missing: Apple silicon sends nothing without it, and an Intel Mac "
             "takes the first interface that comes up");
    else if (!args->has_match_name && !args->has_match_mac)
        find(look, "no-interface", "kdp_match_name=en0, with the interface that is meant",
             "kdp_match_name= is missing: the first interface that comes up is taken, which may "
             "have no cable");
    if (strcmp(args->match_name, "serial") == 0)
        find(look, "serial", "kdp_match_name=en0, with the interface that is meant",
             "kdp_match_name=serial sends every packet over the serial line: no server on the "
             "network gets one");
}

static void check_rest(struct look *look)
{
    const struct pnd_bootargs *args = &look->args;
    char instead[PND_LINT_TEXT_CAP];

    if (args->has_corename) {
        plan(look, PND_FIX_DROP, "_panicd_corename");
        find(look, "corename", "leave it out: the machine makes a name with address and time",
             "_panicd_corename= gives every dump the same name: Apple's server refuses the second "
             "one");
    }
    if (args->debug != 0 && !look->no_value && args->has_panicd_ip && !has(look, PND_DEBUG_DUMPS))
        find(look, "nothing-sent", change(look, instead, 0, PND_DB_KERN_DUMP_ON_PANIC | PND_DB_ARP),
             "_panicd_ip= is given, but no bit asks for a dump: 0x400 on a panic, 0x800 on an NMI, "
             "0x2000 only the panic log");
}

/* A value alone is taken for that of a network dump. In a line, what only a network dump needs
 * shows that one is wanted; without any of it the local core may be all that is. */
static bool wants_network(const struct look *look)
{
    const struct pnd_arg *arg;

    if (!has(look, PND_DEBUG_DUMPS) || strcmp(look->args.panicd_ip, "local") == 0)
        return false;
    if (look->line.value_only || look->args.xnu < XNU_LOCAL_CORE ||
        has(look, PND_DB_ARP | PND_DB_PANICLOG_DUMP | PND_DB_DISABLE_LOCAL_CORE))
        return true;
    for (unsigned i = 0; (arg = pnd_arg(i)); i++) {
        if (arg->network && given(look, arg->name))
            return true;
    }
    return false;
}

void pnd_lint(const struct pnd_argline *line, struct pnd_lint *ret)
{
    struct look look = {.line = *line, .lint = ret};
    struct pnd_bootarg debug;

    memset(ret, 0, sizeof(*ret));
    check_typography(&look);
    pnd_bootargs_read(look.line.text, line->xnu, &look.args);
    look.no_value =
        pnd_bootargs_find(look.line.text, "debug", &debug) == PND_OK && !debug.is_number;
    look.works = look.no_value ? 0 : pnd_debug_effective(look.args.debug, line->xnu);
    look.network = wants_network(&look);
    ret->debug = ret->debug_instead = look.args.debug;
    ret->value_only = line->value_only;
    check_words(&look);
    check_debug(&look);
    if (!look.no_value)
        check_bits(&look);
    check_order(&look);
    check_nmi(&look);
    check_addresses(&look);
    check_port_range(&look);
    check_interface(&look);
    check_rest(&look);
}
