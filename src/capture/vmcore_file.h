/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /proc/vmcore, or a file like it: read so that no page stops a dump. */
#ifndef PND_CAPTURE_VMCORE_FILE_H
#define PND_CAPTURE_VMCORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"
#include "image/vmcore.h"

enum { PND_VMCORE_HOST_CAP = 65 };

struct pnd_vmcore_file {
    int fd;
    uint64_t bytes; /* of the file */
    bool mappable;  /* it is a crash kernel's: parts of it are mapped */
    uint8_t *map;   /* the part that is; NULL: none */
    uint64_t map_offset;
    size_t map_bytes;
    uint64_t unreadable_pages;          /* that were given as X since this was set to 0 */
    bool understood;                    /* vmcore is filled */
    struct pnd_vmcore vmcore;           /* reads from this file */
    char host[PND_VMCORE_HOST_CAP];     /* what the machine called itself; "": not found */
    char reason[PND_VMCORE_REASON_CAP]; /* why the kernel died; "": not found */
    bool nmi;
};

/* Opens it and looks what it says of itself; what cannot be understood is no error, and `why`
 * then says why all the same.
 *   @return PND_OK; PND_E_SYS it cannot be opened */
int pnd_vmcore_file_open(struct pnd_vmcore_file *file, const char *path, struct pnd_why *why);

/* Opens it and looks at nothing: it is then not understood, and not mapped. */
int pnd_vmcore_file_open_plain(struct pnd_vmcore_file *file, const char *path, struct pnd_why *why);
void pnd_vmcore_file_close(struct pnd_vmcore_file *file);

/* All of @p len bytes at @p offset, which end in the file. A page that cannot be read (of 4096
 * bytes, at a multiple of that) is bytes of X, and counted. @source PROTOCOL.md#kdp-1.4
 *   @return PND_OK; PND_E_ABORTED somebody asked to stop; PND_E_SOURCE beyond the end */
int pnd_vmcore_file_read(struct pnd_vmcore_file *file, uint64_t offset, void *buf, size_t len);

/* core-linux-RELEASE-IP-REASON-TIME; without an address (0), what the machine calls itself stands
 * there, or "unknown"; without a release, that as well. @source PROTOCOL.md#kdp-5, the shape of
 * Apple's names
 *   @return @p dst */
const char *pnd_vmcore_file_name(const struct pnd_vmcore_file *file, uint32_t own_ip, char *dst,
                                 size_t cap);

#endif
