/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a receiving session asks of its owner, in order. The owner runs the actions on a copy of
 * the session: when one fails, the copy is thrown away, nothing after the failed action happens,
 * and the session still stands where it stood. A REPLY is always last: what it acknowledges is
 * held, and journaled, by then.
 * An OPEN whose turn fails later comes again with the sender's repetition; if that never comes, no
 * ABANDON does either, and the owner removes the file that got no byte. A WRITE that failed half
 * way may leave the file longer than what the session holds: FINISH cuts it. Freestanding. */
#ifndef PND_PROTO_ACTIONS_H
#define PND_PROTO_ACTIONS_H

#include <stddef.h>
#include <stdint.h>

enum pnd_action_kind {
    PND_ACT_ADMIT,   /* a new dump asks to begin: does policy let it? If not, refuse by yourself */
    PND_ACT_OPEN,    /* make the dump's file; once per dump, before its first WRITE */
    PND_ACT_WRITE,   /* data[0, len) at offset of object */
    PND_ACT_SIZE,    /* the file ends at offset: cut off what lies behind it */
    PND_ACT_FINISH,  /* all is here: make it durable, then tell the session */
    PND_ACT_ABANDON, /* the dump ends here unfinished: keep what came; why says the reason */
    PND_ACT_RESUME, /* an ABANDONed dump's sender is back: if policy admits it, and what was kept is
                     * as it was left, it becomes the file that arrives, cut at what is held if
                     * the session has no ranges behind it; then tell the session */
    PND_ACT_REPLY,  /* send data[0, len) to the peer, in datagrams of `each` bytes */
    PND_ACT_RELEASE, /* nothing is left to remember: the slot is free after this turn */
};

/* What a WRITE goes to. */
enum pnd_object {
    PND_OBJECT_DUMP,
    PND_OBJECT_KDH,      /* FreeBSD's kernel dump header, at most 512 bytes, kept beside the dump */
    PND_OBJECT_EKCD_KEY, /* the key of an encrypted one, at most 64 KiB, which only root may read */
};

enum {
    PND_ACTIONS_CAP = 5,
    PND_ACTIONS_REPLY_CAP = 4536, /* the longest reply of any protocol, in bytes */
};

struct pnd_action {
    enum pnd_action_kind kind;
    enum pnd_object object; /* WRITE */
    uint64_t offset;
    const uint8_t *data; /* WRITE: in the datagram; REPLY: in pnd_actions.reply */
    size_t len;
    size_t each;     /* REPLY: bytes of each datagram but perhaps the last; 0: all of it is one */
    const char *why; /* ABANDON: a static English phrase */
};

struct pnd_actions {
    unsigned count;
    struct pnd_action at[PND_ACTIONS_CAP];
    uint8_t reply[PND_ACTIONS_REPLY_CAP];
};

#endif
