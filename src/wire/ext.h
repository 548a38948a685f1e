/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The extension of Apple's protocol: every packet form, both directions. Data packets say where
 * they belong, many are on their way at a time, and what has arrived is told selectively.
 * Bytes <-> structs; no state. PROTOCOL.md#kdp-12. Freestanding. */
#ifndef PND_WIRE_EXT_H
#define PND_WIRE_EXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"
#include "wire/kdp.h"

enum {
    PND_EXT_FEATURE = 0x10000, /* of the WRQ's mask: the sender speaks the extension */
    PND_EXT_GRANT = 4,         /* of ACK 0's high byte: the server does */
    PND_EXT_VERSION = 1,
    PND_EXT_COOKIE_BYTES = 8,
    PND_EXT_ID_BYTES = 16,
    PND_EXT_GRANT_BYTES = PND_KDP_ACK_BYTES + 1 + PND_EXT_COOKIE_BYTES,
    PND_EXT_OPEN_BYTES = 32, /* an OPEN without its name */
    PND_EXT_OPENED_BYTES = 28,
    PND_EXT_HEADER_BYTES = 20, /* of DATA, ZERO, END, PROBE */
    PND_EXT_ZERO_BYTES = PND_EXT_HEADER_BYTES + 8,
    PND_EXT_END_BYTES = PND_EXT_HEADER_BYTES + 8,
    PND_EXT_ACK_BYTES = 48,  /* without ranges */
    PND_EXT_RANGES_CAP = 57, /* ranges in one ACK: every path carries it */
    PND_EXT_RANGE_BYTES = 8,
    PND_EXT_ACK_CAP = PND_EXT_ACK_BYTES + PND_EXT_RANGE_BYTES * PND_EXT_RANGES_CAP,
    PND_EXT_STOP_CAP = 8 + 128,
    PND_EXT_DGRAM_MIN = 508,   /* every path carries it: PROTOCOL.md#kdp-12.7 */
    PND_EXT_DGRAM_CAP = 65507, /* bytes of UDP payload that IPv4 has room for */
};

/* The first two bytes. None of Apple's opcodes: its server and its client draw nothing from them.
 */
enum pnd_ext_op {
    PND_EXT_OPEN = 0x10,   /* sender: begins a dump, or goes on with one */
    PND_EXT_OPENED = 0x11, /* server */
    PND_EXT_DATA = 0x12,   /* sender */
    PND_EXT_ZERO = 0x13,   /* sender: a run of zeros */
    PND_EXT_END = 0x14,    /* sender: the dump's length and sum */
    PND_EXT_PROBE = 0x15,  /* sender: does a datagram of this size arrive? */
    PND_EXT_ACK = 0x16,    /* server */
    PND_EXT_STOP = 0x17,   /* both: the dump ends here, and why */
};

enum pnd_ext_flag {
    PND_EXT_ACK_NOW = 1, /* DATA, ZERO: answer at once */
    PND_EXT_DONE = 1,    /* ACK: the dump is whole and durable */
    PND_EXT_MORE = 2,    /* ACK: it does not tell what arrived behind its last range */
    PND_EXT_FRESH = 1,   /* OPEN: begin at 0, whatever you have of this dump */
};

/* ACK 0 of a WRQ whose mask has PND_EXT_FEATURE, from a server that keeps nothing of it.
 * @p ret_cookie points into the datagram.
 *   @return whether @p packet, an ACK 0, grants a version that is known here */
bool pnd_ext_granted(const struct pnd_kdp_packet *packet, const uint8_t **ret_cookie);
int pnd_ext_build_grant(void *buf, size_t cap, uint8_t features,
                        const uint8_t cookie[PND_EXT_COOKIE_BYTES]);

struct pnd_ext_open {
    uint16_t flags;
    uint16_t dgram_max; /* the largest datagram that the sender would send, in bytes */
    uint8_t cookie[PND_EXT_COOKIE_BYTES];
    uint8_t id[PND_EXT_ID_BYTES]; /* of the dump: random, kept when it is resumed */
    const char *name;             /* in the datagram, NUL-terminated, may be empty */
    size_t name_len;
};

