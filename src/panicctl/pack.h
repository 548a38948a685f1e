/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What "panicctl pack" puts into a zip, and the texts in it that a person reads. */
#ifndef PND_PANICCTL_PACK_H
#define PND_PANICCTL_PACK_H

#include "facts/facts.h"
#include "panicctl/subject.h"
#include "panicctl/zip.h"

enum { PND_PACK_README_CAP = 16384 };

/* The members' names. Whoever unpacks is told of them in README.txt. */
#define PND_PACK_README   "README.txt"
#define PND_PACK_MANIFEST "MANIFEST.txt"
#define PND_PACK_NOTE     "note.txt"
#define PND_PACK_TRANSFER "transfer.json"
#define PND_PACK_FACTS    "facts.json"
#define PND_PACK_LOG      "panic.log"

struct pnd_pack {
    bool row;             /* a dump of the list; else a file */
    struct pnd_dump dump; /* of a file: file, name, bytes, format, and times of it */
    struct pnd_facts facts;
    bool has_facts;
    const char *note; /* NULL: none */
    bool log_only;
    char member[PND_ZIP_NAME_CAP]; /* the dump's name in the zip */
};

/* The name of @p file in a zip: of letters, digits and ._+,@=- only, and none of the above. */
void pnd_pack_member_name(const char *file, char ret[PND_ZIP_NAME_CAP]);

/* README.txt. @return @p ret */
const char *pnd_pack_readme(const struct pnd_pack *pack, char ret[PND_PACK_README_CAP]);

/* Without what is memory: with log_only the registers go. */
void pnd_pack_make_public(struct pnd_facts *facts);

/* What has been packed already gains nothing by being deflated: by its first bytes. */
bool pnd_pack_is_packed(const void *head, size_t len);

/* What is known of the dump, with its log; empty when nothing is. A file, and a dump that nobody
 * has read yet, is read for that, in the caged child. @return PND_OK; as pnd_subject_facts() */
int pnd_pack_find_facts(struct pnd_ctl *ctl, const struct pnd_subject *subject,
                        struct pnd_pack *pack, struct pnd_why *why);

#endif
