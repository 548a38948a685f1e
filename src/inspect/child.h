/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parent's side of a checking child: for child.c, and for tests that play the child. */
#ifndef PND_INSPECT_CHILD_H
#define PND_INSPECT_CHILD_H

#include "inspect/check.h"
#include "inspect/message.h"
#include "inspect/spawn.h"

struct pnd_check_child {
    struct pnd_spawn spawn;
    bool follow;
    uint64_t allowed, told; /* told: what it was sent */
    bool final, final_told;
    uint64_t done;
    bool checked; /* verdict is what it will say in the end */
    struct pnd_check verdict;
    bool ended;       /* it has said all that it will */
    int64_t heard_ms; /* when the last bytes came */
    int patience_ms;  /* that the rest of a message may take */
    int still_ms;     /* that it may use no processor time at all, once nothing holds it up */
    int64_t looked_ms, used_ns; /* when its processor time was looked at, and what it was */
    uint8_t *facts;             /* JSON so far */
    size_t facts_len, facts_cap;
    size_t in_len;
    uint8_t in[PND_MESSAGE_HEADER_LEN + PND_MESSAGE_BODY_MAX];
};

/* Takes over a child that is there: its process, the end of its pipe, and of its socket (or -1). */
int pnd_check_adopt(const struct pnd_spawn *spawn, struct pnd_check_child **ret,
                    struct pnd_why *why);

/* The facts in @p json, unless it has more values than facts can have.
 * @return as pnd_facts_from_json() */
int pnd_child_parse_facts(const void *json, size_t len, struct pnd_facts *ret);

#endif
