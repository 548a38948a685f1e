/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a disk or a partition holds, by its own bytes: so that a crash kernel finds the file system
 * it was told, and never writes a dump over what is somebody's. */
#ifndef PND_CAPTURE_VOLUME_H
#define PND_CAPTURE_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PND_VOLUME_UUID_CAP = 40,
    PND_VOLUME_EDGE = 1 << 20, /* bytes at both ends that must be zero of one that is blank */
};

enum pnd_volume_kind {
    PND_VOLUME_BLANK,    /* zeros at both ends, where everything that is known has its marks */
    PND_VOLUME_COREFILE, /* a disk corefile */
    PND_VOLUME_FILES,    /* a file system that a crash kernel can write to: it has a uuid */
    PND_VOLUME_TAKEN,    /* anything else that is known: type says what */
    PND_VOLUME_UNKNOWN,  /* not zeros, and nothing that is known here */
};

struct pnd_volume {
    enum pnd_volume_kind kind;
    const char *type; /* "ext", "xfs", "vfat"; or for people: "swap space"; a constant */
    char uuid[PND_VOLUME_UUID_CAP]; /* of FILES, as blkid prints it; else "" */
    bool whole; /* of COREFILE: there is a dump, a log, or what only another version can read */
};

/* @param fd  open for reading; @p bytes its size
 *   @return PND_OK; PND_E_SYS it cannot be read, errno says why
 *   @source kernel.org: filesystems/ext4 (super block); XFS Filesystem Structure; Microsoft FAT
 *   specification; the formats' own documents for the marks of the others */
int pnd_volume_probe(int fd, uint64_t bytes, struct pnd_volume *ret);

/* Is @p fstype, as mount(8) knows it, of the family of a volume of type @p type? */
bool pnd_volume_mounts_as(const char *type, const char *fstype);

#endif
