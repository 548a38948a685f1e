/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A page that a person reads: see page.h. */
#include "panicdump/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/text.h"
#include "sender/address.h"

/* Up to the last blank that fits; a word that does not fit into a line gets one of its own. */
static size_t line_length(const char *at, size_t columns)
{
    size_t len = strcspn(at, "\n"), cut;

    if (len <= columns)
        return len;
    for (cut = columns; cut > 0 && at[cut] != ' '; cut--)
        ;
    if (cut > 0)
        return cut;
    return strcspn(at, " \n");
}

void pnd_page_field(const char *name, const char *fmt, ...)
{
    static char text[PND_PAGE_TEXT_CAP];
    size_t columns = PND_PAGE_COLUMNS - PND_PAGE_INDENT;
    const char *at = text;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    text[pnd_text_clean(text, text, strlen(text))] = '\0';
    do {
        size_t len = line_length(at, columns);

        printf("%-*s%.*s\n", PND_PAGE_INDENT, name, (int)len, at);
        name = "";
        at += len;
        at += *at == ' ' || *at == '\n';
    } while (*at);
}

/* Lines that are not wrapped, because they are pasted. */
static void print_typed(const char *typed)
{
    char text[PND_MACHINE_TEXT_CAP];

    text[pnd_text_clean(text, typed, strnlen(typed, sizeof(text) - 1))] = '\0';
    for (const char *at = text; *at; at += *at == '\n') {
        size_t len = strcspn(at, "\n");

        printf("%-*s%.*s\n", PND_PAGE_INDENT, "", (int)len, at);
        at += len;
    }
}

static bool has_colours(void)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

void pnd_page_checks(const struct pnd_machine *machine, bool all)
{
    static const char *const words[] = {"ok", "warning", "FAILED"};
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool coloured = has_colours();

    for (size_t i = 0; i < machine->count; i++) {
        const struct pnd_machine_check *c = &machine->checks[i];

        if (c->result == PND_MACHINE_OK && !all)
            continue;
        printf("%s%-*s%s%s\n", coloured ? colours[c->result] : "", PND_PAGE_INDENT,
               words[c->result], coloured ? "\033[0m" : "", c->name);
        pnd_page_field("", "%s", c->text);
        if (c->fix[0])
            print_typed(c->fix);
    }
}

void pnd_page_dump(const struct pnd_capture_options *o)
{
    static const char *const then[] = {
        [PND_AFTER_REBOOT] = "the machine restarts",
        [PND_AFTER_POWEROFF] = "the machine is switched off",
        [PND_AFTER_HALT] = "the machine halts",
        [PND_AFTER_WAIT] = "the crash kernel stays",
        [PND_AFTER_SHELL] = "there is a shell on the console",
    };
    char what[64] = "everything", tried[32] = "once";

    if (o->filter)
        snprintf(what, sizeof(what), "pages as makedumpfile -d %u would keep", o->filter);
    if (o->retry_s)
        snprintf(tried, sizeof(tried), "for %u %s", o->retry_s % 60 ? o->retry_s : o->retry_s / 60,
                 o->retry_s % 60 ? "s" : "min");
    pnd_page_field("dump", "%s, %s; tried %s, then %s", what,
                   o->packing == PND_PACKING_NONE ? "not compressed" : "compressed", tried,
                   then[o->after]);
}

const char *pnd_page_server(char dst[PND_PAGE_SERVER_CAP], struct pnd_endpoint server)
{
    char ip[PND_ADDRESS_CAP];

    snprintf(dst, PND_PAGE_SERVER_CAP, "%s:%u", pnd_address_format(ip, server.ip), server.port);
    return dst;
}

const char *pnd_page_mac(char dst[PND_PAGE_MAC_CAP], const uint8_t mac[6])
{
    snprintf(dst, PND_PAGE_MAC_CAP, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    return dst;
}
