/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libpanicdump: send a dump to a dump server from a kernel that has panicked, or from any program.
 *
 * What it needs: memcpy, memmove, memset, memcmp, a clock, and a way to send and receive - either
 * UDP datagrams (struct pnd_link) or Ethernet frames (struct pnd_nic, from which struct pnd_stack
 * makes a link with ARP, IPv4 and UDP of its own). It allocates nothing, starts no thread, takes
 * no lock, has no global state, uses no floating point and no recursion; its deepest call chain
 * takes less than 1 KiB of stack (x86-64, gcc -O2) besides what the platform takes.
 * Every wait is bounded.
 *
 * In a panic: all of it may be called, with interrupts off, on one CPU, as long as the functions
 * of the platform work there (poll the hardware, never sleep or lock). Set the structs aside
 * before the panic: static memory is right, the stack is not (struct pnd_client 2 KiB, struct
 * pnd_stack 4 KiB). The structs may hold anything before _open; nothing need be freed after.
 *
 *     pnd_stack_open(&stack, &nic, &stack_config, &link);
 *     pnd_client_open(&client, &link, &config);
 *     pnd_client_write(&client, header, sizeof(header)); ...
 *     pnd_client_write_sparse(&client, page, 4096); ...
 *     pnd_client_finish(&client);
 *
 * All functions that return int return PND_OK or a negative enum pnd_err. IPv4 addresses and ports
 * are numbers in host order: 10.0.40.2 is 0x0a002802. Times are in microseconds. */
#ifndef PANICD_CLIENT_H
#define PANICD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/err.h"
#include "panicd/stage.h"

struct pnd_endpoint {
    uint32_t ip;
    uint16_t port;
};

/* A datagram in two parts: header[0, header_len), then payload[0, payload_len). */
struct pnd_datagram {
    const void *payload;
    uint32_t payload_len;
    uint8_t header_len;
    uint8_t header[31];
};

/* Datagrams. ctx is handed back to every function.
 *   now_us   a clock that only goes forward, from any start
 *   send     has no more use for the datagram when it returns. PND_OK also when it was lost on
 *            the way out (it is repeated); PND_E_NOROUTE, PND_E_LINK, PND_E_ABORTED end the dump
 *   receive  waits up to timeout_us for one datagram to us and gives its bytes in buf (cut at cap)
 *            and where it came from. May return early, with PND_E_TIMEOUT, at any time.
 *            @return its length, at most cap; PND_E_TIMEOUT; PND_E_NOROUTE, PND_E_LINK or
 *            PND_E_ABORTED (a signal, a key) end the dump
 *   dgram_max  the largest datagram it can send whole, in bytes; at least 7, a header and a byte
 *              of dump; 0: any */
struct pnd_link {
    void *ctx;
    uint64_t (*now_us)(void *ctx);
    int (*send)(void *ctx, struct pnd_endpoint to, const void *dgram, size_t len);
    int (*receive)(void *ctx, void *buf, size_t cap, uint64_t timeout_us,
                   struct pnd_endpoint *ret_from);
    size_t dgram_max;
    /* As send, for count packets to one place, in order; NULL: send is called for each. Those that
     * find no room on the way out may be dropped, from the first of them on. */
    int (*send_many)(void *ctx, struct pnd_endpoint to, const struct pnd_datagram *packets,
                     unsigned count);
};

/* A frame in two parts. */
struct pnd_frame {
    const void *header, *payload;
    size_t header_len, payload_len;
};

/* An Ethernet interface, polled. The same rules; frames are without FCS, at most 1514 bytes.
 * A received frame that is longer than cap is cut. A frame whose UDP checksum the sender left to
 * the hardware must have 0 there. */
struct pnd_nic {
    void *ctx;
    uint64_t (*now_us)(void *ctx);
    int (*send)(void *ctx, const void *frame, size_t len);
    int (*receive)(void *ctx, void *buf, size_t cap, uint64_t timeout_us);
    bool (*link_up)(void *ctx); /* NULL: the driver cannot tell */
    /* As send, for count frames, in order; NULL: send is called for each. Those that find no room
     * on the way out may be dropped, from the first of them on. */
    int (*send_many)(void *ctx, const struct pnd_frame *frames, unsigned count);
    uint8_t mac[6];
    uint16_t mtu; /* bytes of IPv4 packet, 576 to 1500; larger ones are used as 1500 */
};

/* How a nic becomes a link. The destination's MAC is the answer to ARP for the server; if there
 * is none, for the router; if there is none, the gateway's MAC as given.
 *   @source PROTOCOL.md#kdp-2.4, #kdp-2.5 */
