/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receiving side of one dump over FreeBSD's netdump: bytes and a time go in, ordered actions
 * come out. The protocol has no word for "no": whatever is not to be acknowledged draws nothing,
 * and a client that hears nothing gives up after 12 s. The numbers of the packets tell whether one
 * was lost that the client takes for acknowledged (proto/netdump_burst.h); then the dump is kept as
 * incomplete, and its FINISHED draws nothing. PROTOCOL.md#netdump-1 to #netdump-8. Freestanding. */
#ifndef PND_PROTO_NETDUMP_RX_H
#define PND_PROTO_NETDUMP_RX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/actions.h"
#include "proto/netdump_burst.h"
#include "proto/ranges.h"
#include "proto/rx.h"
#include "wire/netdump.h"

enum {
    PND_NETDUMP_RX_PATH_CAP = 256,     /* with its NUL; a longer one is not kept */
    PND_NETDUMP_RX_HEADER_CAP = 512,   /* what is kept of a kernel dump header */
    PND_NETDUMP_RX_KEY_CAP = 65536,    /* a key blob is not longer */
    PND_NETDUMP_RX_PADDING_MAX = 4095, /* zeros behind the dump's length: less than a block */
    PND_NETDUMP_RX_RANGES_SAVED = 3,
    PND_NETDUMP_RX_SAVED_BYTES = 112,
};

/* Copied freely (pnd_netdump_rx_copy() leaves out what is not in use); holds no pointer but the
 * limits. ASKED: the herald was answered, there is no file. */
struct pnd_netdump_rx {
    const struct pnd_rx_limits *limits;
    enum pnd_rx_phase phase;
    struct pnd_netdump_burst burst; /* what is under way */
    uint64_t end;                   /* one past the highest byte of VMCORE received */
    uint64_t bytes;                 /* of VMCORE, each packet once */
    uint64_t length;                /* as the last header said; 0: none did */
    uint64_t last_ms;               /* last packet of the dump, or phase changed */
    uint64_t stalled_ms;            /* when the disk first refused; 0: it did not */
    uint32_t finish;  /* number of the FINISHED; in ASKED that of the dump before, 0: none */
    uint32_t lost;    /* packets that the client has left behind, and that never arrived */
    uint32_t packets; /* that arrived, each once */
    uint32_t repeats; /* that came again */
    uint32_t strays;  /* that fit nowhere */
    bool has_key, has_header;           /* something of it was written */
    bool blurred;                       /* not every hole is known by its place any more */
    bool path_refused;                  /* the herald's path is none that could be used */
    char path[PND_NETDUMP_RX_PATH_CAP]; /* as the herald gave it; any bytes but NUL */
    struct pnd_ranges ranges;           /* of the dump, all but the send under way */
};

/*   @param limits  outlives the session; reack_ms, repeat_ms, quit_ms, quit_takeover_ms, recover
 *                  and resume_ms do not count */
void pnd_netdump_rx_init(struct pnd_netdump_rx *rx, const struct pnd_rx_limits *limits);

/* Writes all of @p from that is in use to @p ret. */
void pnd_netdump_rx_copy(struct pnd_netdump_rx *ret, const struct pnd_netdump_rx *from);

/* May a herald take this session's place? None that makes progress goes: anybody can forge one. */
bool pnd_netdump_rx_may_go(const struct pnd_netdump_rx *rx, uint64_t now_ms);

/* One datagram of this peer. @p ret->count is 0 when it draws nothing.
 *   @param now_ms  monotonic; may stand still, must not run backwards
 *   @return PND_OK; the codes of pnd_netdump_parse() for a packet that is none (it draws nothing);
 *           PND_E_RANGE also for data beyond dump_bytes_max (the session has failed), or a key
 *           beyond PND_NETDUMP_RX_KEY_CAP (it draws nothing) */
int pnd_netdump_rx_datagram(struct pnd_netdump_rx *rx, const void *dgram, size_t len,
                            uint64_t now_ms, struct pnd_actions *ret);

/* As pnd_kdp_rx_tick() and so on. */
void pnd_netdump_rx_tick(struct pnd_netdump_rx *rx, uint64_t now_ms, struct pnd_actions *ret);
uint64_t pnd_netdump_rx_deadline_ms(const struct pnd_netdump_rx *rx);

/* The owner could not run an OPEN, WRITE or SIZE. Until stall_ms have passed the client's
 * repetitions try again; then, or at once when @p final, the session fails, and @p message (static)
 * is the reason of its ABANDON. */
void pnd_netdump_rx_refuse_write(struct pnd_netdump_rx *rx, uint64_t now_ms, bool final,
                                 const char *message, struct pnd_actions *ret);

/* The outcome of FINISH: the ACK of FINISHED if @p durable, else FAILED. */
void pnd_netdump_rx_finished(struct pnd_netdump_rx *rx, bool durable, uint64_t now_ms,
                             struct pnd_actions *ret);

/* How far the file is whole from its start, but for what is under way. */
uint64_t pnd_netdump_rx_solid(const struct pnd_netdump_rx *rx);

/* The missing parts of a dump that has ended, or of one that would end now: the first one that
 * begins at or behind @p from and before its end. Packets may be missing behind the end, too:
 * rx->lost counts all.
 *   @return PND_OK; PND_E_NOTFOUND there is none, or it is not known (rx->blurred) */
int pnd_netdump_rx_missing(const struct pnd_netdump_rx *rx, uint64_t from, struct pnd_span *ret);

/* The journal's form of everything but the path: exactly PND_NETDUMP_RX_SAVED_BYTES, the same on
 * every machine. Whatever was acknowledged is in it. Of more ranges than fit, holes are no longer
 * known by their place. Its first byte is never that of another session's.
 *   @return PND_OK; PND_E_SHORT, PND_E_FORMAT the bytes are no saved session */
void pnd_netdump_rx_save(const struct pnd_netdump_rx *rx, uint8_t ret[PND_NETDUMP_RX_SAVED_BYTES]);
int pnd_netdump_rx_load(struct pnd_netdump_rx *rx, const struct pnd_rx_limits *limits,
                        const uint8_t *saved, size_t len, const char *path, uint64_t now_ms);

#endif
