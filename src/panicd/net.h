/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's UDP sockets: batches in by recvmmsg (with UDP GRO where the kernel has it),
 * batches out by sendmmsg, and by recvmsg and sendmsg where there is but one of them. Every reply
 * leaves from the socket, and the address, that its datagram came to. All buffers are made at open;
 * receiving and sending allocate nothing. */
#ifndef PND_PANICD_NET_H
#define PND_PANICD_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/why.h"
#include "panicd/peer.h"

enum {
    PND_NET_SOCKS_MAX = 32,
    PND_NET_BATCH = 32,       /* datagrams (or GRO trains) per recvmmsg */
    PND_NET_BUFFER = 65536,   /* bytes for each of them */
    PND_NET_REPLY_MAX = 1064, /* bytes of a reply */
    PND_NET_REPLIES = 256,    /* replies queued before a flush is forced */
    PND_NET_RCVBUF = 8 << 20, /* socket receive buffer asked for */
    PND_NET_WAIT_MS = 4,      /* at most asleep for the next datagram */
    PND_NET_ROUNDS_MAX = 8,   /* batches taken from one socket before others get their turn */
};

struct pnd_net;

struct pnd_net_counters {
    uint64_t datagrams, received_bytes, replies, replies_lost, receive_drops;
};

struct pnd_net *pnd_net_create(void); /* NULL: no memory */
void pnd_net_destroy(struct pnd_net *net);

/* Binds one more socket, for @p service (enum pnd_service), which pnd_origin tells of every
 * datagram. @p address: "0.0.0.0", "::" (both families), "10.0.40.2".
 *   @return PND_OK; PND_E_ARG no address; PND_E_FULL; PND_E_BUSY the port is taken (why says how
 *           to find by whom); PND_E_SYS */
int pnd_net_bind(struct pnd_net *net, unsigned service, const char *address, uint16_t port,
                 struct pnd_why *why);

/* Takes over a bound UDP socket (socket activation). @return PND_OK; PND_E_ARG; PND_E_FULL */
int pnd_net_adopt(struct pnd_net *net, unsigned service, int fd, struct pnd_why *why);

unsigned pnd_net_sock_count(const struct pnd_net *net);
unsigned pnd_net_sock_service(const struct pnd_net *net, unsigned sock);
int pnd_net_sock_fd(const struct pnd_net *net, unsigned sock);
void pnd_net_sock_name(const struct pnd_net *net, unsigned sock, char ret_addr[PND_PEER_TEXT_CAP],
                       uint16_t *ret_port);

struct pnd_net_handler {
    /* One or more datagrams of one peer, one behind the other: each of @p segment bytes, the last
     * one of what is left. @p data is valid until batch_end has returned. */
    void (*datagrams)(const struct pnd_origin *from, const uint8_t *data, size_t len,
                      size_t segment, void *ctx);
    void (*batch_end)(void *ctx); /* after each system call that brought any */
    void *ctx;
};

enum pnd_net_look {
    PND_NET_ALL,  /* what is there, at most PND_NET_ROUNDS_MAX batches */
    PND_NET_WAIT, /* the same, but for the first one asleep, for up to PND_NET_WAIT_MS */
    /* One datagram, or one train of GRO: the shortest way, where the next one comes only after the
     * reply to this one. */
    PND_NET_ONE,
    PND_NET_WAIT_ONE,
};

/* Reads datagrams. Flushes queued replies after each batch.
 *   @return how many datagrams came */
uint64_t pnd_net_receive(struct pnd_net *net, unsigned sock, enum pnd_net_look look,
                         const struct pnd_net_handler *handler);

/* Queues a reply of at most PND_NET_REPLY_MAX bytes. It leaves from to->sock; if that is not one of
 * to->service any more, as after a restart, from the first that is; if there is none, not at all.
 */
void pnd_net_reply(struct pnd_net *net, const struct pnd_origin *to, const void *data, size_t len);
void pnd_net_flush(struct pnd_net *net);
const struct pnd_net_counters *pnd_net_counters(const struct pnd_net *net);

#endif
