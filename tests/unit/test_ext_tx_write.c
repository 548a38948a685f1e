/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much the sending side of the extension takes before it has been sent: enough for the path,
 * and no more, so that whoever packs what is written finds out how fast the path is. */
#include "tap.h"

#include "client/ext_tx.h"

enum {
    WINDOW = 32 << 20,
    PART = 64 << 10,
    UNSENT = 1 << 20,
    DGRAM = 1472,
    TOKEN = 9,
    RTT_US = 20000,
};

static uint64_t window[WINDOW / 8];
static uint8_t part[PART];

static void begin(struct pnd_ext_tx *tx, uint32_t rtt_us)
{
    struct pnd_ext_tx_config config = {.token = TOKEN,
                                       .dgram_max = DGRAM,
                                       .rtt_us = rtt_us,
                                       .patience_us = 50000000,
                                       .window = window,
                                       .window_bytes = sizeof(window)};

    CHECK_EQ(pnd_ext_tx_init(tx, &config, 1000), PND_OK);
    memset(part, 7, sizeof(part));
}

/* Writes until nothing more is taken. @return bytes */
static size_t fill(struct pnd_ext_tx *tx)
{
    size_t all = 0, taken;

    do {
        taken = pnd_ext_tx_write(tx, part, sizeof(part));
        all += taken;
    } while (taken == sizeof(part));
    return all;
}

static void a_megabyte_waits_on_a_slow_path_and_the_window_stays_empty(void)
{
    static struct pnd_ext_tx tx;
    size_t all;

    begin(&tx, RTT_US);
    all = fill(&tx);
    CHECK(all >= UNSENT && all <= UNSENT + PART + DGRAM);
    CHECK_EQ(fill(&tx), 0);
}

static void a_fast_path_finds_more_than_that(void)
{
    static struct pnd_ext_tx tx;
    size_t all;

    begin(&tx, 10);
    tx.pace.rate = (uint64_t)8192 << 20; /* 8 GB/s, as it may have been found */
    all = fill(&tx);
    CHECK(all > 2 * UNSENT);
}

int main(void)
{
    RUN(a_megabyte_waits_on_a_slow_path_and_the_window_stays_empty);
    RUN(a_fast_path_finds_more_than_that);
    return tap_done();
}
