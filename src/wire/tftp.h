/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TFTP, UDP port 69, with the options blksize, tsize, timeout and windowsize: every packet form,
 * both directions. Bytes <-> structs; no state. PROTOCOL.md#tftp-1 holds the numbered facts.
 * Freestanding. */
#ifndef PND_WIRE_TFTP_H
#define PND_WIRE_TFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"

enum {
    PND_TFTP_PORT = 69,
    PND_TFTP_HEADER_BYTES = 4,
    PND_TFTP_ACK_BYTES = 4,
    PND_TFTP_BLOCK_DEFAULT = 512, /* bytes of a block of which nothing was agreed */
    PND_TFTP_BLOCK_MIN = 8,
    PND_TFTP_BLOCK_MAX = 65464,
    PND_TFTP_TIMEOUT_MAX_S = 255, /* from 1 on */
    PND_TFTP_WINDOW_MAX = 65535,  /* from 1 on */
    PND_TFTP_NAME_CAP = 256,      /* longest file name kept, with its NUL */
    PND_TFTP_OPTIONS_MAX = 32,    /* options of a packet that are looked at */
    PND_TFTP_REQUEST_CAP = 512,   /* room for any request that is built here */
    PND_TFTP_OACK_CAP = 96,       /* room for any OACK that is built here */
    PND_TFTP_ERROR_CAP = 4 + 128, /* room for any ERROR that is built here */
};

enum pnd_tftp_op {
    PND_TFTP_RRQ = 1,
    PND_TFTP_WRQ = 2,
    PND_TFTP_DATA = 3,
    PND_TFTP_ACK = 4,
    PND_TFTP_ERROR = 5,
    PND_TFTP_OACK = 6,
};

enum pnd_tftp_error {
    PND_TFTP_E_UNDEFINED = 0,
    PND_TFTP_E_NOTFOUND = 1,
    PND_TFTP_E_ACCESS = 2,
    PND_TFTP_E_NOSPACE = 3,
    PND_TFTP_E_ILLEGAL = 4,
    PND_TFTP_E_UNKNOWN_ID = 5,
    PND_TFTP_E_EXISTS = 6,
    PND_TFTP_E_NOUSER = 7,
    PND_TFTP_E_OPTIONS = 8,
};

/* Which of the options below are there. */
enum pnd_tftp_option {
    PND_TFTP_BLKSIZE = 1,
    PND_TFTP_TSIZE = 2,
    PND_TFTP_TIMEOUT = 4,
    PND_TFTP_WINDOWSIZE = 8,
    PND_TFTP_OPTIONS = PND_TFTP_BLKSIZE | PND_TFTP_TSIZE | PND_TFTP_TIMEOUT | PND_TFTP_WINDOWSIZE,
};

/* A value that no bit of @p said stands for means nothing. */
struct pnd_tftp_options {
    uint8_t said;         /* bits of enum pnd_tftp_option */
    uint8_t timeout_s;    /* 1 to PND_TFTP_TIMEOUT_MAX_S */
    uint16_t window;      /* blocks, 1 to PND_TFTP_WINDOW_MAX */
    uint32_t block_bytes; /* PND_TFTP_BLOCK_MIN to PND_TFTP_BLOCK_MAX */
    uint64_t total_bytes; /* of the file */
};

/* One packet taken apart. Pointers point into the datagram and live as long as it does.
 *   RRQ   name, name_len
 *   WRQ   name, name_len, options
 *   DATA  block, data, data_len
 *   ACK   block
 *   ERROR code, data, data_len (the message, perhaps without NUL)
 *   OACK  options */
struct pnd_tftp_packet {
    enum pnd_tftp_op op;
    uint16_t block;
    uint16_t code;
    const char *name;
    size_t name_len;
    const uint8_t *data;
    size_t data_len;
    struct pnd_tftp_options options;
};

/* Options that are not known here, whose value is none, or that come a second time, are as if they
 * were not there; so is all from the first that is cut off. A blksize above PND_TFTP_BLOCK_MAX
 * counts as that.
 *   @param dgram  the UDP payload, @p len bytes
 *   @return PND_OK; PND_E_SHORT fewer than 4 bytes; PND_E_TYPE an opcode that is not in enum
 *           pnd_tftp_op; PND_E_NAME a request whose name or mode has no NUL; PND_E_MODE a WRQ whose
 *           mode is not "octet" in any case
 *   @source PROTOCOL.md#tftp-1, #tftp-2 */
int pnd_tftp_parse(const void *dgram, size_t len, struct pnd_tftp_packet *ret);

/* Each builder writes one whole packet to @p buf and returns its length in bytes, or PND_E_FULL
 * when @p cap is too small, PND_E_NAME when a name is empty or PND_TFTP_NAME_CAP or longer. */
int pnd_tftp_build_wrq(void *buf, size_t cap, const char *name,
                       const struct pnd_tftp_options *options);
int pnd_tftp_build_oack(void *buf, size_t cap, const struct pnd_tftp_options *options);
int pnd_tftp_build_ack(void *buf, size_t cap, uint16_t block);
int pnd_tftp_build_data_header(void *buf, size_t cap, uint16_t block);

/* The message NUL-terminated, cut to fit PND_TFTP_ERROR_CAP. */
int pnd_tftp_build_error(void *buf, size_t cap, enum pnd_tftp_error code, const char *message);

#endif
