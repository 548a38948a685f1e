/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the checking child and its parent talk. The child writes messages to its pipe, each a header
 * of two numbers - kind and length of what follows - and a body: how far it is, facts as JSON in
 * pieces and their end, and last the verdict (answer.h). The verdict is said once before the last
 * facts, too: what reads facts is large, and should it fail, the verdict stands. The parent sends
 * records of a fixed size: how many bytes of the file are there. Neither side waits for the other
 * to listen. */
#ifndef PND_INSPECT_MESSAGE_H
#define PND_INSPECT_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "inspect/answer.h"

enum pnd_message_kind {
    PND_MESSAGE_DONE = 1, /* u64: bytes of the file that are read */
    PND_MESSAGE_FACTS,    /* a piece of JSON */
    PND_MESSAGE_FACTS_END,
    PND_MESSAGE_CHECKED, /* PND_ANSWER_LEN bytes: what the verdict will be */
    PND_MESSAGE_VERDICT, /* PND_ANSWER_LEN bytes */
};

enum {
    PND_MESSAGE_HEADER_LEN = 4 + 4,
    PND_MESSAGE_DONE_LEN = 8,
    PND_MESSAGE_PIECE_MAX = 32 << 10, /* of facts */
    PND_MESSAGE_BODY_MAX = PND_MESSAGE_PIECE_MAX,

    PND_MESSAGE_GO_LEN = 8 + 1, /* u64 bytes, u8 final */
};

_Static_assert((int)PND_ANSWER_LEN <= (int)PND_MESSAGE_BODY_MAX, "every body fits");

#endif
