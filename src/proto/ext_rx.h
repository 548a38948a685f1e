/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving side of one dump over the extension. Many datagrams make a turn: the owner gives
 * each to pnd_ext_rx_take(), writes what was new, and at the end of the turn asks
 * pnd_ext_rx_answer() what is to be done and said. As with proto/actions.h it works on a copy of
 * the session: when a write fails, the copy is thrown away, and the sender's repetitions bring the
 * same bytes again. PROTOCOL.md#kdp-12. Freestanding. */
#ifndef PND_PROTO_EXT_RX_H
#define PND_PROTO_EXT_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/actions.h"
#include "proto/kdp_rx.h"
#include "proto/ranges.h"
#include "wire/ext.h"

enum {
    PND_EXT_RX_ANSWER_BYTES = 256 * 1024, /* that came since the last ACK draw one */
    PND_EXT_RX_PIECES_CAP = 2,            /* new parts of one packet that are taken */
    PND_EXT_RX_ANSWER_MIN = 64 * 1024,    /* as many when one takes several datagrams */
    PND_EXT_RX_PARTS = 9,                 /* datagrams of an answer: enough for all ranges */
    PND_EXT_RX_SAVED_BYTES = 112,
};

/* Copied freely (pnd_ext_rx_copy() leaves out what is not in use); holds no pointer but the limits
 * and a static phrase. All of it 0 is a session that is NEW. Times are those given as now_us. */
struct pnd_ext_rx {
    const struct pnd_rx_limits *limits; /* all but reack_ms and repeat_ms */
    enum pnd_rx_phase phase;            /* ASKED: opened, no file yet */
    uint8_t id[PND_EXT_ID_BYTES];
    uint8_t cookie[PND_EXT_COOKIE_BYTES]; /* of the last OPEN, which tells a copy of it */
    bool fresh;                           /* its flag */
    uint32_t token;
    uint64_t held, sum; /* every byte before it is in the file; the sum of those */
    uint64_t end;       /* one past the highest byte received; at FINISH the length */
    uint64_t limit;     /* the highest that was said; 0: none was */
    uint64_t written;   /* one past the highest byte of DATA: so long is the file at least */
    uint64_t bytes;     /* DATA bytes taken, each once; what a restart forgot, again */
    uint64_t length, whole_sum; /* as END said */
    bool ended;                 /* it did */
    uint32_t number;            /* highest transmission of this sender that was heard; 0: none */
    uint64_t number_us;         /* when that came, of whichever sender */
    uint32_t packets;           /* DATA and ZERO of this sender */
    uint16_t probed;            /* the largest PROBE since the last ACK, in bytes */
    uint64_t unanswered;        /* bytes that came since the last ACK */
    bool answer;                /* something wants an ACK at the end of this turn */
    uint64_t last_us;           /* last packet of the dump or OPEN, phase changed, STOP heard */
    uint64_t stalled_us;        /* when the disk first refused; 0: it did not */
    uint32_t repeats;           /* packets that brought nothing new */
    uint32_t strays;            /* packets that fit nowhere */
    enum pnd_kdp_error error;
    const char *why; /* the STOP that this turn's end owes, its reason; NULL: it owes none */
    bool abandons;   /* and an ABANDON */
    bool quit;       /* the sender said STOP */
    char name[PND_RX_NAME_CAP];
    struct pnd_ranges ranges; /* behind held */
};

/* Writes all of @p from that is in use to @p ret: some 12 KiB less than an assignment. */
void pnd_ext_rx_copy(struct pnd_ext_rx *ret, const struct pnd_ext_rx *from);

/* What one packet brings: to be written in this order. Zeros are not written: what was never
 * written reads as zeros, and a loaded session's owner sees to that (below). */
struct pnd_ext_rx_news {
    bool begins; /* the file is needed now, also when nothing is to be written */
    unsigned count;
    struct {
        uint64_t offset;
        const uint8_t *data; /* in the datagram */
        size_t len;
    } at[PND_EXT_RX_PIECES_CAP];
};

/* An OPEN for this session, which is NEW, or has the same id, or may be taken over (below); its
 * cookie was right. @p ret: ADMIT and perhaps ABANDON when a dump begins, then REPLY (OPENED).
 * RESUME alone for a dump that was LEFT. Nothing at all: it may not be taken over, is just being
 * taken up, or may not begin anew (*fresh*) while it finishes or its packets come in.
 * PROTOCOL.md#kdp-12.2
 *   @param token  for a dump that begins; one that goes on keeps its own
 *   @param dgram_max  the largest datagram that the owner receives whole */
