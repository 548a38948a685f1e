/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a restart needs: a mapped file of fixed-size records, one per transfer slot. A record has
 * two parts, "who" (written when a dump begins or gets its file) and "where" (written for every
 * packet, before the reply it covers). Each part is kept twice with a sequence number and a
 * checksum and written alternately, so that a process killed at any instruction leaves the one
 * or the other readable. Both parts carry the generation of the dump they belong to; parts of
 * different generations do not make a record. The mapping outlives the process, not the power.
 * The file is allocated in full when it is opened, so that a full disk cannot fault the mapping.
 * put allocates nothing and makes no system call; the first put to
 * a page after the kernel wrote it back takes a page fault. The spool's lock covers the journal;
 * calls for one slot belong to one thread at a time, different slots are independent. */
#ifndef PND_STORE_JOURNAL_H
#define PND_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"
#include "store/spool.h"

enum {
    PND_JOURNAL_WHO_CAP = 720,
    PND_JOURNAL_WHERE_CAP = 128,
    PND_JOURNAL_ID_AT = 36, /* in every "who": the dump's id, 8 bytes, big-endian; 0: none yet */
};

enum pnd_journal_part { PND_JOURNAL_WHO, PND_JOURNAL_WHERE };

struct pnd_journal;

/* Opens or creates .panicd/journal with @p slots records (1 to 2^20; fewer, but at least 16, when
 * the disk has no room for that many: pnd_journal_slots() tells). A file of another version or one
 * that is damaged as a whole is set aside as journal.bad, and said so in @p why with PND_OK. A
 * journal with more slots than asked for keeps them, so that none is lost; one with fewer grows,
 * and one whose end is missing keeps what it has.
 *   @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_journal_open(const struct pnd_spool *spool, uint32_t slots, struct pnd_journal **ret,
                     struct pnd_why *why);
void pnd_journal_close(struct pnd_journal *journal); /* NULL is fine; the records stay */
uint32_t pnd_journal_slots(const struct pnd_journal *journal);

/* How many slots the journal has, for tools: nothing is changed, and no lock is needed.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_FORMAT damaged, or of another version; PND_E_SYS */
int pnd_journal_look(const struct pnd_spool *spool, uint32_t *ret_slots);

/* @return PND_OK; PND_E_RANGE @p len above the part's cap (nothing written) */
int pnd_journal_put(struct pnd_journal *journal, uint32_t slot, enum pnd_journal_part part,
                    uint64_t generation, const void *data, size_t len);

/* Both parts of a record, newest valid copies.
 *   @return PND_OK; PND_E_NOTFOUND the slot is empty, or its parts do not belong together */
int pnd_journal_get(const struct pnd_journal *journal, uint32_t slot, uint64_t *ret_generation,
                    uint8_t ret_who[PND_JOURNAL_WHO_CAP], size_t *ret_who_len,
                    uint8_t ret_where[PND_JOURNAL_WHERE_CAP], size_t *ret_where_len);

/* The highest id of a dump that the records of a stopped server speak for; 0 for none. The caller
 * holds the spool's lock. Creates no journal. @return PND_OK; PND_E_NOSPACE; PND_E_SYS */
int pnd_journal_last_id(const struct pnd_spool *spool, uint64_t *ret, struct pnd_why *why);

/* Empties the slot in one step: killed within it, the whole newest record is there, or none. */
void pnd_journal_clear(struct pnd_journal *journal, uint32_t slot);

#endif
