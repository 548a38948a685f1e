/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The saved form of a session of TFTP: whole it continues the session, damaged it is refused or
 * yields one that still obeys the rules of its owner. */
#include "unit/tftp_bench.h"

static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

/* A session in every phase that is ever saved. */
static void make(struct pnd_tftp_rx *rx, enum pnd_rx_phase phase)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench.owner.finish_ms = 1000000;
    bench_wrq(&bench, "core", "blksize 100 windowsize 4 timeout 3 tsize 250");
    if (phase >= PND_RX_LIVE) {
        bench_data(&bench, 1, 'a', 100);
        bench_data(&bench, 2, 'b', 100);
    }
    if (phase == PND_RX_FAILED)
        bench_data(&bench, 3, 'c', 1);
    if (phase == PND_RX_FINISHING || phase == PND_RX_DONE)
        bench_data(&bench, 3, 'c', 50);
    if (phase == PND_RX_DONE) {
        bench.owner.finish_at_ms = 0;
        tftp_owner_tick(&bench.owner, bench.now_ms);
    }
    *rx = bench.owner.rx;
    rx->limits = &limits;
    CHECK_EQ(rx->phase, phase);
    bench_close(&bench);
}

static void what_is_loaded_is_what_was_saved(void)
{
    struct pnd_tftp_rx rx, loaded;
    uint8_t saved[PND_TFTP_RX_SAVED_BYTES], again[PND_TFTP_RX_SAVED_BYTES];

    for (int phase = PND_RX_ASKED; phase <= PND_RX_FAILED; phase++) {
        make(&rx, phase);
        rx.quit = phase % 2;
        rx.previous_last = 0x1112;
        rx.repeats = 0x01020304;
        rx.strays = 0x05060708;
        pnd_tftp_rx_save(&rx, saved);
        memset(&loaded, 0xff, sizeof(loaded));
        CHECK_EQ(pnd_tftp_rx_load(&loaded, &limits, saved, sizeof(saved), rx.name, 777), PND_OK);
        CHECK(loaded.limits == &limits);
        CHECK_EQ(loaded.last_ms, 777);
        CHECK_EQ(loaded.answered_ms, 777 - PND_TFTP_RX_DRAWN_MS);
        CHECK_EQ(loaded.stalled_ms, 0);
        CHECK_EQ(loaded.phase, rx.phase);
        CHECK_EQ(loaded.granted.said, rx.granted.said);
        CHECK_EQ(loaded.granted.timeout_s, 3);
        CHECK_EQ(loaded.granted.window, 4);
        CHECK_EQ(loaded.granted.block_bytes, 100);
        CHECK_EQ(loaded.granted.total_bytes, 250);
        CHECK_EQ(loaded.block_bytes, 100);
        CHECK_EQ(loaded.window, 4);
        CHECK_EQ(loaded.left, 4);
        CHECK_EQ(loaded.last, rx.last);
        CHECK_EQ(loaded.roll, rx.roll);
        CHECK_EQ(loaded.blocks, rx.blocks);
        CHECK_EQ(loaded.end, rx.end);
        CHECK_EQ(loaded.previous_last, rx.previous_last);
        CHECK_EQ(loaded.repeats, rx.repeats);
        CHECK_EQ(loaded.strays, rx.strays);
        CHECK_EQ(loaded.error, rx.error);
        CHECK_EQ(loaded.quit, rx.quit);
        CHECK_STR(loaded.name, "core");
        pnd_tftp_rx_save(&loaded, again);
        CHECK_MEM(saved, again, sizeof(saved));
    }
}

static void the_saved_form_is_the_same_on_every_machine(void)
{
    static const uint8_t want[PND_TFTP_RX_SAVED_BYTES] = {
        0xc1, 2, 1, 3, 15, 7,    2, 0,    0, 0, 5, 0x94, 0, 4, 0, 1, /* down to the last number */
        0,    0, 0, 0, 1,  0,    0, 0,    0, 0, 0, 0,    0, 1, 0, 1,
        0,    0, 0, 0, 5,  0x94, 5, 0x94, /* sizes */
        0,    9, 0, 0, 0,  5,    0, 0,    0, 6,
    };
    struct pnd_tftp_rx rx = {
        .limits = &limits,
        .phase = PND_RX_LIVE,
        .granted = {.said = 15, .timeout_s = 7, .window = 4, .total_bytes = 0x1000000},
        .block_bytes = 1428,
        .window = 4,
        .last = 1,
        .roll = PND_TFTP_ROLL_ONE,
        .blocks = 65537,
        .end = UINT64_C(0x05940594),
        .previous_last = 9,
        .repeats = 5,
        .strays = 6,
        .quit = true,
        .error = PND_TFTP_E_NOSPACE,
    };
    uint8_t saved[PND_TFTP_RX_SAVED_BYTES];

    pnd_tftp_rx_save(&rx, saved);
    CHECK_MEM(saved, want, sizeof(want));
}

