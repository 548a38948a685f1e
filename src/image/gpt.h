/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The partition table of a disk (GPT): partitions found by their type, in the primary table or,
 * when that is damaged, in the backup at the end of the disk. Both stand behind their CRC-32.
 * Works at boot, in a kernel, over a callback that reads sectors; all memory is in struct pnd_gpt.
 * Freestanding. @source UEFI Specification 2.10, 5.3; PROTOCOL.md#kdp-7.4 */
#ifndef PND_IMAGE_GPT_H
#define PND_IMAGE_GPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_GPT_GUID_BYTES = 16,
    PND_GPT_SECTOR_MAX = 4096,
    PND_GPT_ENTRY_BYTES_MAX = 4096,
    PND_GPT_ENTRIES_MAX = 1024, /* 128 is what everybody writes */
};

/* Apple_KernelCoreDump, 5361644D-6163-11AA-AA11-00306543ECAC, as it lies in a table. */
extern const uint8_t pnd_gpt_kernel_core_dump[PND_GPT_GUID_BYTES];

/* freebsd-swap, 516E7CB5-6ECF-11D6-8FF8-00022D09712B: where FreeBSD leaves its dumps. */
extern const uint8_t pnd_gpt_freebsd_swap[PND_GPT_GUID_BYTES];

/* The disk.
 *   sector_bytes  512 to 4096, a power of two: that of the disk, for which its table was made
 *   read  @p offset and @p len are multiples of it, @p len at most PND_GPT_SECTOR_MAX, and all
 *         lies within @p bytes. @return PND_OK all is in @p buf; or an error */
struct pnd_gpt_source {
    void *ctx;
    uint32_t sector_bytes;
    uint64_t bytes;
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
};

struct pnd_gpt {
    struct pnd_gpt_source source;
    bool backup; /* the primary table is damaged */
    uint32_t entries, entry_bytes, table_crc;
    uint64_t table_lba, first_lba, last_lba; /* partitions lie in [first, last] */
    uint8_t sector[PND_GPT_SECTOR_MAX];
};

struct pnd_gpt_partition {
    uint32_t index;         /* 0: the first entry of the table */
    uint64_t offset, bytes; /* within the disk, and clear of both tables */
    uint8_t type[PND_GPT_GUID_BYTES], guid[PND_GPT_GUID_BYTES];
};

/* Finds the table: a header and all its entries are read and checked, at most 4 MiB twice.
 *   @return PND_OK; PND_E_ARG sector_bytes; PND_E_TYPE neither header is one; PND_E_FORMAT there
 *           is one, but no table that is whole; what read returned, when that is all there is */
int pnd_gpt_open(struct pnd_gpt *gpt, const struct pnd_gpt_source *source);

/* The first partition of @p type among the entries from @p from on. Begin with 0, and go on with
 * the index behind the one that was found.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_FORMAT there is one, but its bounds cannot be: only its
 *           index is in @p ret, so that the search can go on; what read returned */
int pnd_gpt_find(struct pnd_gpt *gpt, const uint8_t type[PND_GPT_GUID_BYTES], uint32_t from,
                 struct pnd_gpt_partition *ret);

/* Entry @p index, of whatever type.
 *   @return PND_OK; PND_E_NOTFOUND it is not used; PND_E_RANGE the table has no such entry;
 *           PND_E_FORMAT its bounds cannot be; what read returned */
int pnd_gpt_entry(struct pnd_gpt *gpt, uint32_t index, struct pnd_gpt_partition *ret);

#endif