struct pnd_stack_config {
    uint32_t own_ip;
    uint16_t own_port;      /* source port of every datagram */
    uint32_t server_ip;     /* datagrams from anybody else are not received */
    uint32_t router_ip;     /* 0: none */
    uint8_t gateway_mac[6]; /* all 0: none known */
    uint64_t arp_wait_us;   /* after each of 4 requests; 0: 765,000, as Apple's client */
    bool no_arp;            /* ask nobody, answer nobody: only gateway_mac is used */
    bool gateway_first;     /* ask nobody, but answer: a gateway_mac that is known to be right */
    uint16_t debugger_port; /* a datagram to it, from anybody, ends the dump with PND_E_ABORTED;
                               0: none does. @source PROTOCOL.md#kdp-2.7 */
    /* A link that is down is waited for before every send and receive, up to this long at a time
     * (0: an hour); that time does not count in the now_us of the link that is made here, so that
     * nobody's patience is used up. Then PND_E_LINK. @source PROTOCOL.md#kdp-2.6
     * waiting: called once for each such wait. NULL: nobody is told. */
    uint64_t link_wait_us;
    void (*waiting)(void *ctx);
    void *waiting_ctx;
};

enum pnd_stack_route {
    PND_ROUTE_SERVER,  /* the server, or a proxy, answered itself */
    PND_ROUTE_ROUTER,  /* the router answered */
    PND_ROUTE_GATEWAY, /* nobody answered: the MAC that was given */
};

enum {
    PND_STACK_BYTES = 4096,
    PND_CLIENT_BYTES = 2048,
    PND_CLIENT_WINDOW_MIN = 32768, /* bytes of window; 64 KiB is what a panic should have */
    PND_CLIENT_ID_BYTES = 16,
};

struct pnd_stack {
    uint64_t opaque[PND_STACK_BYTES / 8];
};

/* Resolves the way to the server and fills @p ret, which uses @p stack (and a copy of @p nic) as
 * long as it is in use. While the link receives, it answers ARP requests for own_ip.
 *   @return PND_OK; PND_E_ARG an address or port is 0, or the MTU is below 576; PND_E_NOROUTE
 *           nobody answered and no gateway is known; PND_E_LINK and PND_E_ABORTED as said above;
 *           what the nic's functions return */
int pnd_stack_open(struct pnd_stack *stack, const struct pnd_nic *nic,
                   const struct pnd_stack_config *config, struct pnd_link *ret);

/* For a machine that only waits, to be asked and debugged: server_ip may be 0, nobody is resolved.
 *   @return PND_OK; PND_E_ARG own_ip or the MAC is 0, or the MTU is below 576 */
int pnd_stack_listen(struct pnd_stack *stack, const struct pnd_nic *nic,
                     const struct pnd_stack_config *config);

/* After either of them, while no dump is under way: answers ARP requests for own_ip for
 * @p timeout_us, or for 4096 frames. A link that is down is waited for no longer than that, and
 * nobody is told.
 *   @return PND_OK; PND_E_ABORTED a datagram came to debugger_port; what the nic returned */
int pnd_stack_serve(struct pnd_stack *stack, uint64_t timeout_us);

/* After a successful pnd_stack_open(): which way was found, and its MAC. */
enum pnd_stack_route pnd_stack_route(const struct pnd_stack *stack, uint8_t ret_mac[6]);

struct pnd_client_stats {
    uint64_t packets, retransmissions; /* transmissions in all; those that were repetitions */
    uint64_t bytes;                    /* the dump's length so far, holes included */
    uint64_t sent_bytes;               /* of them in DATA, acknowledged */
    uint64_t unsent_bytes;             /* of them taken, and not yet sent even once */
    uint64_t skipped_bytes;            /* of them zeros that were not sent */
    uint64_t noise;                    /* datagrams that were not the answer waited for */
    uint64_t rtt_us;                   /* smoothed round-trip time; 0: none measured */
    uint64_t resumed_bytes;            /* of the dump, that the server held when it was opened */
    bool extended;                     /* the extension is in use */
};

/* Called from within the functions below, after acknowledged packets, at most every
 * progress_us. It must not call them. */
typedef void pnd_client_progress(void *ctx, const struct pnd_client_stats *stats);

/* The code of the extension (PROTOCOL.md#kdp-12), 15 KB of the library: a linker leaves it out of a
 * program that does not name it. */
struct pnd_client_extension;
extern const struct pnd_client_extension pnd_client_extension;

/* A dump over FreeBSD's netdump instead of Apple's protocol, for servers of that: named as the
 * extension below it takes its place, needs a window as well (64 KiB are enough), and costs nothing
 * where it is not named. Zeros are sent, no name is, nothing is resumed, and the server has no word
 * for an error: it falls silent. PROTOCOL.md#netdump-10 */
extern const struct pnd_client_extension pnd_client_netdump;

enum { PND_CLIENT_HEADER_BYTES = 512 };

/* What is in use until the dump has ended. */
struct pnd_client_netdump_config {
    const char *path; /* the directory that the server is asked for; NULL: none */
    /* FreeBSD's kernel dump header, PROTOCOL.md#netdump-6, PND_CLIENT_HEADER_BYTES: length and
     * parity are filled in. NULL: none, and the server's file ends with up to 4095 zeros */
    const void *header;
    const void *key; /* of an encrypted dump, PROTOCOL.md#netdump-7; NULL: none */
    size_t key_bytes;
};

