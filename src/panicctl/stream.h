/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump that comes as bytes in their order, from a pipe, a session of SSH or a connection, and
 * becomes a dump of the directory: written to a hidden file as it comes, and kept whatever ends
 * it. What makedumpfile flattened is put in order on arrival. */
#ifndef PND_PANICCTL_STREAM_H
#define PND_PANICCTL_STREAM_H

#include <signal.h>

#include "panicctl/panicctl.h"

#define PND_STREAM_BYTES_MAX (UINT64_C(16) << 40) /* of a dump, unless another limit is set */

enum {
    PND_STREAM_RESERVE = 1 << 20, /* bytes that a full disk leaves for the row of the dump */
    PND_STREAM_LEASE = 4 << 20,   /* so much is written between two looks at the free room */
};

/* @param read  at least one byte, at most @p len; waits for it
 *   @return bytes; 0 the end, as the sender meant it; a negative enum pnd_err, with @p why */
struct pnd_stream_source {
    void *ctx;
    long (*read)(void *ctx, void *buf, size_t len, struct pnd_why *why);
};

struct pnd_stream {
    struct pnd_stream_source source;
    struct pnd_dump dump; /* in: name, protocol, peer, peer_port; out: the row */
    bool as_it_came;      /* what is flattened stays so */
    bool quiet;           /* no bar */
    uint64_t bytes_max;   /* of the file; 0: PND_STREAM_BYTES_MAX */
    uint64_t floor_bytes; /* what the stream leaves free on the disk */
};

/* Reads it to its end. When this returns, what came is durable and has its row, unless PND_E_SHORT
 * or another error says that there is nothing: then nothing is left. Whether it is whole is said
 * by dump.state and dump.reason: INCOMPLETE when it ended by an error of the source, a limit, a
 * full disk or pnd_stream_ended, or is flattened and has no end; what else its format promises,
 * the check finds out.
 *   @param ctl  after pnd_importer_prepare()
 *   @return PND_OK; PND_E_SHORT nothing came, or, flattened, nothing that belongs into the file;
 *           as pnd_importer_begin_stream(), pnd_importer_commit() */
int pnd_stream_receive(struct pnd_ctl *ctl, struct pnd_stream *stream, struct pnd_why *why);

/* Set by a signal: the stream ends, and is kept. pnd_stream_catch_signals() lets SIGINT, SIGTERM
 * and SIGHUP set it, and SIGPIPE do nothing. */
extern volatile sig_atomic_t pnd_stream_ended;
void pnd_stream_catch_signals(void);

/* A descriptor as a source; @p ctx of read() is the int. */
long pnd_stream_read_fd(void *ctx, void *buf, size_t len, struct pnd_why *why);

/* ---- stream_file.c: the file alone ---- */

struct pnd_reshape;
struct pnd_stream_file;

/* @param fd  an empty regular file, the caller's
 *   @param room  asks for what is free on its disk, before each PND_STREAM_LEASE; may be NULL
 *   @return PND_OK; PND_E_SYS no memory */
struct pnd_stream_room {
    void *ctx;
    uint64_t (*free_bytes)(void *ctx);
};
int pnd_stream_file_create(int fd, bool as_it_came, uint64_t bytes_max, uint64_t floor_bytes,
                           const struct pnd_stream_room *room, struct pnd_stream_file **ret);
void pnd_stream_file_destroy(struct pnd_stream_file *file); /* NULL is fine */

/* The next bytes. @return PND_OK; PND_E_RANGE beyond bytes_max; PND_E_NOSPACE; PND_E_FORMAT a
 *   flattened record that cannot be; PND_E_SYS. After an error nothing more is taken. */
int pnd_stream_file_write(struct pnd_stream_file *file, const void *data, size_t len,
                          struct pnd_why *why);

/* All has come, or nothing more will: the file has its size.
 *   @param ret_bytes  of the file, whatever is returned
 *   @return PND_OK; PND_E_SHORT flattened, and without its end; PND_E_NOSPACE; PND_E_SYS */
int pnd_stream_file_finish(struct pnd_stream_file *file, uint64_t *ret_bytes, struct pnd_why *why);

#endif
