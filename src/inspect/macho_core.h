/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A Mach-O core as a machine's memory: its segments by address, its notes and threads. What is
 * said of it is put together in macho_facts.c. @source PROTOCOL.md#kdp-6.1, #kdp-6.2, #kdp-6.5 */
#ifndef PND_INSPECT_MACHO_CORE_H
#define PND_INSPECT_MACHO_CORE_H

#include "image/macho.h"
#include "inspect/reader.h"
#include "wire/cursor.h"

enum {
    PND_MACHO_CORE_SEGMENTS = 1 << 16, /* more than the head has room for */
    PND_MACHO_CORE_THREADS = PND_FACT_CPUS_MAX,
    PND_MACHO_REGISTERS_MAX = 48,

    PND_MACHO_CPU_I386 = 7,
    PND_MACHO_CPU_PPC = 18,
    PND_MACHO_CPU_X86_64 = 0x01000007,
    PND_MACHO_CPU_ARM64 = 0x0100000c,
    PND_MACHO_CPU_PPC64 = 0x01000012,
};

struct pnd_macho_memory {
    uint64_t start, end;   /* addresses, [start, end) */
    uint64_t offset, size; /* in the content */
};

struct pnd_macho_core {
    const struct pnd_reader_input *in;
    struct pnd_macho macho;
    struct pnd_macho_memory *memory; /* sorted by start */
    size_t memory_count;
    struct pnd_macho_cmd *threads; /* in the order of the file */
    size_t thread_count;
    unsigned address_bits; /* of a pointer, the rest being authentication; 0: not said */
};

/* Reads the load commands as far as they are there. @p ret is overwritten; free it.
 * @return PND_OK; PND_E_SHORT or PND_E_FORMAT there is nothing to say (yet); PND_E_SYS */
int pnd_macho_core_open(const struct pnd_reader_input *in, struct pnd_macho_core *ret);
void pnd_macho_core_close(struct pnd_macho_core *core);

/* Memory of the machine. @return PND_OK; PND_E_NOTFOUND it is in no one segment; PND_E_SHORT it has
 * not come; PND_E_SOURCE */
int pnd_macho_core_read(const struct pnd_macho_core *core, uint64_t address, void *buf, size_t len);

/* A number of @p size bytes in the core's byte order. */
uint64_t pnd_macho_core_field(const struct pnd_macho_core *core, struct pnd_rd *rd, size_t size);

/* A pointer without what authenticates it. */
uint64_t pnd_macho_core_strip(const struct pnd_macho_core *core, uint64_t pointer);

/* ---- macho_thread.c ---- */

struct pnd_macho_thread {
    unsigned count;
    struct pnd_fact_register registers[PND_MACHO_REGISTERS_MAX];
    uint64_t pc, frame, link; /* where a backtrace starts; link: the return address of a leaf */
    bool empty;               /* all zero: not known */
};

/* @return PND_OK; PND_E_TYPE an architecture or flavor that is not known here */
int pnd_macho_thread_read(const struct pnd_macho_core *core, const struct pnd_macho_cmd *cmd,
                          struct pnd_macho_thread *ret);

/* "x86_64"; NULL: not known */
const char *pnd_macho_arch(const struct pnd_macho *macho);

/* Adds the frames that the frame pointers lead to. Ends in a loop, on a bad pointer, and after
 * PND_FACT_FRAMES_MAX. */
void pnd_macho_backtrace(const struct pnd_macho_core *core, const struct pnd_macho_thread *thread,
                         struct pnd_facts *facts);

/* ---- macho_facts.c ---- */

int pnd_reader_macho_facts(const struct pnd_reader_input *in, struct pnd_facts *facts);

#endif