void pnd_ext_rx_open(struct pnd_ext_rx *rx, const struct pnd_rx_limits *limits,
                     const struct pnd_ext_open *open, uint32_t token, uint16_t dgram_max,
                     uint64_t now_us, struct pnd_actions *ret);

/* The outcome of RESUME: REPLY (OPENED) if @p ok, RELEASE if there is nothing to go on with.
 *   @param dgram_max  as in pnd_ext_rx_open() */
void pnd_ext_rx_resumed(struct pnd_ext_rx *rx, bool ok, uint16_t dgram_max, uint64_t now_us,
                        struct pnd_actions *ret);

/* Why a LEFT dump is one: the reason of its ABANDON. */
const char *pnd_ext_rx_why_left(const struct pnd_ext_rx *rx);

/* May an OPEN with another id take this session's place? A dump that makes progress never goes. */
bool pnd_ext_rx_may_go(const struct pnd_ext_rx *rx, uint64_t now_us);

/* One datagram.
 *   @param now_us  monotonic; may stand still, must not run backwards
 *   @return PND_OK, @p ret says what is new (perhaps nothing); the codes of pnd_ext_parse() and
 *           pnd_ext_parse_stop() for a packet that is none, PND_E_TYPE also for one only a server
 *           sends or of another token, PND_E_FULL one range too many, PND_E_RANGE beyond
 *           dump_bytes_max (the session has failed; the answer is a STOP): @p ret is empty.
 *           PND_E_FULL also for DATA behind the limit that was said */
int pnd_ext_rx_take(struct pnd_ext_rx *rx, const void *dgram, size_t len, uint64_t now_us,
                    struct pnd_ext_rx_news *ret);

/* The end of a turn whose bytes are all written: SIZE (which may lie behind what was written: the
 * dump ends in zeros) and FINISH when all is here and the sums agree, ABANDON when they do not or
 * the session failed in this turn, REPLY when one is due.
 *   @param room  how many bytes behind `held` the owner is willing to take now: becomes the limit.
 *                It may shrink, but what was said once is still taken */
void pnd_ext_rx_answer(struct pnd_ext_rx *rx, uint64_t room, uint64_t now_us,
                       struct pnd_actions *ret);

/* As pnd_kdp_rx_tick() and so on; times in milliseconds are now_us / 1000. No reply by time. A
 * silent dump is LEFT (ABANDON alone) and forgotten after resume_ms more (RELEASE); if that is 0,
 * at once. */
void pnd_ext_rx_tick(struct pnd_ext_rx *rx, uint64_t now_us, struct pnd_actions *ret);
uint64_t pnd_ext_rx_deadline_ms(const struct pnd_ext_rx *rx);
void pnd_ext_rx_refuse_write(struct pnd_ext_rx *rx, uint64_t now_us, bool final,
                             enum pnd_refusal refusal, const char *message,
                             struct pnd_actions *ret);
void pnd_ext_rx_finished(struct pnd_ext_rx *rx, bool durable, uint64_t now_us,
                         struct pnd_actions *ret);

/* The journal's form of everything but the name and what only this process knows (ranges, numbers).
 * Its first byte is never that of pnd_kdp_rx_save(). A loaded session goes on at `held`. The file
 * has at least `written` bytes. If it is LIVE, its owner calls pnd_ext_rx_cut(), saves it, and cuts
 * off what lies behind `held`, in this order: so zeros that come later are zeros, and a second
 * restart finds no file that is too short. If it is LEFT, RESUME cuts the file (actions.h).
 * @return PND_OK; PND_E_SHORT, PND_E_FORMAT the bytes are no saved session */
void pnd_ext_rx_save(const struct pnd_ext_rx *rx, uint8_t ret[PND_EXT_RX_SAVED_BYTES]);
int pnd_ext_rx_load(struct pnd_ext_rx *rx, const struct pnd_rx_limits *limits, const uint8_t *saved,
                    size_t len, const char *name, uint64_t now_us);

/* What lies behind `held` counts as not written. @return `held` */
uint64_t pnd_ext_rx_cut(struct pnd_ext_rx *rx);

#endif
