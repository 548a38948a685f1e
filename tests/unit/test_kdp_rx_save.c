/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The saved form of a receiving session: whole it continues the session, damaged it is refused or
 * still obeys tests/sim/rule.c. */
#include "sim/rule.h"
#include "unit/rx_bench.h"

static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

/* A session in every phase that is ever saved. */
static void make(struct pnd_kdp_rx *rx, enum pnd_rx_phase phase)
{
    struct bench bench;

    bench_open(&bench);
    bench.owner.finish_ms = 1000000;
    bench_wrq(&bench, "paniclog-a", 3, 1406);
    if (phase >= PND_RX_LIVE) {
        bench_data(&bench, 1, "abcdYYYYYYYYYYY");
        bench_seek(&bench, 2, 7, true);
    }
    if (phase == PND_RX_LIVE)
        bench_wait(&bench, 2000);
    if (phase == PND_RX_FAILED)
        bench_seek(&bench, 3, UINT64_MAX, true);
    if (phase == PND_RX_FINISHING || phase == PND_RX_DONE)
        bench_eof(&bench, 3);
    if (phase == PND_RX_DONE) {
        bench.owner.finish_at_ms = 0;
        owner_tick(&bench.owner, bench.now_ms);
    }
    *rx = bench.owner.rx;
    rx->limits = &limits;
    CHECK_EQ(rx->phase, phase);
    bench_close(&bench);
}

static void what_is_loaded_is_what_was_saved(void)
{
    struct pnd_kdp_rx rx, loaded;
    uint8_t saved[PND_KDP_RX_SAVED_BYTES], again[PND_KDP_RX_SAVED_BYTES];

    for (int phase = PND_RX_ASKED; phase <= PND_RX_FAILED; phase++) {
        make(&rx, phase);
        rx.position = UINT64_C(0x0102030405060708);
        rx.previous_eof = 0x11121314;
        rx.quit = phase % 2;
        rx.rhythm.ahead = phase / 2 % 2;
        rx.rhythm.reorders = !rx.rhythm.ahead;
        pnd_kdp_rx_save(&rx, saved);
        memset(&loaded, 0xff, sizeof(loaded));
        CHECK_EQ(pnd_kdp_rx_load(&loaded, &limits, saved, sizeof(saved), rx.name, 777), PND_OK);
        CHECK_EQ(loaded.last_ms, 777);
        CHECK_EQ(loaded.stalled_ms, 0);
        loaded.last_ms = rx.last_ms;
        CHECK_EQ(loaded.phase, rx.phase);
        CHECK_EQ(loaded.features, rx.features);
        CHECK_EQ(loaded.block_max, rx.block_max);
        CHECK_EQ(loaded.expected, rx.expected);
        CHECK_EQ(loaded.position, rx.position);
        CHECK_EQ(loaded.end, rx.end);
        CHECK_EQ(loaded.bytes, rx.bytes);
        CHECK_EQ(loaded.previous_eof, rx.previous_eof);
        CHECK_EQ(loaded.repeats, rx.repeats);
        CHECK_EQ(loaded.strays, rx.strays);
        CHECK_EQ(loaded.error, rx.error);
        CHECK_EQ(loaded.reacked, rx.reacked);
        CHECK_EQ(loaded.quit, rx.quit);
        CHECK_EQ(loaded.tail_start, rx.tail_start);
        CHECK_EQ(loaded.tail_raw, rx.tail_raw);
        CHECK_EQ(loaded.tail_filler, rx.tail_filler);
        CHECK_EQ(loaded.rhythm.said, rx.rhythm.said);
        CHECK_EQ(loaded.rhythm.asks, rx.rhythm.asks);
        CHECK_EQ(loaded.rhythm.ahead, rx.rhythm.ahead);
        CHECK_EQ(loaded.rhythm.reorders, rx.rhythm.reorders);
        CHECK_STR(loaded.name, rx.name);
        pnd_kdp_rx_save(&loaded, again);
        CHECK_MEM(saved, again, sizeof(saved));
    }
}

static void the_saved_form_is_the_same_on_every_machine(void)
{
    static const uint8_t want[PND_KDP_RX_SAVED_BYTES] = {
        1, 2, 15, 0, 0, 0, 0, 3, 0, 0, 5, 0x7e, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0,
        0, 0, 0,  0, 0, 0, 2, 0, 0, 0, 0, 0,    0, 0, 1, 1, 0, 0, 0, 4, 0, 0, 0, 5,
        0, 0, 0,  6, 0, 0, 0, 0, 0, 0, 0, 0xfa, 0, 0, 0, 7, 0, 0, 0, 3, 5, 4,
    };
    struct pnd_kdp_rx rx = {.limits = &limits,
                            .phase = PND_RX_LIVE,
                            .features = 3,
                            .block_max = 1406,
                            .expected = 9,
                            .position = 256,
                            .end = 512,
                            .bytes = 257,
                            .previous_eof = 4,
                            .repeats = 5,
                            .strays = 6,
                            .tail_start = 250,
                            .tail_raw = 7,
                            .tail_filler = 3,
                            .rhythm = {.said = 5, .asks = 4, .ahead = true, .reorders = true},
                            .reacked = true,
                            .quit = true};
    uint8_t saved[PND_KDP_RX_SAVED_BYTES];

    pnd_kdp_rx_save(&rx, saved);
    CHECK_MEM(saved, want, sizeof(want));
}

