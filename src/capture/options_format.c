/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writing the options of `panicdump capture`: see options.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "capture/options.h"
#include "capture/options_words.h"
#include "sender/address.h"

const char *const pnd_after_words[PND_AFTER_COUNT] = {
    [PND_AFTER_REBOOT] = "reboot", [PND_AFTER_POWEROFF] = "poweroff", [PND_AFTER_HALT] = "halt",
    [PND_AFTER_WAIT] = "wait",     [PND_AFTER_SHELL] = "shell",
};

const char *const pnd_packing_words[PND_PACKING_COUNT] = {
    [PND_PACKING_AUTO] = "auto",
    [PND_PACKING_GZIP] = "gzip",
    [PND_PACKING_LZ4] = "lz4",
    [PND_PACKING_NONE] = "none",
};

struct writer {
    char *dst;
    size_t cap, len;
    int err;
};

__attribute__((format(printf, 2, 3))) static void add(struct writer *w, const char *fmt, ...)
{
    va_list args;
    int n;

    if (w->err)
        return;
    va_start(args, fmt);
    n = vsnprintf(w->dst + w->len, w->cap - w->len, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= w->cap - w->len)
        w->err = PND_E_RANGE;
    else
        w->len += (size_t)n;
}

/* Words are parted by blanks, so none of them can hold one. */
static void add_text(struct writer *w, const char *name, const char *value)
{
    if (!value[0])
        return;
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at <= ' ' && !w->err)
            w->err = PND_E_ARG;
    add(w, "%s%s=%s", w->len ? " " : "", name, value);
}

static void add_number(struct writer *w, const char *name, uint32_t value, uint32_t unless)
{
    if (value != unless)
        add(w, "%s%s=%u", w->len ? " " : "", name, (unsigned)value);
}

static bool has_mac(const uint8_t mac[6])
{
    static const uint8_t none[6];

    return memcmp(mac, none, sizeof(none)) != 0;
}

static void add_servers(struct writer *w, const struct pnd_capture_options *o)
{
    char ip[PND_ADDRESS_CAP];
    bool via = false;

    for (size_t i = 0; i < o->server_count; i++) {
        const struct pnd_endpoint *at = &o->servers[i].at;

        add(w, "%s%s", i ? "," : "_panicd_ip=", pnd_address_format(ip, at->ip));
        if (at->port != PND_KDP_PORT)
            add(w, ":%u", at->port);
        via |= has_mac(o->servers[i].via);
    }
    for (size_t i = 0; via && i < o->server_count; i++) {
        const uint8_t *m = o->servers[i].via;

        add(w, "%s", i ? "," : " panicd_via=");
        if (has_mac(m))
            add(w, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        else
            add(w, "-");
    }
}

static void add_addresses(struct writer *w, const struct pnd_capture_options *o)
{
    char ip[PND_ADDRESS_CAP];

    if (o->own_ip)
        add_text(w, "kdp_ip_addr", pnd_address_format(ip, o->own_ip));
    if (o->own_ip && o->prefix)
        add(w, "/%u", o->prefix);
    if (o->router_ip)
        add_text(w, "_router_ip", pnd_address_format(ip, o->router_ip));
}

int pnd_capture_options_format(const struct pnd_capture_options *options, char *dst, size_t cap)
{
    const struct pnd_capture_options *o = options;
    struct writer w = {.dst = dst, .cap = cap};

    if (cap == 0)
        return PND_E_RANGE;
    dst[0] = '\0';
    if (o->server_count > PND_CAPTURE_SERVERS_MAX || o->after >= PND_AFTER_COUNT ||
        o->packing >= PND_PACKING_COUNT)
        return PND_E_ARG;
    add_servers(&w, o);
    add_addresses(&w, o);
    add_text(&w, "kdp_match_name", o->match_name);
    add_text(&w, "kdp_match_mac", o->match_mac);
    add_number(&w, "panicd_vlan", o->vlan, 0);
    add_number(&w, "panicd_mtu", o->mtu, 0);
    add_text(&w, "_panicd_corename", o->corename);
    if (strcmp(o->vmcore, PND_CAPTURE_VMCORE) != 0)
        add_text(&w, "panicd_vmcore", o->vmcore);
    add_number(&w, "panicd_filter", o->filter, 0);
    if (o->packing != PND_PACKING_AUTO)
        add_text(&w, "panicd_compress", pnd_packing_words[o->packing]);
    add_number(&w, "panicd_plain", o->plain, 0);
    add_text(&w, "panicd_local", o->local);
    add_number(&w, "panicd_retry", o->retry_s, PND_CAPTURE_RETRY_S);
    add_number(&w, "panicd_watchdog", o->watchdog_s, PND_CAPTURE_WATCHDOG_S);
    /* Always: without it, a debug= of the command line would choose. */
    add_text(&w, "panicd_after", pnd_after_words[o->after]);
    if (w.err)
        dst[0] = '\0';
    return w.err;
}
