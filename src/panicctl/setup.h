/* SPDX-License-Identifier: BSD-2-Clause
 *
 * "panicctl setup": what to type on the machine that may panic, step by step, with what to check
 * after each and how to undo it. Nothing is done by it, and it needs no directory of dumps. */
#ifndef PND_PANICCTL_SETUP_H
#define PND_PANICCTL_SETUP_H

#include "panicctl/bootargs.h"

enum {
    PND_SETUP_STEPS_MAX = 12,
    PND_SETUP_ABOUT_MAX = 4,
    PND_SETUP_TEXT_CAP = 1024,
    PND_SETUP_DO_CAP = 3072,        /* a line of boot-args, and more */
    PND_SETUP_NETDUMP_PORT = 20023, /* @source netdump(4) */
};

struct pnd_setup_want {
    const char *server, *interface, *client, *gateway, *release; /* NULL: not given */
    uint64_t port;                                               /* 0: not given */
    bool on_nmi, paniclog_only, local, stay, x86_64, arm64;
};

/* One thing to do. Texts are sentences, which are wrapped where they are shown; what is to be
 * typed is not, a command a line, and has no character but ASCII. "": there is none. */
struct pnd_setup_step {
    const char *title;
    char how[PND_SETUP_TEXT_CAP];
    char act[PND_SETUP_DO_CAP];
    char check[PND_SETUP_TEXT_CAP], undo[PND_SETUP_TEXT_CAP], why[PND_SETUP_TEXT_CAP];
};

struct pnd_setup {
    char about[PND_SETUP_ABOUT_MAX][PND_SETUP_TEXT_CAP]; /* what is to be known first */
    unsigned about_count;
    struct pnd_setup_step steps[PND_SETUP_STEPS_MAX];
    unsigned count;
};

/* The next step, empty but for its title. */
struct pnd_setup_step *pnd_setup_add(struct pnd_setup *setup, const char *title);
__attribute__((format(printf, 2, 3))) void pnd_setup_about(struct pnd_setup *setup, const char *fmt,
                                                           ...);

/* The step that every setup begins with: is this machine ready? */
void pnd_setup_add_doctor(struct pnd_setup *setup, const struct pnd_setup_want *want);

/* For the fields of a step, which are arrays. */
#define PND_SETUP_SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

/* The steps for one system. @return NULL: they are in @p ret; else why there are none */
const char *pnd_setup_macos(const struct pnd_setup_want *want, struct pnd_setup *ret);
const char *pnd_setup_freebsd(const struct pnd_setup_want *want, struct pnd_setup *ret);
const char *pnd_setup_linux(const struct pnd_setup_want *want, struct pnd_setup *ret);
const char *pnd_setup_tftp(const struct pnd_setup_want *want, struct pnd_setup *ret);

#endif
