/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading the options of `panicdump capture`: see options.h. */
#include "capture/options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "panicd/bootargs.h"

#include "capture/options_words.h"
#include "host/text.h"

enum {
    VALUE_CAP = 512, /* eight servers with their ports, or a local place */
    ITEM_CAP = 64,
};

/* What is parsed, and what was found to be wrong with it so far. */
struct reader {
    const char *text;
    struct pnd_why *why;
    int err;
};

/* Another mistake: all of them are said, as far as there is room. */
__attribute__((format(printf, 2, 3))) static void mistake(struct reader *r, const char *fmt, ...)
{
    size_t len = 0;
    va_list args;

    if (r->why && !r->err)
        r->why->text[0] = '\0';
    r->err = PND_E_ARG;
    if (!r->why)
        return;
    len = strlen(r->why->text);
    if (len > 0 && len + 2 < sizeof(r->why->text)) {
        memcpy(r->why->text + len, "; ", 3);
        len += 2;
    }
    va_start(args, fmt);
    vsnprintf(r->why->text + len, sizeof(r->why->text) - len, fmt, args);
    va_end(args);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* The value of the first word NAME=VALUE. @return its length; -1: there is none */
static int find(const char *text, const char *name, const char **ret)
{
    size_t name_len = strlen(name);

    for (const char *at = text; *at;) {
        size_t len = 0;

        while (at[len] && !is_blank(at[len]))
            len++;
        if (len > name_len && at[name_len] == '=' && memcmp(at, name, name_len) == 0) {
            *ret = at + name_len + 1;
            return (int)(len - name_len - 1);
        }
        at += len;
        at += is_blank(*at);
    }
    return -1;
}

/* @return false: not given, or a mistake, and @p dst is left as it was */
static bool take_text(struct reader *r, const char *name, char *dst, size_t cap)
{
    const char *value = NULL;
    int len = find(r->text, name, &value);
    char escaped[80];

    if (len <= 0) /* without a value it says nothing */
        return false;
    if ((size_t)len >= cap) {
        mistake(r, "%s=%s: at most %zu bytes", name,
                pnd_text_escape(escaped, sizeof(escaped), value, (size_t)len), cap - 1);
        return false;
    }
    memcpy(dst, value, (size_t)len);
    dst[len] = '\0';
    return true;
}

static bool take_number(struct reader *r, const char *name, uint64_t min, uint64_t max,
                        uint64_t *ret)
{
    char text[ITEM_CAP], escaped[ITEM_CAP];
    uint64_t number = 0;

    if (!take_text(r, name, text, sizeof(text)))
        return false;
    if (pnd_text_parse_uint(text, &number) != PND_OK || number < min || number > max) {
        mistake(r, "%s=%s: not a number from %llu to %llu", name,
                pnd_text_escape(escaped, sizeof(escaped), text, strlen(text)),
                (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *ret = number;
    return true;
}

static void take_word(struct reader *r, const char *name, const char *const *words, size_t count,
                      unsigned *ret)
{
    char text[ITEM_CAP], escaped[ITEM_CAP], all[128] = "";
    size_t used = 0;

    if (!take_text(r, name, text, sizeof(text)))
        return;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = (unsigned)i;
            return;
        }
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
                                 i == 0           ? ""
                                 : i + 1 == count ? " or "
                                                  : ", ",
                                 words[i]);
    }
    mistake(r, "%s=%s: say %s", name, pnd_text_escape(escaped, sizeof(escaped), text, strlen(text)),
            all);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 12 hexadecimal digits, or pairs of them with colons between; of one machine, and not 0. */
static int parse_mac(const char *text, uint8_t ret[6])
{
    uint8_t mac[6] = {0}, any = 0;
    const char *at = text;

    for (size_t i = 0; i < 6; i++) {
        int high, low;

        if (i > 0 && text[2] == ':' && *at++ != ':')
            return PND_E_ARG;
        high = digit_of(at[0]);
        low = high < 0 ? -1 : digit_of(at[1]);
        if (low < 0)
            return PND_E_ARG;
        mac[i] = (uint8_t)(high << 4 | low);
        any |= mac[i];
        at += 2;
    }
    if (*at || !any || mac[0] & 1)
        return PND_E_ARG;
    memcpy(ret, mac, sizeof(mac));
    return PND_OK;
}

/* Numbers only: nobody resolves a name here. */
static int parse_ip(const char *text, uint32_t *ret)
{
    struct in_addr in;

    if (inet_pton(AF_INET, text, &in) != 1 || in.s_addr == htonl(INADDR_ANY))
        return PND_E_ARG;
    *ret = ntohl(in.s_addr);
    return PND_OK;
}

static void take_ip(struct reader *r, const char *name, uint32_t *ret)
{
    char text[ITEM_CAP], escaped[ITEM_CAP];

    if (take_text(r, name, text, sizeof(text)) && parse_ip(text, ret) != PND_OK)
        mistake(r, "%s=%s: not an IPv4 address like 10.0.40.2", name,
                pnd_text_escape(escaped, sizeof(escaped), text, strlen(text)));
}

/* ADDRESS[/PREFIX] */
static void take_own(struct reader *r, struct pnd_capture_options *o)
{
    static const char name[] = "kdp_ip_addr";
    char text[ITEM_CAP], escaped[ITEM_CAP], *slash;
    uint64_t prefix = 0;

    if (!take_text(r, name, text, sizeof(text)))
        return;
    pnd_text_escape(escaped, sizeof(escaped), text, strlen(text));
    slash = strchr(text, '/');
    if (slash) {
        *slash++ = '\0';
        if (pnd_text_parse_uint(slash, &prefix) != PND_OK || prefix < 1 || prefix > 32)
            mistake(r, "%s=%s: the network's size is /1 to /32", name, escaped);
        else
            o->prefix = (unsigned)prefix;
    }
    if (parse_ip(text, &o->own_ip) != PND_OK)
        mistake(r, "%s=%s: not an IPv4 address like 10.0.40.7/24", name, escaped);
}

/* Cuts the next item of a list with commas. @return NULL: no more */
static char *next_item(char **at)
{
    char *item = *at;

    if (!item)
        return NULL;
    *at = strchr(item, ',');
    if (*at)
        *(*at)++ = '\0';
    return item;
}

/* panicd_via: @p ret one for each server of the list, all 0 where none is given.
 * @return how many there are */
static size_t take_via(struct reader *r, uint8_t ret[PND_CAPTURE_SERVERS_MAX][6])
{
    char text[VALUE_CAP], escaped[ITEM_CAP], *at = text, *item;
    size_t count = 0;

    memset(ret, 0, (size_t)PND_CAPTURE_SERVERS_MAX * 6);
    if (!take_text(r, "panicd_via", text, sizeof(text)))
        return 0;
    for (; (item = next_item(&at)) != NULL; count++) {
        if (count == PND_CAPTURE_SERVERS_MAX)
            return count; /* of as many servers too many, which is said there */
        if (strcmp(item, "-") != 0 && parse_mac(item, ret[count]) != PND_OK)
            mistake(r, "panicd_via=%s: not the MAC of a machine like 52:54:00:12:34:56, nor -",
                    pnd_text_escape(escaped, sizeof(escaped), item, strlen(item)));
    }
    return count;
}

/* ADDRESS[:PORT] */
static bool parse_server(struct reader *r, char *item, uint16_t port, struct pnd_endpoint *ret)
{
    char escaped[ITEM_CAP], *colon;
    uint64_t number = 0;

    pnd_text_escape(escaped, sizeof(escaped), item, strlen(item));
    ret->port = port;
    colon = strchr(item, ':');
    if (colon) {
        *colon++ = '\0';
        if (pnd_text_parse_uint(colon, &number) != PND_OK || number < 1 || number > UINT16_MAX) {
            mistake(r, "_panicd_ip=%s: the port is a number from 1 to 65535", escaped);
            return false;
        }
        ret->port = (uint16_t)number;
    }
    if (parse_ip(item, &ret->ip) != PND_OK) {
        mistake(r, "_panicd_ip=%s: not an IPv4 address like 10.0.40.2", escaped);
        return false;
    }
    return true;
}

static void take_servers(struct reader *r, struct pnd_capture_options *o)
{
    char text[VALUE_CAP], *at = text, *item;
    uint8_t via[PND_CAPTURE_SERVERS_MAX][6];
    size_t place = 0, via_count = take_via(r, via);
    uint64_t port = PND_KDP_PORT;

    take_number(r, "panicd_port", 1, UINT16_MAX, &port);
    if (!take_text(r, "_panicd_ip", text, sizeof(text)))
        return;
    for (; (item = next_item(&at)) != NULL; place++) {
        struct pnd_capture_server *server = &o->servers[o->server_count];

        if (place == PND_CAPTURE_SERVERS_MAX) {
            mistake(r, "_panicd_ip=: at most %d servers", PND_CAPTURE_SERVERS_MAX);
            break;
        }
        if (!parse_server(r, item, (uint16_t)port, &server->at))
            continue;
        memcpy(server->via, via[place], sizeof(server->via));
        o->server_count++;
    }
    if (via_count > place)
        mistake(r, "panicd_via=: %zu MACs for %zu servers", via_count, place);
}

static void take_match(struct reader *r, struct pnd_capture_options *o)
{
    char text[ITEM_CAP], escaped[ITEM_CAP];
    uint8_t m[6];

    take_text(r, "kdp_match_name", o->match_name, sizeof(o->match_name));
    if (!take_text(r, "kdp_match_mac", text, sizeof(text)))
        return;
    if (parse_mac(text, m) != PND_OK)
        mistake(r, "kdp_match_mac=%s: not a MAC like 525400123456",
                pnd_text_escape(escaped, sizeof(escaped), text, strlen(text)));
    else
        snprintf(o->match_mac, sizeof(o->match_mac), "%02x%02x%02x%02x%02x%02x", m[0], m[1], m[2],
                 m[3], m[4], m[5]);
}

/* What panicd_after says wins; then debug=, where no debugger waits here after a core, so the
 * machine is switched off when it is not to boot again. Linux' own word "debug", without a number,
 * is none of it. @source PROTOCOL.md#kdp-4 */
static void take_after(struct reader *r, struct pnd_capture_options *o)
{
    unsigned after = PND_AFTER_REBOOT;
    uint64_t debug = 0;
    char text[ITEM_CAP], word[ITEM_CAP + 8];

    if (take_text(r, "debug", text, sizeof(text))) {
        snprintf(word, sizeof(word), "debug=%s", text);
        if (pnd_bootargs_integer(word, "debug", 4, &debug) == PND_OK &&
            !(debug & (PND_DB_REBOOT_POST_CORE | PND_DB_REBOOT_ALWAYS)))
            after = PND_AFTER_POWEROFF;
    }
    take_word(r, "panicd_after", pnd_after_words, PND_AFTER_COUNT, &after);
    o->after = (enum pnd_after)after;
}

static void take_rest(struct reader *r, struct pnd_capture_options *o)
{
    uint64_t number;
    unsigned packing = PND_PACKING_AUTO;

    if (take_number(r, "panicd_vlan", 1, PND_CAPTURE_VLAN_MAX, &number))
        o->vlan = (uint16_t)number;
    if (take_number(r, "panicd_mtu", PND_CAPTURE_MTU_MIN, PND_CAPTURE_MTU_MAX, &number))
        o->mtu = (uint16_t)number;
    if (take_number(r, "panicd_filter", 0, PND_CAPTURE_FILTER_MAX, &number))
        o->filter = (unsigned)number;
    if (take_number(r, "panicd_retry", 0, PND_CAPTURE_SECONDS_MAX, &number))
        o->retry_s = (uint32_t)number;
    if (take_number(r, "panicd_watchdog", 0, PND_CAPTURE_SECONDS_MAX, &number))
        o->watchdog_s = (uint32_t)number;
    take_word(r, "panicd_compress", pnd_packing_words, PND_PACKING_COUNT, &packing);
    o->packing = (enum pnd_capture_packing)packing;
    if (take_number(r, "panicd_plain", 0, 1, &number))
        o->plain = number != 0;
    take_text(r, "panicd_local", o->local, sizeof(o->local));
    take_text(r, "panicd_vmcore", o->vmcore, sizeof(o->vmcore));
    take_text(r, "_panicd_corename", o->corename, sizeof(o->corename));
}

int pnd_capture_options_parse(const char *text, struct pnd_capture_options *ret,
                              struct pnd_why *why)
{
    struct reader r = {.text = text, .why = why};

    memset(ret, 0, sizeof(*ret));
    memcpy(ret->vmcore, PND_CAPTURE_VMCORE, sizeof(PND_CAPTURE_VMCORE));
    ret->retry_s = PND_CAPTURE_RETRY_S;
    ret->watchdog_s = PND_CAPTURE_WATCHDOG_S;
    take_after(&r, ret);
    take_servers(&r, ret);
    take_ip(&r, "_router_ip", &ret->router_ip);
    take_own(&r, ret);
    take_match(&r, ret);
    take_rest(&r, ret);
    if (ret->server_count == 0 && !ret->local[0])
        mistake(&r, "nowhere to send the dump: add _panicd_ip=ADDRESS of a dump server to the "
                    "crash kernel's command line");
    return r.err;
}
