/* SPDX-License-Identifier: BSD-2-Clause
 *
 * File names of dumps, as the panicking kernel makes them:
 *     core-xnu-3789.72.11-192.168.136.130-a5001516.gz
 * PROTOCOL.md#kdp-5. Freestanding. */
#ifndef PND_CLIENT_NAME_H
#define PND_CLIENT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PND_DUMP_NAME_CAP = 100,   /* with its NUL */
    PND_DUMP_VERSION_CAP = 20, /* with its NUL */
};

enum pnd_dump_kind { PND_DUMP_CORE, PND_DUMP_PANICLOG, PND_DUMP_SYSTEMLOG };

struct pnd_dump_name {
    uint32_t xnu; /* the train whose rules hold */
    enum pnd_dump_kind kind;
    const char *fixed;   /* replaces the whole name; NULL or "": the name is made */
    const char *version; /* the kernel's version string; NULL: it has none */
    uint32_t ip;         /* its own address */
    uint64_t ticks;      /* the absolute time counter; its low 32 bits count */
    bool gzip;           /* a core that is compressed */
};

/* The version as it stands in names: "xnu-" and what follows it of digits and dots, at most 19
 * characters, without one trailing dot; "custom" when there is no "xnu-" early in @p version.
 *   @return its length */
size_t pnd_dump_version(const char *version, uint32_t xnu, char ret[PND_DUMP_VERSION_CAP]);

/* At most 99 characters, 49 before train 3789: what is longer is cut, its suffix first.
 *   @return the length */
size_t pnd_dump_name(const struct pnd_dump_name *name, char ret[PND_DUMP_NAME_CAP]);

#endif
