/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of the panic routine share: its state, and how it speaks. A fault may come at any
 * instruction of it, and then the routine is entered again on the same state: what the inner call
 * looks at is volatile, and is written before what it stands for begins. Freestanding. */
#ifndef PND_CLIENT_PANIC_H
#define PND_CLIENT_PANIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/corefile.h"
#include "panicd/panic.h"

enum {
    PND_PANIC_LINE_CAP = 256, /* the longest text that is printed at once */
    PND_IP_TEXT_CAP = 16,
};

/* What is under way. */
enum pnd_panic_stage {
    PND_STAGE_NONE = 0,
    PND_STAGE_LOCAL,
    PND_STAGE_NET_CORE,
    PND_STAGE_NET_LOG,
    PND_STAGE_NET_SYSTEM_LOG,
    PND_STAGE_WAIT,
};

/* The small things first: within 128 bytes they cost three bytes less of code each time. */
struct panic {
    struct pnd_situation now;
    const struct pnd_event *event; /* of the innermost run */
    volatile uint32_t depth;       /* runs under way: more than 1 are panics within it */
    volatile enum pnd_panic_stage stage;
    volatile bool net_open;  /* the server was asked, and does not hold the dump yet */
    volatile bool armed;     /* what this run begins with is there */
    volatile bool in_driver; /* a function of the nic runs */
    bool driver_broken;      /* one of them has faulted: none is called any more */
    bool answered;           /* the server has answered the write request */
    bool told_local, told_transport, told_link;
    bool mid_line; /* progress was printed, and the line has not ended */
    /* A run that came while the machine waited, without having panicked; what it came upon. */
    bool within_wait;
    bool listen_again; /* it has used the stack's memory */
    unsigned tenths;   /* of the progress that were printed */
    uint64_t start_us;
    struct pnd_situation waiting;
    const struct pnd_event *waiting_event;
    struct pnd_platform platform;
    struct pnd_bootargs args;
    struct pnd_panic_report report;
    struct pnd_nic nic; /* the platform's, watched */
    struct pnd_core_config core;
    char line[PND_PANIC_LINE_CAP];
    union { /* one dump at a time */
        struct {
            struct pnd_stack stack;
            struct pnd_client client;
        } net;
        struct pnd_corefile corefile;
    };
};

_Static_assert(sizeof(struct panic) <= sizeof(struct pnd_panic), "the public struct holds it");

/* The bits of debug= that mean something in this train. */
bool pnd_panic_has(const struct panic *p, uint32_t flag);
uint64_t pnd_panic_now_us(const struct panic *p);
uint32_t pnd_panic_own_ip(const struct panic *p);

/* panic_say.c. A line of progress is ended first. */
void pnd_panic_say(struct panic *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text from outside, between quotes, without a byte that a console obeys. */
void pnd_panic_say_quoted(struct panic *p, const char *text);
/* "10..20..", as far as it has come. */
void pnd_panic_progress(void *panic, uint64_t done, uint64_t total);
/* "bytes in 1.234 s, 567 KiB/s" */
void pnd_panic_say_rate(struct panic *p, const char *what, uint64_t bytes, uint64_t us);
const char *pnd_ip_text(char ret[PND_IP_TEXT_CAP], uint32_t ip);

/* panic_core.c: the kernel's memory through @p codec (NULL: none) into @p sink, which is not ended.
 * @return PND_OK; what the core writer, the codec or the sink returned */
int pnd_panic_core(struct panic *p, const struct pnd_codec *codec, const struct pnd_sink *sink);
void pnd_panic_say_core(struct panic *p);
/* Bytes of memory that are to be dumped. */
uint64_t pnd_panic_memory_bytes(const struct panic *p);

/* panic_disk.c, panic_net.c: the steps. They print what failed, and note it in the report. */
enum pnd_done pnd_panic_local(struct panic *p);
enum pnd_done pnd_panic_net(struct panic *p, enum pnd_panic_stage stage);
void pnd_panic_say_no_transport(struct panic *p);
/* The server is told, if it can be, that no more will come. */
void pnd_panic_net_abort(struct panic *p);
/* A nic whose functions tell where a fault came from. */
void pnd_panic_watch_nic(struct panic *p);

/* panic_wait.c */
enum pnd_panic_end pnd_panic_wait(struct panic *p);
enum pnd_panic_end pnd_panic_spin(struct panic *p);

#endif
