/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The packets of FreeBSD's netdump: a header of 24 bytes with its payload from the client, four
 * bytes of acknowledgement from the server. All numbers are big-endian. Freestanding.
 * @source PROTOCOL.md#netdump-2, #netdump-3 */
#ifndef PND_WIRE_NETDUMP_H
#define PND_WIRE_NETDUMP_H

#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_NETDUMP_PORT = 20023,        /* of the server */
    PND_NETDUMP_CLIENT_PORT = 20024, /* the client sends from it, and expects its ACKs there */
    PND_NETDUMP_HEADER_BYTES = 24,
    PND_NETDUMP_ACK_BYTES = 4,
    PND_NETDUMP_SEND_BYTES = 65536, /* what the client waits for at a time, at most */
    PND_NETDUMP_SEND_PACKETS = 64,  /* the same in packets */
    PND_NETDUMP_BLOCK_BYTES = 4096, /* of which sends of VMCORE are made */
    PND_NETDUMP_PATH_MAX = 4096,    /* bytes of a herald's path with its NUL */
    PND_NETDUMP_KDH_BYTES = 512,    /* of a kernel dump header */
};

enum pnd_netdump_type {
    PND_NETDUMP_HERALD = 1,
    PND_NETDUMP_FINISHED = 2,
    PND_NETDUMP_VMCORE = 3,
    PND_NETDUMP_KDH = 4,
    PND_NETDUMP_EKCD_KEY = 5,
};

/* One packet taken apart; data points into the datagram. */
struct pnd_netdump_packet {
    enum pnd_netdump_type type;
    uint32_t seqno;
    uint64_t offset; /* of the data in its object: offset + data_len does not overflow */
    const uint8_t *data;
    size_t data_len;
};

/*   @param dgram  the UDP payload, @p len bytes
 *   @return PND_OK; PND_E_SHORT fewer than 24 bytes; PND_E_TYPE a type that is not known here;
 *           PND_E_LENGTH the length in the header is not that of what follows, or more than UDP
 *           carries; PND_E_RANGE the data would lie beyond 2^64
 *   @source PROTOCOL.md#netdump-2 */
int pnd_netdump_parse(const void *dgram, size_t len, struct pnd_netdump_packet *ret);

/* The directory that a herald asks for, without its NUL; of a herald without payload the empty one.
 *   @return PND_OK; PND_E_NAME it does not end in its only NUL, is longer than
 *           PND_NETDUMP_PATH_MAX, is absolute, or has a component ".."
 *   @source PROTOCOL.md#netdump-4 */
int pnd_netdump_path(const struct pnd_netdump_packet *herald, const char **ret, size_t *ret_len);

/* How long the dump is, as the kernel dump header says: as it is stored, without padding. The field
 * is at the same place in all versions of the header.
 *   @param kdh  its first bytes: 48 are enough
 *   @return PND_OK; PND_E_SHORT; PND_E_TYPE it is no header
 *   @source PROTOCOL.md#netdump-6 */
int pnd_netdump_dump_length(const uint8_t *kdh, size_t len, uint64_t *ret);

/* Writes that length, and the parity of the whole header.
 *   @param kdh  512 bytes
 *   @source PROTOCOL.md#netdump-6 */
void pnd_netdump_set_dump_length(uint8_t kdh[PND_NETDUMP_KDH_BYTES], uint64_t length);

/* @return the four bytes' number in @p ret; PND_E_LENGTH: any other length is no ACK */
int pnd_netdump_parse_ack(const void *dgram, size_t len, uint32_t *ret);

/* Each builder writes to @p buf and returns the length in bytes, or PND_E_FULL when @p cap is too
 * small. The header is followed by @p data_len bytes of payload, which the caller appends. */
int pnd_netdump_build_header(void *buf, size_t cap, enum pnd_netdump_type type, uint32_t seqno,
                             uint64_t offset, uint32_t data_len);
int pnd_netdump_build_ack(void *buf, size_t cap, uint32_t seqno);

#endif
