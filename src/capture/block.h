/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Block devices of this machine, by what names them for good. Every path is below a root, "" for
 * the real one, so that tests can build a machine out of files. */
#ifndef PND_CAPTURE_BLOCK_H
#define PND_CAPTURE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/volume.h"
#include "host/why.h"
#include "image/gpt.h"

enum { PND_BLOCK_NAME_CAP = 64, PND_BLOCK_PATH_CAP = 4096, PND_GUID_TEXT_CAP = 37 };

struct pnd_block {
    char name[PND_BLOCK_NAME_CAP]; /* "vda1": /dev/vda1 */
    char disk[PND_BLOCK_NAME_CAP]; /* "vda"; of a whole disk, its own */
    uint32_t partition;            /* of the disk, from 1 on; 0: it is the disk */
    bool virtual;                  /* no device: RAID, LVM, loop, ... */
};

/* The device that this kernel calls so, "vda1" without "/dev/".
 *   @return PND_OK; PND_E_NOTFOUND there is none (yet); PND_E_NAME not a name */
int pnd_block_named(const char *root, const char *name, struct pnd_block *ret);

/* The file system with that UUID, case does not matter; virtual devices are not looked at.
 *   @return PND_OK; PND_E_NOTFOUND; PND_E_EXISTS two devices have it, and which one is meant
 *           nobody can say: @p why names both */
int pnd_block_by_uuid(const char *root, const char *uuid, struct pnd_block *ret,
                      struct pnd_why *why);

/* The partition with that GUID, in a GPT. As pnd_block_by_uuid() */
int pnd_block_by_partuuid(const char *root, const char *guid, struct pnd_block *ret,
                          struct pnd_why *why);

/* @return a descriptor, and its size; -1 with errno */
int pnd_block_open(const char *root, const struct pnd_block *block, int flags, uint64_t *ret_bytes);

/* The partition's entry in the GPT of its disk.
 *   @return PND_OK; PND_E_NOTFOUND it is no partition, or there is no GPT; PND_E_SYS */
int pnd_block_gpt(const char *root, const struct pnd_block *block, struct pnd_gpt_partition *ret);

/* Of the disk's sectors, for which its GPT was made: 512 to 4096. */
uint32_t pnd_block_sector_bytes(const char *root, const struct pnd_block *block);

/* Why no dump may be written over all of it; NULL: one may. It may when its type is
 * Apple_KernelCoreDump, or when it is blank; but a dump that is whole is not overwritten: the first
 * panic says more than those that it led to, and nobody may have seen it yet.
 * @param volume  what it holds now
 * @return @p why->text: "it holds swap space; ...", with what to type */
const char *pnd_block_refusal(const char *root, const struct pnd_block *block,
                              const struct pnd_volume *volume, struct pnd_why *why);

/* "E1B2..." in upper case, of a GUID as it lies in a table; and back.
 *   @return PND_OK; PND_E_FORMAT */
void pnd_guid_format(const uint8_t guid[PND_GPT_GUID_BYTES], char ret[PND_GUID_TEXT_CAP]);
int pnd_guid_parse(const char *text, uint8_t ret[PND_GPT_GUID_BYTES]);

#endif
