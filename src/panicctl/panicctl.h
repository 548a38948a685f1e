/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The operator's tool: a table of verbs over one directory of dumps. It works on the directory
 * alone; when a server runs there, it asks it for what is arriving. */
#ifndef PND_PANICCTL_PANICCTL_H
#define PND_PANICCTL_PANICCTL_H

#include <stdbool.h>

#include "host/why.h"
#include "store/catalog.h"
#include "store/spool.h"

enum pnd_exit {
    PND_EXIT_OK = 0,
    PND_EXIT_NO = 1,        /* the answer is no: nobody listens, the dump is not whole */
    PND_EXIT_COULD_NOT = 2, /* there is no answer; standard error says why */
};

struct pnd_ctl {
    const char *directory; /* as chosen: option, environment, ./PanicDumps, /var/lib/panicd */
    bool json;
    bool terminal; /* standard output is one */
    bool colour;
    struct pnd_spool spool; /* dir_fd -1: not open */
    struct pnd_catalog *catalog;
};

struct pnd_verb {
    const char *name, *args, *summary;
    const char *help; /* what follows the usage line; fits a screen with it */
    int (*run)(struct pnd_ctl *ctl, int argc, char **argv);
};

/* The verbs. @p argv[0] is the verb. @return enum pnd_exit, after saying why on standard error */
int pnd_verb_status(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_list(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_info(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_log(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_map(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_debug(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_watch(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_verify(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_export(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_extract(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_pack(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_import(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_receive(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_groups(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_note(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_vacuum(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_bootargs(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_setup(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_message(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_doctor(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_verb_rm(struct pnd_ctl *ctl, int argc, char **argv);

/* The verb's own help, on standard output. */
void pnd_ctl_help(const char *verb);

/* For the verbs' getopt_long(): --help and --json are the same everywhere.
 *   @return -1 go on; else leave with this exit code */
int pnd_ctl_common_option(struct pnd_ctl *ctl, const char *verb, int option);

/* "panicctl: " and the text, on standard error. @return PND_EXIT_COULD_NOT */
__attribute__((format(printf, 1, 2))) int pnd_ctl_fail(const char *fmt, ...);

/* The same with "warning: ", for what stops nothing. */
__attribute__((format(printf, 1, 2))) void pnd_ctl_warn(const char *fmt, ...);

/* As pnd_ctl_fail(), with the line that shows how the verb is used. */
__attribute__((format(printf, 2, 3))) int pnd_ctl_misused(const char *verb, const char *fmt, ...);

/* Opens the directory and its catalog (rebuilt when it is lost and this user may write).
 *   @return PND_OK; errors of pnd_spool_open_readonly() and pnd_catalog_open() */
int pnd_ctl_open(struct pnd_ctl *ctl, bool write, struct pnd_why *why);
void pnd_ctl_close(struct pnd_ctl *ctl);

#endif
