/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What "panicctl pack" puts into a zip, and the texts in it that a person reads. */
#ifndef PND_PANICCTL_PACK_H
#define PND_PANICCTL_PACK_H

#include "facts/facts.h"
#include "panicctl/subject.h"
#include "panicctl/zip.h"
#include "store/beside.h"

enum { PND_PACK_README_CAP = 16384 };

/* The members' names. Whoever unpacks is told of them in README.txt. */
#define PND_PACK_README   "README.txt"
#define PND_PACK_MANIFEST "MANIFEST.txt"
#define PND_PACK_NOTE     "note.txt"
#define PND_PACK_TRANSFER "transfer.json"
#define PND_PACK_FACTS    "facts.json"
#define PND_PACK_LOG      "panic.log"

/* What came with a dump: as in store/beside.h, and info.HOST.N of store/savecore.h. */
enum { PND_PACK_INFO = PND_BESIDE_COUNT, PND_PACK_BESIDES };

struct pnd_pack_beside {
    char member[PND_ZIP_NAME_CAP];
    uint8_t *data; /* NULL: it is not packed */
    size_t len;
};

struct pnd_pack {
    bool row;             /* a dump of the list; else a file */
    struct pnd_dump dump; /* of a file: file, name, bytes, format, and times of it */
    struct pnd_facts facts;
    bool has_facts;
    const char *note; /* NULL: none */
    bool log_only;
    bool with_key;                 /* its key is packed, too */
    char member[PND_ZIP_NAME_CAP]; /* the dump's name in the zip */
    struct pnd_pack_beside beside[PND_PACK_BESIDES];
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

/* Reads what came with a dump of the list; the key only if it is asked for. To be forgotten in any
 * case. @param pack  in: row, dump, member, with_key. @return PND_OK; PND_E_NOTFOUND there is no
 * key, and it was asked for; PND_E_SYS */
int pnd_pack_find_beside(const struct pnd_ctl *ctl, struct pnd_pack *pack, struct pnd_why *why);
int pnd_pack_put_beside(struct pnd_zip *zip, const struct pnd_pack *pack, struct pnd_why *why);
void pnd_pack_forget_beside(struct pnd_pack *pack);

#endif
