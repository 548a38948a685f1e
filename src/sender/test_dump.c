/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The test dump: see test_dump.h. */
#include "sender/test_dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sender/address.h"

enum { RTO_INITIAL_US = 300000 }; /* somebody is waiting: three tries within a second */

void pnd_test_dump_init(struct pnd_test_dump *ret, const char *maker)
{
    char host[65];
    size_t at;

    pnd_hostname(host, sizeof(host));
    snprintf(ret->name, sizeof(ret->name), "panicd-test-%s-%" PRIx64, host, (uint64_t)time(NULL));
    memset(ret->text, '\n', sizeof(ret->text));
    at = (size_t)snprintf(ret->text, sizeof(ret->text),
                          "This is no kernel dump. It is a test of the way from %s to the dump "
                          "server,\nmade by `%s`. It can be deleted: `panicctl rm`.\n"
                          "Two pages of zeros follow this text, and then it stands here again.\n",
                          host, maker);
    ret->text[at] = '\n'; /* not the NUL of snprintf */
}

int pnd_test_dump_send(struct pnd_test_dump *dump, const struct pnd_link *link,
                       struct pnd_endpoint server, struct pnd_client *client)
{
    struct pnd_client_config config = {
        .server = server,
        .name = dump->name,
        .rto_initial_us = RTO_INITIAL_US,
        .patience_us = PND_TEST_PATIENCE_US,
        .window = dump->window,
        .window_bytes = sizeof(dump->window),
    };
    int err;

    if (getrandom(config.id, sizeof(config.id), 0) == sizeof(config.id))
        config.extension = &pnd_client_extension;
    err = pnd_client_open(client, link, &config);
    if (!err)
        err = pnd_client_write(client, dump->text, sizeof(dump->text));
    if (!err)
        err = pnd_client_skip(client, PND_TEST_HOLE_BYTES);
    if (!err)
        err = pnd_client_write(client, dump->text, sizeof(dump->text));
    return err ? err : pnd_client_finish(client);
}

const char *pnd_test_dump_manner(const struct pnd_client *client)
{
    struct pnd_client_stats stats;

    pnd_client_stats(client, &stats);
    return stats.extended ? ", over the extension" : "";
}
