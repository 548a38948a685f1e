/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of a dump beyond its bytes: which machine, which kernel, when, why it died, where
 * in the code, and the picture of its memory. A reader sets what it finds; everything else stays
 * unknown. Texts are kept as valid UTF-8 without control characters but newline and tab (a bad
 * byte becomes '?'), within the bounds below; what is beyond a bound is cut, and said so by
 * pnd_facts.cut. JSON is the only form in which facts travel: from the child that read the dump,
 * into the catalog, to a person's script. Nothing that comes as JSON is trusted. */
#ifndef PND_FACTS_FACTS_H
#define PND_FACTS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "panicd/err.h"

/* The names in JSON are those of pnd_fact_name(). */
enum pnd_fact {
    PND_FACT_OS,             /* "macOS", "Darwin", "Linux", "FreeBSD", "panicbox" */
    PND_FACT_OS_VERSION,     /* "21A559", "14.1-RELEASE" */
    PND_FACT_KERNEL,         /* its release: "6.1.0-56-cloud-amd64", "xnu-8020.101.4" */
    PND_FACT_KERNEL_VERSION, /* the whole line that the kernel calls its version */
    PND_FACT_BUILD_ID,       /* UUID with dashes, or a build-id in lower-case hex */
    PND_FACT_ARCH,           /* "x86_64", "arm64", "i386", "ppc", "aarch64" as its maker says */
    PND_FACT_MODEL,          /* "MacBookPro16,1 (Mac-E1008331FDC96864)" */
    PND_FACT_HOST,           /* the machine's own name */
    PND_FACT_CRASH_TIME,     /* decimal seconds since 1970 */
    PND_FACT_UPTIME,         /* decimal seconds, maybe with a fraction */
    PND_FACT_PANIC,          /* the panic string, without what always stands before it; lines */
    PND_FACT_TRIGGER,        /* "panic", "trap", "nmi", "watchdog", "oops" */
    PND_FACT_TASK,           /* what ran: "kernel_task", "bash (pid 712)" */
    PND_FACT_BOOT_ARGS,
    PND_FACT_LOAD,  /* "0x...": run-time address of the kernel's text */
    PND_FACT_SLIDE, /* "0x...": run-time minus linked address */
    PND_FACT_COUNT,
};

enum pnd_memory_kind {
    PND_MEMORY_PRESENT, /* in the file, and not all zero */
    PND_MEMORY_ZERO,
    PND_MEMORY_EXCLUDED,   /* left out on purpose (makedumpfile -d) */
    PND_MEMORY_UNREADABLE, /* the sender could not read it: pages of 'X' */
    PND_MEMORY_MISSING,    /* announced, and not in the file */
    PND_MEMORY_COUNT,
};

enum {
    PND_FACT_TEXT_MAX = 8192, /* bytes of one text, without NUL */
    PND_FACT_WORD_MAX = 255,  /* of a name of a frame, module, register */
    PND_FACT_CPUS_MAX = 1024,
    PND_FACT_REGISTERS_MAX = 48,
    PND_FACT_FRAMES_MAX = 256,
    PND_FACT_MODULES_MAX = 1024,
    PND_FACT_RANGES_MAX = 2048,
    PND_FACT_LOG_MAX = 16 << 20,  /* bytes; the end is what counts, the start is cut */
    PND_FACT_JSON_MAX = 40 << 20, /* bytes of facts as JSON, all of the above included */
};

struct pnd_fact_register {
    char name[16]; /* "rip" */
    uint64_t value;
};

struct pnd_fact_cpu {
    unsigned number; /* its order in the file, when the file does not say */
    bool panicked;   /* the one that panicked, as far as the file tells */
    unsigned register_count;
    struct pnd_fact_register *registers;
};

/* One frame, innermost first. At least one of address and text is there. */
struct pnd_fact_frame {
    uint64_t address; /* of the instruction, or the return address; 0: only the text is known */
    uint64_t frame;   /* of the frame; 0: not known */
    char *text;       /* as the log had it: "sysrq_handle_crash+0x16/0x20"; NULL: none */
    char *module;     /* kext or module; NULL: the kernel, or not known */
};

/* A kernel extension, module or other binary: in the backtrace, or all that were loaded. */
struct pnd_fact_module {
    char *name, *version, *id; /* NULL: not known. id: UUID or build-id */
    uint64_t start, end;       /* run-time [start, end); both 0: not known */
    bool in_backtrace;
};

