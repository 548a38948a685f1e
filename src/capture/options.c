/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The options of `panicdump capture`: see options.h. */
#include "capture/options.h"

#include <string.h>

#include "panicd/bootargs.h"

#include "sender/address.h"

/* An address; absent is fine. */
static int parse_ip(const char *cmdline, const char *name, uint32_t *ret, struct pnd_why *why)
{
    char text[64];

    if (pnd_bootargs_string(cmdline, name, text, sizeof(text)) != PND_OK)
        return PND_OK;
    if (pnd_address_parse(text, ret, NULL) != PND_OK)
        return pnd_why(why, PND_E_ARG, 0, "%s=%s: not an IPv4 address like 10.0.40.2", name, text);
    return PND_OK;
}

/* What panicd_after says wins; then debug=, where no debugger waits here after a core, so the
 * machine is switched off when it is not to boot again. @source PROTOCOL.md#kdp-4 */
static int parse_after(const char *cmdline, enum pnd_after *ret, struct pnd_why *why)
{
    static const char *const words[] = {
        [PND_AFTER_REBOOT] = "reboot",
        [PND_AFTER_POWEROFF] = "poweroff",
        [PND_AFTER_HALT] = "halt",
        [PND_AFTER_WAIT] = "wait",
    };
    uint64_t debug = 0;
    char text[16];

    *ret = PND_AFTER_REBOOT;
    if (pnd_bootargs_integer(cmdline, "debug", 4, &debug) == PND_OK &&
        !(debug & (PND_DB_REBOOT_POST_CORE | PND_DB_REBOOT_ALWAYS)))
        *ret = PND_AFTER_POWEROFF;
    if (pnd_bootargs_string(cmdline, "panicd_after", text, sizeof(text)) != PND_OK)
        return PND_OK;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = (enum pnd_after)i;
            return PND_OK;
        }
    }
    return pnd_why(why, PND_E_ARG, 0, "panicd_after=%s: say reboot, poweroff, halt or wait", text);
}

static int parse_port(const char *cmdline, uint16_t *ret, struct pnd_why *why)
{
    char text[16];

    *ret = PND_KDP_PORT;
    if (pnd_bootargs_string(cmdline, "panicd_port", text, sizeof(text)) != PND_OK)
        return PND_OK;
    if (pnd_port_parse(text, ret, NULL) != PND_OK)
        return pnd_why(why, PND_E_ARG, 0, "panicd_port=%s: not a port from 1 to 65535", text);
    return PND_OK;
}

int pnd_capture_options_parse(const char *text, struct pnd_capture_options *ret,
                              struct pnd_why *why)
{
    struct pnd_capture_options *o = ret;
    struct pnd_endpoint *server = &o->servers[0].at;
    int err;

    memset(o, 0, sizeof(*o));
    strcpy(o->vmcore, "/proc/vmcore");
    pnd_bootargs_string(text, "kdp_match_name", o->match_name, sizeof(o->match_name));
    pnd_bootargs_string(text, "kdp_match_mac", o->match_mac, sizeof(o->match_mac));
    pnd_bootargs_string(text, "_panicd_corename", o->corename, sizeof(o->corename));
    pnd_bootargs_string(text, "panicd_vmcore", o->vmcore, sizeof(o->vmcore));
    err = parse_after(text, &o->after, why);
    if (!err)
        err = parse_port(text, &server->port, why);
    if (!err)
        err = parse_ip(text, "_router_ip", &o->router_ip, why);
    if (!err)
        err = parse_ip(text, "kdp_ip_addr", &o->own_ip, why);
    if (!err)
        err = parse_ip(text, "_panicd_ip", &server->ip, why);
    if (!err && !server->ip)
        err = pnd_why(why, PND_E_ARG, 0,
                      "no dump server: add _panicd_ip=ADDRESS to the crash kernel's command line");
    o->server_count = !err;
    return err;
}
