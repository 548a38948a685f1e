/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What "panicctl receive" was told, and its part that listens. */
#ifndef PND_PANICCTL_RECEIVE_H
#define PND_PANICCTL_RECEIVE_H

#include "panicctl/stream.h"

#define PND_RECEIVE_NOT_SAID UINT64_MAX

enum {
    PND_RECEIVE_SENDERS = 8,       /* at a time, unless told otherwise */
    PND_RECEIVE_SENDERS_MAX = 256, /* at a time, at most: a process each */
    PND_RECEIVE_WAITING = 64,      /* connections that wait for a place */
    PND_RECEIVE_IDLE_MS = 60000,
    PND_RECEIVE_IDLE_MS_MIN = 100,
    PND_RECEIVE_IDLE_MS_MAX = 3600000,
    PND_RECEIVE_FLOOR = 1 << 30,
    PND_RECEIVE_ADDRESS_CAP = 64, /* "[ADDRESS]:PORT" */
    PND_RECEIVE_PATH_CAP = 1024,
    PND_RECEIVE_HANDSHAKE_MS = 10000, /* all of TLS's, or as little as idle_ms */
};

struct pnd_receive {
    const char *name; /* NULL: as the sender names it, or it is named after the sender */
    bool as_it_came;
    uint64_t bytes_max, floor_bytes;
    const char *listen; /* "ADDRESS:PORT"; NULL: standard input */
    const char *config; /* a panicd.conf(5); NULL: options alone */
    bool plain;
    const char *certificate, *key, *clients; /* files in PEM; NULL: not named */
    unsigned senders;
    uint64_t idle_ms; /* a sender that is silent for so long has gone */
};

/* What panicd.conf(5) says of streams: its section [stream], and what they share with panicd. */
struct pnd_receive_config {
    char listen[PND_RECEIVE_ADDRESS_CAP];
    char certificate[PND_RECEIVE_PATH_CAP], key[PND_RECEIVE_PATH_CAP];
    char clients[PND_RECEIVE_PATH_CAP];
    bool plain;
    uint64_t senders, idle_ms, bytes_max, floor_bytes;
};

/* Paths come out as this process may open them: those that are not absolute are beside the file.
 *   @return PND_OK; PND_E_NOTFOUND, PND_E_FORMAT, PND_E_SYS, as pnd_conf_read() */
int pnd_receive_config_read(const char *path, struct pnd_receive_config *ret, struct pnd_why *why);

/* Fills in what no option has said: NULL, 0, false, and PND_RECEIVE_NOT_SAID for the floor. Options
 * for TLS take away "plain", and --plain takes away the files. @p config outlives @p receive. */
void pnd_receive_config_apply(const struct pnd_receive_config *config, struct pnd_receive *receive);

/* Listens until a signal ends it: a process for each connection, a dump for each process.
 *   @return enum pnd_exit, after saying why on standard error */
int pnd_receive_tcp(struct pnd_ctl *ctl, const struct pnd_receive *receive);

/* peer and peer_port of a session of SSH, as far as they are known. */
void pnd_receive_peer(struct pnd_dump *dump);

/* ---- receive_tls.c ---- */

struct pnd_tls;

/* A server's end of TLS 1.2 or later, which asks for a certificate that @p clients has signed.
 *   @return PND_OK; PND_E_SOURCE a file cannot be used; PND_E_SYS */
int pnd_tls_create(const struct pnd_receive *receive, struct pnd_tls **ret, struct pnd_why *why);
void pnd_tls_destroy(struct pnd_tls *tls);

/* Shakes hands on @p fd, whose timeouts are set. One connection for each pnd_tls.
 *   @param ret_peer  whose certificate it is: its CN, else all of its subject; cut at @p cap
 *   @return PND_OK; PND_E_REFUSED there is no certificate that is good, or no agreement;
 *           PND_E_TIMEOUT; PND_E_SOURCE */
int pnd_tls_accept(struct pnd_tls *tls, int fd, char *ret_peer, size_t cap, struct pnd_why *why);

/* A struct pnd_stream_source's read(): an end without close_notify is PND_E_SHORT. */
long pnd_tls_read(void *tls, void *buf, size_t len, struct pnd_why *why);

/* Tells the sender what has become of its dump, unless it has said itself that this is all: some
 * take no text after that. close_notify is for a dump that was @p kept, so that a sender which
 * waits for it knows. Who has gone is not told. */
void pnd_tls_close(struct pnd_tls *tls, const char *answer, bool kept);

#endif