/* An interval of the machine's memory, physical or virtual (map_physical), with how
 * much of it is what. The sum of bytes is at most end - start. */
struct pnd_fact_range {
    uint64_t start, end; /* [start, end) */
    uint64_t bytes[PND_MEMORY_COUNT];
};

struct pnd_facts {
    char *text[PND_FACT_COUNT]; /* NULL: not known */
    unsigned cpu_count, frame_count, module_count, range_count;
    struct pnd_fact_cpu *cpus; /* the one that panicked first */
    struct pnd_fact_frame *frames;
    struct pnd_fact_module *modules;
    struct pnd_fact_range *ranges; /* sorted, disjoint */
    bool map_physical;             /* ranges are physical addresses; else virtual */
    char *log;                     /* the kernel's log or the panic log; NULL: none */
    size_t log_len;
    bool cut;       /* something was beyond a bound */
    bool no_memory; /* an allocation failed: what was to be set then is not there */
};

/* All zeros is a valid, empty struct pnd_facts. */
void pnd_facts_deinit(struct pnd_facts *facts);

/* Setters copy. A later one replaces an earlier one; empty text is "not known". None fails:
 * see cut and no_memory. */
void pnd_facts_set(struct pnd_facts *facts, enum pnd_fact fact, const char *text, size_t len);
__attribute__((format(printf, 3, 4))) void pnd_facts_setf(struct pnd_facts *facts,
                                                          enum pnd_fact fact, const char *fmt, ...);
void pnd_facts_set_log(struct pnd_facts *facts, const char *log, size_t len);

/* @return the text, or "" */
const char *pnd_facts_text(const struct pnd_facts *facts, enum pnd_fact fact);

/* @return the new entry, zeroed but for the number, or NULL (full or no memory: nothing to do) */
struct pnd_fact_cpu *pnd_facts_add_cpu(struct pnd_facts *facts, unsigned number, bool panicked);
void pnd_facts_add_register(struct pnd_facts *facts, struct pnd_fact_cpu *cpu, const char *name,
                            uint64_t value);

/* @param text, module  NULL or @p text_len bytes; NUL-terminated */
void pnd_facts_add_frame(struct pnd_facts *facts, uint64_t address, uint64_t frame,
                         const char *text, size_t text_len, const char *module, size_t module_len);
/* @return the entry with nothing set but the name, or NULL */
struct pnd_fact_module *pnd_facts_add_module(struct pnd_facts *facts, const char *name, size_t len);
/* Frees *at and sets it to a clean copy. For the fields of a module. */
void pnd_facts_set_word(struct pnd_facts *facts, char **at, const char *text, size_t len);

/* [start, end) is all of one kind. Intervals may come in any order; what is covered already stays
 * as it is. Neighbours merge when there is no room for more. */
void pnd_facts_add_range(struct pnd_facts *facts, uint64_t start, uint64_t end,
                         enum pnd_memory_kind kind);
/* One of mixed kinds, behind all others; one that is not, or holds more than it is long, is left
 * out. */
void pnd_facts_append_range(struct pnd_facts *facts, const struct pnd_fact_range *range);

/* {"os":"Linux",...,"cpus":[{"cpu":0,"panicked":true,"registers":{"rip":"0x.."}}],
 *  "backtrace":[{"address":"0x..","text":"..","module":".."}],"modules":[...],
 *  "memory":{"space":"physical","ranges":[{"start":"0x..","end":"0x..","present":N,..}]},
 *  "log":".."}. Addresses are hexadecimal strings, because JSON's numbers do not hold them.
 *   @param with_log  else the log stays out. @return the caller's; NULL no memory */
json_t *pnd_facts_to_json(const struct pnd_facts *facts, bool with_log);

/* What is unknown, of a wrong type or out of bounds is left out. @p ret is overwritten; free it.
 *   @return PND_OK; PND_E_FORMAT no object; PND_E_SYS no memory */
int pnd_facts_from_json(const json_t *json, struct pnd_facts *ret);

const char *pnd_fact_name(enum pnd_fact fact);          /* "os", "kernel_version": in JSON */
const char *pnd_memory_name(enum pnd_memory_kind kind); /* "present" */

#endif
