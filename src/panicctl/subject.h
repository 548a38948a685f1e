/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a verb is asked about: a dump of the directory, also one that still arrives, or any file;
 * and what is known of it. */
#ifndef PND_PANICCTL_SUBJECT_H
#define PND_PANICCTL_SUBJECT_H

#include "facts/facts.h"
#include "inspect/check.h"
#include "panicctl/panicctl.h"
#include "view/encrypted.h"
#include "view/view.h"

struct pnd_subject {
    bool row; /* of the directory, or on its way there: view is filled in */
    struct pnd_view view;
    const char *path; /* a FILE, as it was named; NULL with row */
    int fd;           /* only for reading */
};

/* An ID of the directory, or else a file. What has a slash in it is a file.
 *   @return PND_OK (free with pnd_subject_deinit(), also after an error); PND_E_NOTFOUND; PND_E_SYS
 */
int pnd_subject_find(struct pnd_ctl *ctl, const char *what, struct pnd_subject *ret,
                     struct pnd_why *why);
void pnd_subject_deinit(struct pnd_subject *subject);

/* Its file, as a person would name it: DIR/NAME, or the FILE. */
void pnd_subject_path(const struct pnd_ctl *ctl, const struct pnd_subject *subject, char *ret,
                      size_t cap);

/* How a command line names it: its number, or the FILE. */
void pnd_subject_name(const struct pnd_subject *subject, char *ret, size_t cap);

/* Reads all of it in a caged child, with a bar on a terminal.
 *   @param label  of the bar. @param facts  free with pnd_facts_deinit()
 *   @return as pnd_check_run() */
int pnd_subject_check(const struct pnd_subject *subject, const char *label, bool quiet,
                      struct pnd_check *ret, struct pnd_facts *facts, struct pnd_why *why);

/* What is known: from the catalog; of a file, and of a dump that nobody has read yet, by reading
 * it. Of a dump that still arrives there may be nothing yet, which leaves @p ret empty.
 *   @param ret        free with pnd_facts_deinit()
 *   @param ret_check  may be NULL; of a file its verdict, else with an empty format
 *   @return PND_OK; as pnd_check_run(); errors of the catalog */
int pnd_subject_facts(struct pnd_ctl *ctl, const struct pnd_subject *subject, bool with_log,
                      struct pnd_facts *ret, struct pnd_check *ret_check, struct pnd_why *why);

/* What the header that came with a dump of the directory says, and the dump does not. */
void pnd_subject_add_header(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                            struct pnd_facts *facts);

/* Is it encrypted, and where is its key? */
void pnd_subject_encrypted(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                           struct pnd_encrypted *ret);

/* The format, as in struct pnd_check; "" when it is not known yet. */
const char *pnd_subject_format(const struct pnd_subject *subject, const struct pnd_check *check);

#endif
