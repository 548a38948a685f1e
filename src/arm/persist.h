/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Staying armed: what was asked for is kept in a file, and armed again at each boot and when the
 * files of the running kernel change. */
#ifndef PND_ARM_PERSIST_H
#define PND_ARM_PERSIST_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/why.h"

#define PND_PERSIST_CONF "/etc/panicd/panicdump.conf"
#define PND_PERSIST_UNIT "panicdump-arm.service"

enum { PND_PERSIST_WORD_CAP = 256 };

/* What `panicdump arm` is told, as text: whoever arms judges it again. "" is "not said". */
struct pnd_persist {
    char server[PND_PERSIST_WORD_CAP]; /* ADDRESS[:PORT], several with ", " between them */
    char interface[IFNAMSIZ];
    char after[16];  /* "reboot", "poweroff", "shell" */
    uint64_t filter; /* 0 to 31 */
    bool makedumpfile;
    bool on_nmi;
    bool force;
    char also_local[PND_PERSIST_WORD_CAP]; /* absolute */
    char append[PND_PERSIST_WORD_CAP];     /* to the crash kernel's command line */
};

/* Everything "not said". */
#define PND_PERSIST_NOTHING ((struct pnd_persist){.filter = 0})

/* Writes PND_PERSIST_CONF, whole or not at all.
 *   @return PND_OK; PND_E_ARG a value that such a file cannot hold: a line break, a control byte,
 *           " ;" or " #", a blank at an end; PND_E_SYS */
int pnd_persist_write(const char *root, const struct pnd_persist *persist, struct pnd_why *why);

/* @return PND_OK; PND_E_NOTFOUND there is no such file; PND_E_FORMAT (why: the line, what may stand
 *         there); PND_E_SYS */
int pnd_persist_read(const char *root, struct pnd_persist *ret, struct pnd_why *why);

/* Lets the system arm at each boot: the unit is enabled, and the hook for updates of the kernel
 * is put where this system has them. Can be repeated.
 *   @return PND_OK; PND_E_NOTFOUND this system has no systemd, or not the unit: @p why says what
 *           to put where; PND_E_SYS */
int pnd_persist_enable(const char *root, struct pnd_why *why);

/* @return the unit is there and enabled, and so is the file that it wants */
bool pnd_persist_is_enabled(const char *root);

/* Takes all of it away, the file too.
 *   @return PND_OK; PND_E_NOTFOUND there was nothing; PND_E_SYS something could not be removed,
 *           the rest was */
int pnd_persist_disable(const char *root, struct pnd_why *why);

#endif
