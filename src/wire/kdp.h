/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Apple's core transfer protocol, UDP port 1069: every packet form, both directions.
 * Bytes <-> structs; no state. PROTOCOL.md#kdp-1 holds the numbered facts. Freestanding. */
#ifndef PND_WIRE_KDP_H
#define PND_WIRE_KDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_KDP_PORT = 1069,
    PND_KDP_HEADER_BYTES = 6,
    PND_KDP_ACK_BYTES = 6,
    PND_KDP_BLOCK_SMALL = 512,  /* largest DATA payload without PND_KDP_LARGE */
    PND_KDP_BLOCK_LARGE = 1406, /* default largest DATA payload with it */
    PND_KDP_BLOCK_CAP = 8960,   /* largest advertised size that is believed (jumbo frames) */
    PND_KDP_NAME_CAP = 256,     /* longest file name kept, with its NUL */
    PND_KDP_REQUEST_CAP = 6 + 256 + 32, /* room for any packet without payload, WRQ included */
    PND_KDP_ERROR_CAP = 6 + 128,        /* room for any ERROR that is built here */
};

enum pnd_kdp_op {
    PND_KDP_RRQ = 1,
    PND_KDP_WRQ = 2,
    PND_KDP_DATA = 3,
    PND_KDP_ACK = 4,
    PND_KDP_ERROR = 5,
    PND_KDP_SEEK = 6,
    PND_KDP_EOF = 7,
};

/* Bits of the WRQ's feature mask and, from bit 0 on, of the high byte of ACK 0. */
enum pnd_kdp_feature {
    PND_KDP_SEEK64 = 1, /* SEEK offsets have 64 bits */
    PND_KDP_LARGE = 2,  /* DATA may be larger than 512 bytes */
    PND_KDP_FEATURES = PND_KDP_SEEK64 | PND_KDP_LARGE,
};

enum pnd_kdp_error {
    PND_KDP_E_UNDEFINED = 0,
    PND_KDP_E_NOTFOUND = 1,
    PND_KDP_E_ACCESS = 2,
    PND_KDP_E_NOSPACE = 3,
    PND_KDP_E_ILLEGAL = 4,
    PND_KDP_E_UNKNOWN_ID = 5,
    PND_KDP_E_EXISTS = 6,
    PND_KDP_E_NOUSER = 7,
};

/* One packet taken apart. Pointers point into the datagram and live as long as it does.
 *   RRQ, WRQ  name, name_len, features, block_max (0: none given, or cut off)
 *   DATA      block, data, data_len (as received: may be longer than what was granted)
 *   SEEK      block, data (8 or 4 bytes of offset, and junk): see pnd_kdp_seek_offset()
 *   ACK       block, features (the opcode's high byte)
 *   ERROR     code, data (the message, perhaps without NUL)
 *   EOF       block */
struct pnd_kdp_packet {
    enum pnd_kdp_op op;
    uint32_t block;
    uint32_t features;
    uint32_t block_max;
    uint32_t code;
    const char *name;
    size_t name_len;
    const uint8_t *data;
    size_t data_len;
};

/*   @param dgram  the UDP payload, @p len bytes
 *   @return PND_OK; PND_E_SHORT fewer than 6 bytes (a WRQ may be as short as its strings);
 *           PND_E_TYPE an opcode that is not in enum pnd_kdp_op, or a high byte on anything but
 *           an ACK; PND_E_NAME a WRQ whose name or mode has no NUL; PND_E_MODE a WRQ whose mode
 *           is not "octet" in any case
 *   @source PROTOCOL.md#kdp-1.1 to #kdp-1.7, #kdp-1.9 */
int pnd_kdp_parse(const void *dgram, size_t len, struct pnd_kdp_packet *ret);

/* The same for a sender, which is only answered: anything but ACK and ERROR is PND_E_TYPE. */
int pnd_kdp_parse_answer(const void *dgram, size_t len, struct pnd_kdp_packet *ret);

/* The offset in a SEEK, 64 bits wide if @p seek64 was granted, else 32.
 *   @return PND_OK; PND_E_SHORT the offset is not all there
 *   @source PROTOCOL.md#kdp-1.5 */
int pnd_kdp_seek_offset(const struct pnd_kdp_packet *seek, bool seek64, uint64_t *ret);

/* Each builder writes one whole packet to @p buf and returns its length in bytes, or PND_E_FULL
 * when @p cap is too small, PND_E_NAME when a name is empty or PND_KDP_NAME_CAP or longer,
 * PND_E_RANGE when a SEEK beyond 4 GiB has only 32 bits for it. */
int pnd_kdp_build_wrq(void *buf, size_t cap, const char *name, uint32_t features,
                      uint32_t block_max);
int pnd_kdp_build_ack(void *buf, size_t cap, uint32_t block, uint8_t features);
int pnd_kdp_build_data_header(void *buf, size_t cap, uint32_t block);
int pnd_kdp_build_seek(void *buf, size_t cap, uint32_t block, uint64_t offset, bool seek64);
int pnd_kdp_build_eof(void *buf, size_t cap, uint32_t block);

/* An ERROR with a 32-bit big-endian code and a NUL-terminated message, cut to fit
 * PND_KDP_ERROR_CAP. @source PROTOCOL.md#kdp-1.7 */
int pnd_kdp_build_error(void *buf, size_t cap, enum pnd_kdp_error code, const char *message);

/* The code of a received ERROR, with the 16-bit swap of Apple's server undone.
 *   @source PROTOCOL.md#kdp-1.7 */
uint32_t pnd_kdp_error_code(const struct pnd_kdp_packet *error);

#endif
