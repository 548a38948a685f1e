/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one packet pays for the journal: ns per put of a "where" of the usual size, of the
 * largest, and of a "who", over 64 slots in turn. Prints, asserts nothing.
 *   bench/journal_put [DIRECTORY]   default: ./journal_put.tmp, left behind */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "store/journal.h"

enum { SLOTS = 64, ROUNDS = 2000000 };

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void measure(struct pnd_journal *journal, const char *what, enum pnd_journal_part part,
                    size_t len)
{
    uint8_t data[PND_JOURNAL_WHO_CAP] = {0};
    double start = now_ns();

    for (unsigned i = 0; i < ROUNDS; i++) {
        data[i % len]++;
        pnd_journal_put(journal, i % SLOTS, part, 1, data, len);
    }
    printf("%-28s %4zu bytes  %6.1f ns/put\n", what, len, (now_ns() - start) / ROUNDS);
}

int main(int argc, char **argv)
{
    struct pnd_spool spool;
    struct pnd_journal *journal;
    struct pnd_why why;

    if (pnd_spool_open(&spool, argc > 1 ? argv[1] : "journal_put.tmp", &why) ||
        pnd_journal_open(&spool, SLOTS, &journal, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return EXIT_FAILURE;
    }
    measure(journal, "where", PND_JOURNAL_WHERE, 64);
    measure(journal, "where, largest", PND_JOURNAL_WHERE, PND_JOURNAL_WHERE_CAP);
    measure(journal, "who, largest", PND_JOURNAL_WHO, PND_JOURNAL_WHO_CAP);
    pnd_journal_close(journal);
    pnd_spool_close(&spool);
    return EXIT_SUCCESS;
}
