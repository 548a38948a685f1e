/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names under which FreeBSD's netdumpd leaves a dump, so that scripts written for it find what
 * they look for:
 *   vmcore.HOST.N            the dump; vmcore_encrypted.HOST.N, textdump.tar.HOST.N; with .gz or
 *                            .zst; with .incomplete behind that, like any dump that is not whole
 *   info.HOST.N              what its header says, as text
 *   key.HOST.N               the key of an encrypted one, 0400
 *   bounds.HOST              the next N
 *   vmcore.HOST.last, info.HOST.last  links to the youngest
 * A dump that gets them has them instead of its own name. @source PROTOCOL.md#netdump-11 */
#ifndef PND_STORE_SAVECORE_H
#define PND_STORE_SAVECORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/facts.h"
#include "store/catalog.h"
#include "store/spool.h"

enum {
    PND_SAVECORE_HOST_CAP = 64,      /* with its NUL; what is longer is cut */
    PND_SAVECORE_TRIES_MAX = 1024,   /* values of N that are tried, from the one in bounds on */
    PND_SAVECORE_INDEX_MAX = 999999, /* the N behind it is 0 */
    PND_SAVECORE_INFO_CAP = 2048,    /* bytes of info.HOST.N, with NUL */
    PND_SAVECORE_KEY_MAX = 65536,    /* bytes of a key */
};

/* What lies beside a dump. All of it may be missing. */
struct pnd_savecore_beside {
    const uint8_t *header; /* FreeBSD's kernel dump header, as it came; NULL: none */
    size_t header_len;
    const uint8_t *key; /* NULL: the dump is not encrypted, as far as is known */
    size_t key_len;
    const struct pnd_facts *facts; /* stand in for a header; NULL: none */
};

struct pnd_savecore_names {
    char host[PND_SAVECORE_HOST_CAP];
    char info[PND_SPOOL_NAME_CAP]; /* the file, "" when there is none */
};

/* How the dump ended, in the word that netdumpd's script is given: "success", "timeout" when the
 * sender went away, "error" for whatever else makes it incomplete. */
const char *pnd_savecore_outcome(const struct pnd_dump *dump);

/* Is this the name of something that lies beside a dump, info.HOST.N, key.HOST.N or bounds.HOST? No
 * dump is called like that. */
bool pnd_savecore_is_beside(const char *file);

/* info.HOST.N of a dump that is called as above. @return false: it is not called so */
bool pnd_savecore_info_name(const char *file, char ret[PND_SPOOL_NAME_CAP]);

/* Could @p file be the name of one of all these, with some HOST and N? */
bool pnd_savecore_reserves(const char *file);

/* The dump, which has its verdict, gets its names. What was begun by a process that was killed is
 * taken up, with the same N. Done by one thread at a time; durable on return.
 *   @param dump  in: its row; out: file is the new name, also after an error if it has it by then
 *   @return PND_OK; PND_E_EXISTS no N is free; PND_E_RANGE the key is too long; PND_E_NOTFOUND the
 *           dump's file is gone; PND_E_NOSPACE; PND_E_SYS */
int pnd_savecore_place(const struct pnd_spool *spool, const struct pnd_savecore_beside *beside,
                       struct pnd_dump *dump, struct pnd_savecore_names *ret, struct pnd_why *why);

/* Removes what lies beside the dump @p file, and the links to it. Nothing if it has no such name,
 * or shares HOST and N with another dump. @return PND_OK; PND_E_SYS */
int pnd_savecore_remove(const struct pnd_spool *spool, const char *file, struct pnd_why *why);

/* The text of info.HOST.N, one line for each key. Texts from outside are clean.
 *   @return its length */
size_t pnd_savecore_info(const struct pnd_savecore_beside *beside, const struct pnd_dump *dump,
                         const char *host, char ret[PND_SAVECORE_INFO_CAP]);

/* The HOST of a dump: what its header, or else what is known of it, says up to the first dot; the
 * sender's address if that is no name. */
void pnd_savecore_host(const struct pnd_savecore_beside *beside, const struct pnd_dump *dump,
                       char ret[PND_SAVECORE_HOST_CAP]);

/* "vmcore", "vmcore_encrypted" or "textdump.tar" */
const char *pnd_savecore_stem(const struct pnd_savecore_beside *beside,
                              const struct pnd_dump *dump);

/* "", ".gz" or ".zst" */
const char *pnd_savecore_packing(const struct pnd_savecore_beside *beside,
                                 const struct pnd_dump *dump);

#endif
