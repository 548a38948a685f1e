/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory image of a Linux kernel, whatever file it is in: a reader of a format gives the notes
 * and a way to read physical memory, and gets the facts. Virtual addresses are translated by
 * libaddrxlat, which knows the page tables of x86-64, i386, aarch64, ppc64 and s390x. */
#ifndef PND_INSPECT_LINUX_CORE_H
#define PND_INSPECT_LINUX_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/facts.h"
#include "image/vmcore.h"

enum {
    PND_LINUX_PAGE_MIN = 4096,
    PND_LINUX_NOTES_MAX = 4 << 20, /* bytes: more than PND_FACT_CPUS_MAX processors need */
    PND_LINUX_UTS_FIELD = 65,
};

/* The machines of ELF's e_machine whose registers are known here. */
enum pnd_linux_machine {
    PND_LINUX_I386 = 3,
    PND_LINUX_PPC64 = 21,
    PND_LINUX_S390 = 22,
    PND_LINUX_ARM = 40,
    PND_LINUX_X86_64 = 62,
    PND_LINUX_AARCH64 = 183,
    PND_LINUX_RISCV = 243,
};

/* What the notes of a core say. Nothing of it is copied: it lies in the notes. */
struct pnd_linux_notes {
    const uint8_t *buf;
    size_t len;
    unsigned machine; /* e_machine; 0: not known, and so no registers */
    bool is32, big;
    /* what is found in them */
    const uint8_t *info; /* VMCOREINFO; NULL: none */
    size_t info_len;
    bool panicbox;
    uint8_t build[16]; /* panicbox: its UUID */
    uint64_t load;     /* panicbox: where it runs */
    uint64_t root;     /* CR3 of a processor in the kernel, from QEMU; 0: not told */
    unsigned cpu_count;
};

/* Walks buf; sets the second half. What cannot be a note ends the walk. */
void pnd_linux_notes_look(struct pnd_linux_notes *notes);

/* Adds a processor with its registers for each NT_PRSTATUS.
 *   @param panicked  its number; -1: not known */
void pnd_linux_notes_cpus(const struct pnd_linux_notes *notes, int panicked,
                          struct pnd_facts *facts);

/* "x86_64", "aarch64", ...; NULL: not known */
const char *pnd_linux_machine_name(unsigned machine, bool is32);
/* The reverse, for uname's words. @return 0: not known */
unsigned pnd_linux_machine_by_name(const char *name);

struct pnd_linux_core {
    void *ctx;
    /* Physical memory, never across a boundary of PND_LINUX_PAGE_MIN. @return PND_OK;
     * PND_E_NOTFOUND, PND_E_SHORT it is not there (yet); else as the content's read */
    int (*physical)(void *ctx, uint64_t address, void *buf, size_t len);
    /* Virtual memory, as the file itself says where it is; may be NULL. As above */
    int (*virtual)(void *ctx, uint64_t address, void *buf, size_t len);
    struct pnd_linux_notes notes; /* with info, from wherever */
};

/* Sets all that VMCOREINFO, the kernel's own memory and its log say, and the processors.
 *   @return PND_OK; PND_E_SYS no memory */
int pnd_linux_core_facts(struct pnd_linux_core *core, struct pnd_facts *facts);

/* ---- for linux_core.c ---- */

struct pnd_linux_xlat;

/* How the kernel of @p vmcore translates; reads page tables through @p core, which must outlive
 * it. @return NULL it cannot be told, or no memory */
struct pnd_linux_xlat *pnd_linux_xlat_create(struct pnd_linux_core *core,
                                             const struct pnd_vmcore *vmcore);
void pnd_linux_xlat_destroy(struct pnd_linux_xlat *xlat); /* NULL is fine */
/* @return PND_OK; PND_E_NOTFOUND the address is not mapped, or cannot be looked up */
int pnd_linux_xlat_find(struct pnd_linux_xlat *xlat, uint64_t address, uint64_t *ret_physical);

#endif
