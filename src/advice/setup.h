/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What to type on the machine that may panic, step by step, with what to check after each and how
 * to undo it. Nothing is done by it, and it needs no directory of dumps. */
#ifndef PND_ADVICE_SETUP_H
#define PND_ADVICE_SETUP_H

#include "advice/lint.h"
#include "advice/play.h"

enum {
    PND_SETUP_STEPS_MAX = 12,
    PND_SETUP_ABOUT_MAX = 4,
    PND_SETUP_TEXT_CAP = 1024,
    PND_SETUP_DO_CAP = 3072,        /* a line of boot-args, and more */
    PND_SETUP_NETDUMP_PORT = 20023, /* @source netdump(4) */
};

struct pnd_setup_want {
    const char *system; /* "macos", "freebsd", "linux" or "tftp"; NULL: not given */
    const char *server, *interface, *client, *gateway, *release; /* NULL: not given */
    uint64_t port;                                               /* 0: not given */
    bool on_nmi, paniclog_only, local, stay, x86_64, arm64;
};

/* Nothing is wanted, for either kind of Mac. */
void pnd_setup_want_init(struct pnd_setup_want *ret);

/* What stands behind the option "--NAME" of panicctl setup. Options that take nothing are wanted,
 * whatever @p value says.
 *   @param value  outlives @p want. @return NULL: noted; else what is wrong, for a person */
const char *pnd_setup_want_set(struct pnd_setup_want *want, const char *name, const char *value);

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
    struct pnd_lint lint; /* where the line of boot-args is looked at */
    struct pnd_play play[2];
};

/* The steps for what is wanted; want->system is given.
 *   @return NULL: they are in @p ret; else why there are none, for a person */
const char *pnd_setup_make(const struct pnd_setup_want *want, struct pnd_setup *ret);

/* ---- for the files of one system each ---- */

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
