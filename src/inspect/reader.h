/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What knows a format: one file for each, reader_NAME.c, one line in the table in readers.c. All
 * run in the caged child; what they are given is hostile. */
#ifndef PND_INSPECT_READER_H
#define PND_INSPECT_READER_H

#include "facts/facts.h"
#include "inspect/check.h"
#include "inspect/content.h"
#include "inspect/scan.h"

/* Runs of the content's pages, of PND_PASS_PAGE bytes each, that are all zero or all 'X', in
 * ascending order; short ones may be left out when they are too many. */
enum { PND_PASS_PAGE = 4096 };

struct pnd_pass_run {
    uint64_t start, end;       /* content offsets */
    enum pnd_memory_kind kind; /* ZERO or UNREADABLE */
};

struct pnd_reader_input {
    struct pnd_content *content;
    const struct pnd_scan *scan;
    const struct pnd_pass_run *runs;
    size_t run_count;
};

struct pnd_reader {
    const char *format; /* as in pnd_check.format, behind "gzip+": "macho", "elf", "kdump" */

    /* Is it this, by its first bytes? @p head_len may be short when @p final or early in a dump */
    bool (*is)(const void *head, size_t head_len);

    /* Everything has come. Sets verdict, reason, note, missing and offset of @p check, which is
     * COMPLETE on entry, with format, bytes and content_bytes set. NULL: nothing contradicts it.
     * @return PND_OK whatever the verdict; PND_E_SYS */
    int (*check)(const struct pnd_reader_input *in, struct pnd_check *check);

    /* Sets what is known by now; called again on empty facts when more has come, so it must take
     * PND_E_SHORT anywhere for "not yet". NULL: the texts of the scan are all there is.
     * @return PND_OK; PND_E_SYS */
    int (*facts)(const struct pnd_reader_input *in, struct pnd_facts *facts);
};

/* By its first bytes; the reader of plain "data" when nothing else knows it. Never NULL. */
const struct pnd_reader *pnd_reader_find(const void *head, size_t head_len);

/* reader_macho.c, reader_elf.c (Linux vmcore, QEMU's dump-guest-memory, panicbox, FreeBSD's full
 * dump), reader_kdump.c (makedumpfile's compressed and flattened, by libkdumpfile),
 * reader_freebsd.c (minidump, textdump, dump device), reader_corefile.c (Apple's disk corefile),
 * reader_panic_log.c (panic logs and system logs as text), reader_data.c */
extern const struct pnd_reader pnd_reader_macho, pnd_reader_elf, pnd_reader_kdump,
    pnd_reader_flattened, pnd_reader_freebsd_minidump, pnd_reader_freebsd_textdump,
    pnd_reader_freebsd_device, pnd_reader_corefile, pnd_reader_panic_log, pnd_reader_data;

/* reader_elf_facts.c */
int pnd_reader_elf_facts(const struct pnd_reader_input *in, struct pnd_facts *facts);

/* ---- what several readers need ---- */

/* The panic log of a Darwin kernel or panicbox within a memory image, found by the scan: sets the
 * log, and all that the log says. @return true when there was one. (panic_text.c) */
bool pnd_reader_xnu_log(const struct pnd_reader_input *in, struct pnd_facts *facts);

/* All that a panic log says, from its text: texts, frames, modules, the log itself. */
void pnd_facts_from_panic_log(const char *log, size_t len, struct pnd_facts *facts);

/* The printable text at @p offset, up to a newline, a NUL or @p cap - 1 bytes.
 * @return its length; 0 when there is none (yet) */
size_t pnd_reader_line(const struct pnd_reader_input *in, uint64_t offset, char *ret, size_t cap);

/* "Darwin Kernel Version 21.1.0: ...; root:xnu-8019.41.5~1/RELEASE_X86_64": OS, kernel and its
 * version, from such a text, or from what the scan found. */
void pnd_reader_xnu_version(const char *text, struct pnd_facts *facts);
void pnd_reader_xnu_version_found(const struct pnd_reader_input *in, struct pnd_facts *facts);

/* All that a Linux log (dmesg, with or without "[ time] ") says: the panic string, trigger, task,
 * the call trace as frames, uptime; and sets the log. (linux_text.c) */
void pnd_facts_from_linux_log(const char *log, size_t len, struct pnd_facts *facts);

/* All that a FreeBSD message buffer says, likewise. (freebsd_text.c) */
void pnd_facts_from_freebsd_log(const char *log, size_t len, struct pnd_facts *facts);

/* The message buffer of a FreeBSD kernel within a memory image, found by the scan: sets the log,
 * and all that it says. @return true when there was one. (reader_freebsd.c) */
bool pnd_reader_freebsd_log(const struct pnd_reader_input *in, struct pnd_facts *facts);

/* [start, end) of memory at @p offset of the content, @p present bytes of it in the file (at most
 * end - start): adds the ranges of the map with the runs taken into account. What lies behind the
 * content's end as of now, or behind @p present, is missing; a caller that knows it to be left out
 * on purpose passes an @p end without it. */
void pnd_reader_add_memory(const struct pnd_reader_input *in, uint64_t start, uint64_t end,
                           uint64_t offset, uint64_t present, struct pnd_facts *facts);

/* The input for the next of many such calls, of @p present bytes: once they name more bytes than
 * twice the content, which no kernel does, it comes without the runs. @p used  bytes so far, 0 at
 * first. */
struct pnd_reader_input pnd_reader_map_input(const struct pnd_reader_input *in, uint64_t present,
                                             uint64_t *used);

#endif
