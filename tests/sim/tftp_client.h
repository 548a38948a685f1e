/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A model of clients that write by TFTP: PROTOCOL.md#tftp-4. Blocks are made as they are sent, so
 * that a file may be of any size. Times in microseconds. */
#ifndef PND_TESTS_SIM_TFTP_CLIENT_H
#define PND_TESTS_SIM_TFTP_CLIENT_H

#include "sim/net.h"
#include "wire/tftp.h"

enum { TFTP_CLIENT_DGRAM_CAP = 4 + 1500 };

struct tftp_client_config {
    struct pnd_tftp_options asked;
    bool knows_options; /* no: none are asked for, and an OACK is nonsense */
    bool to_one;        /* block 65535 is followed by 1 */
    bool apprentice;    /* an ACK that was heard before draws the last window again */
    uint32_t timeout_us;
    unsigned backoff;     /* per cent of the timeout that the next one is */
    unsigned retries_max; /* of one window */
    uint32_t gap_us;      /* from block to block */
    uint64_t bytes;       /* of the file */
    uint64_t seed;        /* of what is in it */
};

enum tftp_client_state { TFTP_CLIENT_RUNNING, TFTP_CLIENT_SUCCESS, TFTP_CLIENT_FAILED };

struct tftp_client {
    struct tftp_client_config config;
    struct net *net;
    enum tftp_client_state state;
    uint32_t block_bytes;
    uint16_t window;
    bool opened;
    uint64_t base;       /* blocks that are acknowledged */
    uint64_t next;       /* the block, counted from 0, that is sent next */
    uint64_t next_us;    /* then */
    uint64_t timeout_at; /* when nothing has come by then the window is sent again */
    uint64_t wait_us;
    unsigned retries;
    uint64_t sent; /* datagrams */
};

void tftp_client_init(struct tftp_client *client, const struct tftp_client_config *config,
                      struct net *net);

/* It has sent a part of the file already: @p blocks of it. */
void tftp_client_skip(struct tftp_client *client, uint64_t blocks);

uint64_t tftp_client_deadline_us(const struct tftp_client *client);
void tftp_client_step(struct tftp_client *client);
void tftp_client_receive(struct tftp_client *client, const uint8_t *dgram, size_t len);

/* Blocks that the file has, the last, short one included. */
uint64_t tftp_client_blocks(const struct tftp_client *client);

/* The number that goes with a block, counted from 0. */
uint16_t tftp_client_number(const struct tftp_client *client, uint64_t block);

/* What the file has there. */
uint8_t tftp_client_byte(uint64_t seed, uint64_t offset);

#endif
