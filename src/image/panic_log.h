/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Apple's panic logs, of every generation from Mac OS X 10.5 on, on x86 and arm64, as a sequence
 * of what they say. Parsed liberally: a line that means nothing here is passed over, a piece that
 * is missing is not told. Nothing is allocated; texts point into the log. Freestanding.
 * @source PROTOCOL.md#kdp-9.1, #kdp-9.2, #kdp-9.3, #kdp-9.5 */
#ifndef PND_IMAGE_PANIC_LOG_H
#define PND_IMAGE_PANIC_LOG_H

#include "image/str.h"

enum {
    PND_PANIC_LOG_MAX = 1 << 20,     /* bytes; Apple's buffers have up to 512 KiB */
    PND_PANIC_STRING_MAX = 16 << 10, /* of a panic string with all its lines */
};

enum pnd_panic_kind {
    PND_PANIC_STRING,        /* text: the message, maybe lines; number: CPU; address: the caller */
    PND_PANIC_DEBUGGER,      /* text: what Debugger() was told; "panic" after a panic */
    PND_PANIC_TRAP,          /* text: "page fault", or the reason; name: "Kernel trap" or the like;
                                address: of the instruction; number: of the trap, or UINT64_MAX */
    PND_PANIC_REGISTER,      /* name: as it stands there; number: its value */
    PND_PANIC_TASK,          /* name; number: process id; address: of the task */
    PND_PANIC_THREAD,        /* address; number: its id. Its frames follow */
    PND_PANIC_BACKTRACE,     /* number: CPU; address: of the thread, 0 unknown. Its frames follow */
    PND_PANIC_FRAME,         /* address: where it returns to; start: of the frame;
                                name: "mach_kernel" or a kext's, text: "_panic + 0x1f", or empty */
    PND_PANIC_BACKTRACE_END, /* text: the whole line */
    PND_PANIC_KEXT,          /* in the backtrace. name, version, uuid; [start, end) */
    PND_PANIC_DEPENDENCY,    /* of the kext before it; likewise, end may be 0: unknown */
    PND_PANIC_CORE,          /* number: CPU; address: PC; start: frame pointer; end: LR */
    PND_PANIC_CORE_PANICKED, /* number: CPU */
    PND_PANIC_LAST_STARTED,  /* kext: name (maybe shortened: kext_name.h), version; [start, end) */
    PND_PANIC_LAST_STOPPED,
    PND_PANIC_LOADED, /* name (maybe shortened), version */
    PND_PANIC_FIELD,  /* field; text; number when the field has one */
    PND_PANIC_KINDS,
};

enum pnd_panic_field {
    PND_PANIC_PROCESS, /* of the thread that panicked */
    PND_PANIC_BOOT_ARGS,
    PND_PANIC_MAC_OS_VERSION, /* "Mac OS version:", x86 */
    PND_PANIC_OS_VERSION,     /* "OS version:", arm64 */
    PND_PANIC_MACOS_VERSION,  /* of the x86 side, in a log of the T2 chip */
    PND_PANIC_OS_RELEASE_TYPE,
    PND_PANIC_KERNEL_VERSION,
    PND_PANIC_KERNEL_UUID,
    PND_PANIC_FILESET_UUID, /* 32 digits without dashes */
    PND_PANIC_BOOT_SESSION,
    PND_PANIC_MODEL,  /* "MacBookPro16,1 (Mac-E1008331FDC96864)" */
    PND_PANIC_DEVICE, /* "iMac21,1", "J456", as its maker calls it */
    PND_PANIC_HARDWARE,
    PND_PANIC_IBOOT,
    PND_PANIC_UPTIME_NS,
    PND_PANIC_ABSOLUTE_TIME, /* ticks of the machine's counter */
    PND_PANIC_EPOCH_BOOT,    /* seconds since 1970, as are those that follow */
    PND_PANIC_EPOCH_SLEEP,
    PND_PANIC_EPOCH_WAKE,
    PND_PANIC_EPOCH_CALENDAR, /* the moment of the panic */
    PND_PANIC_KERNEL_SLIDE,
    PND_PANIC_KERNEL_BASE, /* run-time address of the kernel's text */
    PND_PANIC_EXEC_SLIDE,  /* of the segment that is executed, arm64 */
    PND_PANIC_EXEC_BASE,
    PND_PANIC_CACHE_SLIDE, /* of the kernel collection */
    PND_PANIC_CACHE_BASE,
    PND_PANIC_HIB_BASE,
    PND_PANIC_SHUTDOWN, /* "YES", "NO" */
    PND_PANIC_FIELDS,
};

struct pnd_panic_event {
    enum pnd_panic_kind kind;
    enum pnd_panic_field field;
    struct pnd_str text, name, version, uuid; /* len 0: not there */
    uint64_t number, address, start, end;
};

/* Where a reader is in a log. */
struct pnd_panic_log {
    struct pnd_str rest;    /* lines that are not read yet */
    struct pnd_str pending; /* of the line that is being read */
    struct pnd_str message; /* a panic string whose trap is not told yet */
    unsigned section;       /* what the lines are, where the line alone does not say it */
    unsigned deferred;      /* a field whose text is in the next line: its number, and 1; or 0 */
};

/* @p text must live as long as @p log. */
void pnd_panic_log_init(struct pnd_panic_log *log, const char *text, size_t len);

/* What the log says next, in its order. @return false: that was all */
bool pnd_panic_log_next(struct pnd_panic_log *log, struct pnd_panic_event *ret);

/* The next line of a panic string (the text of PND_PANIC_STRING), without those that are registers
 * and told as such. @return false: no more */
bool pnd_panic_string_next(struct pnd_str *message, struct pnd_str *ret);

/* ---- a log within memory ---- */

/* The bytes at the start of @p buf that are text: until the first NUL, or control character but
 * newline, carriage return and tab, or byte that is not UTF-8. */
size_t pnd_panic_text_len(const void *buf, size_t len);

/* The bytes at the end of @p buf that are such text. */
size_t pnd_panic_text_len_back(const void *buf, size_t len);

/* The first log in @p text: from its first line (a panic string, or what Debugger() was told) to
 * what such a log ends with, or to the end.
 *   @return false: no line of it begins a log */
bool pnd_panic_log_find(struct pnd_str text, struct pnd_str *ret);

/* How many different things the log tells. 0: not a panic log; 1: a panic string alone, as stands
 * in other logs, too. */
unsigned pnd_panic_log_score(const char *text, size_t len);

#endif