/* 0 means the default for every number. */
struct pnd_client_config {
    struct pnd_endpoint server; /* port 0: 1069; of netdump 20023 */
    const char *name;           /* of the dump, 1 to 255 bytes; copied */
    const char *extended_name;  /* its name where the extension is used; NULL: the same */
    uint32_t block_max;         /* bytes of dump per packet, at most 1406 (the default) */
    uint64_t patience_us;       /* for one packet: 50 s, which outlives a restart of the server */
    uint64_t rto_initial_us;    /* 1 s */
    uint64_t rto_min_us;        /* 10 ms */
    uint64_t rto_max_us;        /* 3 s */
    pnd_client_progress *progress; /* NULL: none */
    void *progress_ctx;
    uint64_t progress_us; /* 100 ms */
    /* &pnd_client_extension or &pnd_client_netdump, and a window; NULL: Apple's protocol only */
    const struct pnd_client_extension *extension;
    /* Memory for the extension: what is on its way stays there until the server holds it, so that
     * it must be as large as rate times round trip to fill a wire; up to 1 GiB. It is in use until
     * the dump has ended, and is aligned to 8 bytes. NULL: as without the extension. */
    void *window;
    size_t window_bytes;             /* PND_CLIENT_WINDOW_MIN or more */
    uint8_t id[PND_CLIENT_ID_BYTES]; /* of the dump: random, or what it is resumed by */
    bool resume; /* go on with the dump of that id, if the server has one: see _open */
    const struct pnd_client_netdump_config *netdump; /* NULL: all of it NULL */
};

struct pnd_client {
    uint64_t opaque[PND_CLIENT_BYTES / 8];
};

/* Opens a dump: sends the write request and waits for its answer. @p link is copied. With extension
 * and window it offers that, and does without when the server does not know it.
 * A dump that is resumed is given from its first byte on all the same: what the server holds of it
 * (resumed_bytes) is summed instead of sent. If that is not the beginning of these bytes,
 * PND_E_FORMAT ends the session: open again with the same id, and resume false.
 *   @return PND_OK; PND_E_NAME; PND_E_ARG a number out of its bounds, or a dgram_max of 1 to 6 (for
 *           netdump to 535, no window, or a key larger than 32 packets);
 *           PND_E_TIMEOUT the server did not answer; PND_E_REFUSED it answered with an error, see
 *           pnd_client_refusal(); what the link returns */
int pnd_client_open(struct pnd_client *client, const struct pnd_link *link,
                    const struct pnd_client_config *config);

/* Sends the next @p len bytes; returns when all but the last block of them are acknowledged.
 * After any error, every later call returns the same error; after a successful pnd_client_finish()
 * bytes are refused with PND_E_ARG.
 *   @return as pnd_client_open(), and PND_E_RANGE: beyond 2^64 bytes, or 2^32 packets */
int pnd_client_write(struct pnd_client *client, const void *buf, size_t len);

/* The next @p len bytes are zeros. Runs of 4 KiB and more are not sent (a server without 64-bit
 * seeks is sent those beyond 4 GiB nevertheless); their last bytes are, when the dump ends there,
 * because the server's file would be too short otherwise. */
int pnd_client_skip(struct pnd_client *client, uint64_t len);

/* For whoever has nothing to write for a while: takes what has come, sends what is due, and does
 * not wait. What is on its way over Apple's protocol can wait for the next write.
 *   @return as pnd_client_write() */
int pnd_client_poll(struct pnd_client *client);

/* pnd_client_write(), but pages of 4096 zero bytes at multiples of 4096 of the dump are skipped. */
int pnd_client_write_sparse(struct pnd_client *client, const void *buf, size_t len);

/* Ends the dump. PND_OK means that the server has acknowledged the end: all of it is held.
 *   @return as pnd_client_write(), and PND_E_ARG: netdump has no empty dumps */
int pnd_client_finish(struct pnd_client *client);

/* The dump as a sink, for a core writer or a codec: write is pnd_client_write(), or
 * pnd_client_write_sparse() when @p sparse; end is pnd_client_finish(). @p ret uses @p client,
 * which may be opened after this call. */
void pnd_client_sink(struct pnd_client *client, bool sparse, struct pnd_sink *ret);

/* Tells the server, once, that no more will come, and ends the session with PND_E_ABORTED (unless
 * it has ended before; then nothing happens). */
void pnd_client_abort(struct pnd_client *client);

void pnd_client_stats(const struct pnd_client *client, struct pnd_client_stats *ret);

/* After PND_E_REFUSED: the server's error code (0 to 7; 3 is a full disk) and its message, which
 * comes from outside: escape it before it goes to a terminal. Valid as long as @p client is.
 *   @source PROTOCOL.md#kdp-1.7 */
const char *pnd_client_refusal(const struct pnd_client *client, uint32_t *ret_code);

#endif