struct pnd_ext_opened {
    uint32_t token;     /* stands in every packet of this dump */
    uint16_t dgram_max; /* the largest datagram that the server takes */
    uint64_t offset;    /* everything before it is held: the sender goes on here */
    uint64_t sum;       /* of what is before it */
};

/* What follows the OPENED, from the sender.
 *   DATA   data[0, len) stands at offset; len > 0
 *   ZERO   len zeros at offset; data NULL
 *   END    offset is the length of the dump, sum that of all of it
 *   PROBE  len: the size of the datagram
 * offset + len does not exceed 2^64 - 1. */
struct pnd_ext_packet {
    enum pnd_ext_op op;
    uint16_t flags;
    uint32_t token;
    uint32_t number; /* of the transmission: 1, 2, 3 ...; after 2^32 - 1 comes 1 */
    uint64_t offset;
    uint64_t len;
    uint64_t sum;
    const uint8_t *data; /* in the datagram */
};

/* Behind the one before by no more than 2^32 - 1, and not longer than that: who tells of others
 * cuts them. Of those that touch a parser makes one; an empty one only says that nothing is there.
 */
struct pnd_ext_range {
    uint64_t start, end;
};

struct pnd_ext_ack {
    uint16_t flags;
    uint32_t token;
    uint32_t number;  /* the highest of this sender's since the server was started; 0: none */
    uint32_t age_us;  /* how long ago */
    uint64_t held;    /* everything before it is held */
    uint64_t limit;   /* no DATA that begins at or behind it is taken now */
    uint32_t packets; /* DATA and ZERO that arrived, copies included, mod 2^32 */
    uint16_t probed;  /* size of the largest PROBE since the last ACK; 0: none came */
    uint64_t from;    /* held, or where the ACK before ended of which this is a further part */
    uint16_t count;   /* of range[]: ascending, from `from` on. Complete up to the end of the last
                       one: what is not in it there, is missing. Without MORE all is, also behind */
    struct pnd_ext_range range[PND_EXT_RANGES_CAP];
};

struct pnd_ext_stop {
    uint32_t token;
    uint16_t code;    /* enum pnd_kdp_error */
    const char *text; /* in the datagram, no NUL, from outside */
    size_t text_len;
};

/* @return the opcode of a packet of the extension, or 0 when it is none */
unsigned pnd_ext_op(const void *dgram, size_t len);

/* Each parser:
 *   @return PND_OK; PND_E_TYPE another opcode, or an OPEN of another version; PND_E_SHORT it is
 *           not all there; PND_E_LENGTH more is there, a DATA without bytes, or a ZERO of none;
 *           PND_E_NAME the name has no NUL; PND_E_RANGE beyond 2^64 - 1;
 *           PND_E_FORMAT an ACK that begins before what it says to be held */
int pnd_ext_parse_open(const void *dgram, size_t len, struct pnd_ext_open *ret);
int pnd_ext_parse_opened(const void *dgram, size_t len, struct pnd_ext_opened *ret);
int pnd_ext_parse(const void *dgram, size_t len, struct pnd_ext_packet *ret);
int pnd_ext_parse_ack(const void *dgram, size_t len, struct pnd_ext_ack *ret);
int pnd_ext_parse_stop(const void *dgram, size_t len, struct pnd_ext_stop *ret);

/* Each builder writes one packet and returns its length, or PND_E_FULL; PND_E_NAME the name has
 * PND_KDP_NAME_CAP bytes or more. Of DATA and PROBE only the header is written: what follows it is
 * the caller's. A STOP's text is cut to fit PND_EXT_STOP_CAP. */
int pnd_ext_build_open(void *buf, size_t cap, const struct pnd_ext_open *open);
int pnd_ext_build_opened(void *buf, size_t cap, const struct pnd_ext_opened *opened);
int pnd_ext_build(void *buf, size_t cap, const struct pnd_ext_packet *packet);
int pnd_ext_build_ack(void *buf, size_t cap, const struct pnd_ext_ack *ack);
int pnd_ext_build_stop(void *buf, size_t cap, uint32_t token, uint16_t code, const char *text);

#endif
