/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What FreeBSD says in words: message buffer, the texts of a text dump, the dump header. Every
 * function takes any bytes. @source PROTOCOL.md#netdump-6, #netdump-9 */
#ifndef PND_INSPECT_FREEBSD_TEXT_H
#define PND_INSPECT_FREEBSD_TEXT_H

#include "facts/facts.h"
#include "image/kdh.h"

/* The line that the kernel calls its version, or the first such line of a log: sets the versions,
 * and the machine when the line behind it says so. @return true when there was one */
bool pnd_freebsd_version(const char *text, size_t len, struct pnd_facts *facts);

/* The frames of the first backtrace, as KDB ("#0 0x... at vpanic+0x17f") or DDB ("vpanic() at
 * vpanic+0x17f/frame 0x...") writes them. @return true when there was one */
bool pnd_freebsd_frames(const char *text, size_t len, struct pnd_facts *facts);

/* Sets what is not known yet: the header's texts are shorter than those of the dump itself. */
void pnd_facts_from_kdh(const struct pnd_kdh *kdh, struct pnd_facts *facts);

/* The same, with the header's bytes. @return false: it is none, or of a version that is not known
 */
bool pnd_facts_from_kdh_bytes(const void *buf, size_t len, struct pnd_facts *facts);

/* The message buffer as it lies in memory, a ring: brings it into the order in which it was written
 * as far as that can be told, without NULs.
 *   @return its length now */
size_t pnd_freebsd_straighten(char *ring, size_t len);

#endif