static void every_truncation_and_every_longer_form_is_refused_and_changes_nothing(void)
{
    struct pnd_tftp_rx rx, kept;
    uint8_t saved[PND_TFTP_RX_SAVED_BYTES + 8] = {0};

    make(&rx, PND_RX_LIVE);
    pnd_tftp_rx_save(&rx, saved);
    for (size_t len = 0; len <= sizeof(saved); len++) {
        uint8_t *copy = malloc(len ? len : 1);

        memcpy(copy, saved, len);
        memset(&rx, 0x5a, sizeof(rx));
        memset(&kept, 0x5a, sizeof(kept));
        CHECK_EQ(pnd_tftp_rx_load(&rx, &limits, copy, len, "n", 1),
                 len == PND_TFTP_RX_SAVED_BYTES ? PND_OK : PND_E_SHORT);
        if (len != PND_TFTP_RX_SAVED_BYTES)
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
        {0, 1},  {0, 0xe1},           /* version */
        {1, 0},  {1, 6},    {1, 255}, /* phase */
        {3, 9},                       /* error */
        {4, 31}, {4, 14},   {4, 7},   /* options: unknown, no blksize, no windowsize */
        {4, 11}, {5, 0},              /* a timeout without its option, and the other way round */
        {6, 3},  {6, 1},              /* the roll-over: none, and too early */
        {11, 7}, {9, 1},    {11, 0},  /* block_bytes */
        {13, 0}, {12, 3},             /* window */
        {15, 3},                      /* last */
        {31, 3}, {39, 201}, {39, 99}, /* blocks and end */
    };
    struct pnd_tftp_rx rx;
    uint8_t saved[PND_TFTP_RX_SAVED_BYTES], bad[PND_TFTP_RX_SAVED_BYTES];

    make(&rx, PND_RX_LIVE);
    pnd_tftp_rx_save(&rx, saved);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(bad, saved, sizeof(bad));
        CHECK(bad[rows[i].at] != rows[i].byte);
        bad[rows[i].at] = rows[i].byte;
        CHECK_EQ(pnd_tftp_rx_load(&rx, &limits, bad, sizeof(bad), "n", 1), PND_E_FORMAT);
    }
}

/* Packets that fit, and do not fit, where the session believes to be, and time. */
static void exercise(const uint8_t *saved, const struct pnd_tftp_rx *loaded)
{
    for (int step = -3; step < 4; step++)
        for (size_t len = 0; len <= 101; len += len == 1 ? 99 : 1) {
            struct tftp_bench bench;

            bench_open(&bench);
            memcpy(bench.owner.journal, saved, PND_TFTP_RX_SAVED_BYTES);
            memcpy(bench.owner.journal_name, "core", 5);
            bench.owner.journal_used = true;
            bench.owner.live.state =
                loaded->phase == PND_RX_LIVE || loaded->phase == PND_RX_FINISHING
                    ? TFTP_OWNER_RECEIVING
                    : TFTP_OWNER_NONE;
            bench.owner.live.len = loaded->end;
            bench_restart(&bench);
            CHECK(bench.owner.slot);
            bench_data(&bench, (uint16_t)(loaded->last + step), 'x', len);
            bench_data(&bench, (uint16_t)(loaded->last + 1), 'x', len);
            bench_wrq(&bench, "core", "blksize 100 windowsize 4 timeout 3 tsize 250");
            bench_error(&bench, PND_TFTP_E_UNDEFINED);
            bench_wait(&bench, 200000);
            CHECK(!bench.owner.slot);
            bench_close(&bench);
        }
}

static void every_flipped_bit_is_refused_or_yields_a_session_that_obeys_the_rules(void)
{
    struct pnd_tftp_rx rx, loaded;
    uint8_t saved[PND_TFTP_RX_SAVED_BYTES];
    int err, refused = 0;

    for (int phase = PND_RX_ASKED; phase <= PND_RX_FAILED; phase++) {
        make(&rx, phase);
        pnd_tftp_rx_save(&rx, saved);
        for (size_t bit = 0; bit < 8 * sizeof(saved); bit++) {
            saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
            err = pnd_tftp_rx_load(&loaded, &limits, saved, sizeof(saved), rx.name, 1000);
            CHECK(err == PND_OK || err == PND_E_FORMAT);
            refused += err != PND_OK;
            if (err == PND_OK)
                exercise(saved, &loaded);
            saved[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    CHECK(refused > 500);
}

/* Whose socket was kept while no server ran may have sent it long ago. */
static void the_first_copy_after_a_restart_is_answered_at_once(void)
{
    struct tftp_bench bench;

    bench_open(&bench);
    bench_wrq(&bench, "core", "");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "ack 1");
    bench_restart(&bench);
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "ack 1");
    CHECK_STR(bench_data(&bench, 1, 'a', 512), "");
    CHECK_STR(bench_end(&bench, 2, 'b', 1), "ack 2");
    bench_restart(&bench);
    CHECK_STR(bench_data(&bench, 2, 'b', 1), "ack 2");
    CHECK_STR(bench_data(&bench, 2, 'b', 1), "");
    bench_close(&bench);
}

static void a_name_is_loaded_up_to_its_limit(void)
{
    char name[PND_RX_NAME_CAP + 44];
    struct pnd_tftp_rx rx;
    uint8_t saved[PND_TFTP_RX_SAVED_BYTES];

    make(&rx, PND_RX_ASKED);
    pnd_tftp_rx_save(&rx, saved);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    CHECK_EQ(pnd_tftp_rx_load(&rx, &limits, saved, sizeof(saved), name, 1), PND_OK);
    CHECK_EQ(strlen(rx.name), PND_RX_NAME_CAP - 1);
}

int main(void)
{
    RUN(what_is_loaded_is_what_was_saved);
    RUN(the_saved_form_is_the_same_on_every_machine);
    RUN(every_truncation_and_every_longer_form_is_refused_and_changes_nothing);
    RUN(impossible_contents_are_refused);
    RUN(every_flipped_bit_is_refused_or_yields_a_session_that_obeys_the_rules);
    RUN(the_first_copy_after_a_restart_is_answered_at_once);
    RUN(a_name_is_loaded_up_to_its_limit);
    return tap_done();
}