static void every_truncation_and_every_longer_form_is_refused_and_changes_nothing(void)
{
    struct pnd_kdp_rx rx, kept;
    uint8_t saved[PND_KDP_RX_SAVED_BYTES + 8] = {0};

    make(&rx, PND_RX_LIVE);
    pnd_kdp_rx_save(&rx, saved);
    for (size_t len = 0; len <= sizeof(saved); len++) {
        uint8_t *copy = malloc(len ? len : 1);

        memcpy(copy, saved, len);
        memset(&rx, 0x5a, sizeof(rx));
        memset(&kept, 0x5a, sizeof(kept));
        CHECK_EQ(pnd_kdp_rx_load(&rx, &limits, copy, len, "n", 1),
                 len == PND_KDP_RX_SAVED_BYTES ? PND_OK : PND_E_SHORT);
        if (len != PND_KDP_RX_SAVED_BYTES)
            /* Every byte was set. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
            CHECK_MEM(&rx, &kept, sizeof(rx));
        free(copy);
    }
}

static void impossible_contents_are_refused(void)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } rows[] = {
        {0, 0}, {0, 2},           /* version */
        {1, 0}, {1, 6}, {1, 255}, /* phase */
        {3, 8},                   /* error */
        {7, 4}, {4, 1},           /* features */
        {8, 1}, {9, 1},           /* block_max */
    };
    struct pnd_kdp_rx rx;
    uint8_t saved[PND_KDP_RX_SAVED_BYTES], bad[PND_KDP_RX_SAVED_BYTES];

    make(&rx, PND_RX_LIVE);
    pnd_kdp_rx_save(&rx, saved);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(bad, saved, sizeof(bad));
        bad[rows[i].at] = rows[i].byte;
        CHECK_EQ(pnd_kdp_rx_load(&rx, &limits, bad, sizeof(bad), "n", 1), PND_E_FORMAT);
    }
    memcpy(bad, saved, sizeof(bad));
    memset(bad + 8, 0, 4); /* no block fits 0 bytes */
    CHECK_EQ(pnd_kdp_rx_load(&rx, &limits, bad, sizeof(bad), "n", 1), PND_E_FORMAT);
}

static void put(struct pnd_kdp_rx *rx, const uint8_t *dgram, size_t len)
{
    struct pnd_kdp_rx before = *rx;
    struct pnd_actions actions;
    const char *rule;

    pnd_kdp_rx_datagram(rx, dgram, len, 2000, &actions);
    rule = rule_broken(RULE_DATAGRAM, &before, rx, dgram, len, &actions);
    if (rule)
        printf("# broken rule: %s\n", rule);
    CHECK(rule == NULL);
}

/* Packets that fit, and do not fit, where the session believes to be. */
static void exercise(const struct pnd_kdp_rx *start)
{
    struct pnd_kdp_rx rx, before;
    struct pnd_actions actions;

    for (int op = PND_KDP_WRQ; op <= PND_KDP_EOF; op++)
        for (uint32_t step = 0; step < 4; step++) {
            uint8_t dgram[40] = {0};

            rx = *start;
            pnd_kdp_build_eof(dgram, sizeof(dgram), rx.expected + step - 2);
            dgram[1] = (uint8_t)op;
            memset(dgram + 6, 'Y', 14);
            put(&rx, dgram, 20);
            put(&rx, dgram, 20);
            pnd_kdp_build_eof(dgram, sizeof(dgram), rx.expected);
            put(&rx, dgram, 6);
            before = rx;
            pnd_kdp_rx_finished(&rx, step % 2, 2000, &actions);
            CHECK(rule_broken(RULE_FINISHED, &before, &rx, NULL, 0, &actions) == NULL);
        }
    rx = *start;
    for (uint64_t ms = 0; ms < 200000; ms += 500) {
        before = rx;
        pnd_kdp_rx_tick(&rx, ms, &actions);
        CHECK(rule_broken(RULE_TICK, &before, &rx, NULL, 0, &actions) == NULL);
    }
}

static void every_flipped_bit_is_refused_or_yields_a_session_that_obeys_the_rules(void)
{
    struct pnd_kdp_rx rx, loaded;
    uint8_t saved[PND_KDP_RX_SAVED_BYTES];
    int err, refused = 0;

    for (int phase = PND_RX_ASKED; phase <= PND_RX_FAILED; phase++) {
        make(&rx, phase);
        pnd_kdp_rx_save(&rx, saved);
        for (size_t bit = 0; bit < 8 * sizeof(saved); bit++) {
            saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
            err = pnd_kdp_rx_load(&loaded, &limits, saved, sizeof(saved), rx.name, 1000);
            CHECK(err == PND_OK || err == PND_E_FORMAT);
            refused += err != PND_OK;
            if (err == PND_OK)
                exercise(&loaded);
            saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    CHECK(refused > 100);
}

static void a_name_is_loaded_up_to_its_limit(void)
{
    char name[PND_KDP_NAME_CAP + 44];
    struct pnd_kdp_rx rx;
    uint8_t saved[PND_KDP_RX_SAVED_BYTES];

    make(&rx, PND_RX_ASKED);
    pnd_kdp_rx_save(&rx, saved);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    CHECK_EQ(pnd_kdp_rx_load(&rx, &limits, saved, sizeof(saved), name, 1), PND_OK);
    CHECK_EQ(strlen(rx.name), PND_KDP_NAME_CAP - 1);
}

int main(void)
{
    RUN(what_is_loaded_is_what_was_saved);
    RUN(the_saved_form_is_the_same_on_every_machine);
    RUN(every_truncation_and_every_longer_form_is_refused_and_changes_nothing);
    RUN(impossible_contents_are_refused);
    RUN(every_flipped_bit_is_refused_or_yields_a_session_that_obeys_the_rules);
    RUN(a_name_is_loaded_up_to_its_limit);
    return tap_done();
}
