/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A small dump, marked as a test, that goes the way of a real one: "panicdump test" and
 * "panicctl doctor". */
#ifndef PND_SENDER_TEST_DUMP_H
#define PND_SENDER_TEST_DUMP_H

#include "panicd/client.h"

#include "wire/kdp.h"

enum {
    PND_TEST_TEXT_BYTES = 4096,
    PND_TEST_HOLE_BYTES = 8192, /* so that a SEEK is among the packets */
    PND_TEST_BYTES = 2 * PND_TEST_TEXT_BYTES + PND_TEST_HOLE_BYTES,
    PND_TEST_REFUSED_MAX = 3,       /* "port unreachable", until it is believed (sender/udp.h) */
    PND_TEST_PATIENCE_US = 6000000, /* without an answer */
};

struct pnd_test_dump {
    uint64_t window[PND_CLIENT_WINDOW_MIN / sizeof(uint64_t)]; /* for the extension */
    char name[PND_KDP_NAME_CAP];                               /* "panicd-test-HOST-TIME" */
    char text[PND_TEST_TEXT_BYTES];
};

/* How it went, for a line about it: "", or ", over the extension". */
const char *pnd_test_dump_manner(const struct pnd_client *client);

/* @param maker  the command that made it, for the text in it */
void pnd_test_dump_init(struct pnd_test_dump *ret, const char *maker);

/* Opens @p client on @p link, sends the text, the hole and the text again, and waits for the last
 * acknowledgement; over the extension, if the server knows it. @return PND_OK the server holds it;
 * errors of panicd/client.h */
int pnd_test_dump_send(struct pnd_test_dump *dump, const struct pnd_link *link,
                       struct pnd_endpoint server, struct pnd_client *client);

#endif
