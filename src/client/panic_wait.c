/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine that waits: for a debugger, which may find it by ARP, for a key, or for a restart.
 * PROTOCOL.md#kdp-2.8. Freestanding. */
#include "client/panic.h"

enum { SERVE_US = 20000 }; /* keys are looked for this often */

#define SECOND_US UINT64_C(1000000)

/* @return false: nobody can be answered */
static bool listen(struct panic *p)
{
    struct pnd_stack_config config = {.own_ip = pnd_panic_own_ip(p)};

    if (!p->platform.nic || p->driver_broken || !pnd_panic_has(p, PND_DB_ARP))
        return false;
    pnd_panic_watch_nic(p);
    return pnd_stack_listen(&p->net.stack, &p->nic, &config) == PND_OK;
}

static void say_where(struct panic *p)
{
    char ip[PND_IP_TEXT_CAP];

    if (p->platform.nic) {
        const uint8_t *mac = p->platform.nic->mac;

        pnd_panic_say(p, "Ethernet MAC address: %02x:%02x:%02x:%02x:%02x:%02x\n", mac[0], mac[1],
                      mac[2], mac[3], mac[4], mac[5]);
        pnd_panic_say(p, "IP address: %s\n", pnd_ip_text(ip, pnd_panic_own_ip(p)));
    }
    pnd_panic_say(p, "Waiting for remote debugger connection.\n");
}

enum pnd_panic_end pnd_panic_wait(struct panic *p)
{
    bool keys = p->platform.key && pnd_panic_has(p, PND_DB_KDP_GETC_ENA);
    bool serve = listen(p);

    say_where(p);
    if (keys)
        pnd_panic_say(p, "Press c to continue, r to reboot.\n");
    for (;;) {
        int key = p->platform.key ? p->platform.key(p->platform.ctx) : -1;

        if (keys && key == 'c')
            return PND_PANIC_CONTINUE;
        if (keys && key == 'r')
            return PND_PANIC_REBOOT;
        if (p->listen_again) {
            p->listen_again = false;
            serve = listen(p);
        }
        if (serve && pnd_stack_serve(&p->net.stack, SERVE_US) != PND_OK) {
            pnd_panic_say(p, "The interface cannot be used any more.\n");
            serve = false;
        }
    }
}

enum pnd_panic_end pnd_panic_spin(struct panic *p)
{
    uint64_t wait_us = p->args.panic_restart_timeout * SECOND_US, start_us;

    if (wait_us == 0) {
        pnd_panic_say(p, "Restart the machine by hand.\n");
        return PND_PANIC_SPIN;
    }
    pnd_panic_say(p, "The machine restarts in %u s (panic_restart_timeout).\n",
                  (unsigned)p->args.panic_restart_timeout);
    start_us = pnd_panic_now_us(p);
    while (pnd_panic_now_us(p) - start_us < wait_us) {
    }
    return PND_PANIC_REBOOT;
}
