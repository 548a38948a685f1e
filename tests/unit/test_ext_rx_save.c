/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The saved form of a session of the extension: whole it goes on, damaged it is refused or makes a
 * session that keeps to its own rules. And its copy, which leaves out what is not in use. */
#include "unit/ext_bench.h"

static const struct pnd_rx_limits limits = PND_RX_LIMITS_DEFAULT;

static const uint8_t saved_bytes[PND_EXT_RX_SAVED_BYTES] = {
    /* clang-format off */
    0xe1, 2, 3, 3,                                   /* version, LIVE, quit and ended, error */
    0, 0, 0, 0x77,                                   /* token */
    'i', 'd', 'i', 'd', 'i', 'd', 'i', 'd', 'i', 'd', 'i', 'd', 'i', 'd', 'i', 'd',
    0, 0, 0, 0, 0, 0, 1, 0,                          /* held */
    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,  /* sum */
    0, 0, 0, 0, 0, 0, 3, 7,                          /* written */
    0, 0, 0, 0, 0, 0, 2, 1,                          /* bytes */
    0, 0, 0, 0, 0, 0, 4, 0,                          /* length */
    8, 7, 6, 5, 4, 3, 2, 1,                          /* whole_sum */
    0, 0, 0, 5,                                      /* repeats */
    0, 0, 0, 6,                                      /* strays; then zeros */
    /* clang-format on */
};

static void the_saved_form_is_the_same_on_every_machine(void)
{
    struct pnd_ext_rx rx = {.limits = &limits,
                            .phase = PND_RX_LIVE,
                            .id = {0x69, 0x64, 0x69, 0x64, 0x69, 0x64, 0x69, 0x64, 0x69, 0x64, 0x69,
                                   0x64, 0x69, 0x64, 0x69, 0x64},
                            .token = 0x77,
                            .held = 256,
                            .sum = UINT64_C(0xf1f2f3f4f5f6f7f8),
                            .end = 900,
                            .written = 775,
                            .bytes = 513,
                            .length = 1024,
                            .whole_sum = UINT64_C(0x0807060504030201),
                            .ended = true,
                            .quit = true,
                            .error = PND_KDP_E_NOSPACE,
                            .repeats = 5,
                            .strays = 6};
    uint8_t saved[PND_EXT_RX_SAVED_BYTES];

    memset(saved, 0xff, sizeof(saved));
    pnd_ext_rx_save(&rx, saved);
    CHECK_MEM(saved, saved_bytes, sizeof(saved));
}

static void what_is_loaded_is_what_was_saved_but_for_what_only_the_process_knew(void)
{
    static struct pnd_ext_rx rx;
    uint8_t again[PND_EXT_RX_SAVED_BYTES];

    memset(&rx, 0xff, sizeof(rx));
    CHECK_EQ(pnd_ext_rx_load(&rx, &limits, saved_bytes, sizeof(saved_bytes), "core", 777), PND_OK);
    CHECK(rx.limits == &limits);
    CHECK_EQ(rx.phase, PND_RX_LIVE);
    CHECK_MEM(rx.id, "idididididididid", sizeof(rx.id));
    CHECK_EQ(rx.token, 0x77);
    CHECK_EQ(rx.held, 256);
    CHECK_EQ(rx.end, 256);
    CHECK_EQ(rx.written, 775);
    CHECK_EQ(rx.bytes, 513);
    CHECK_EQ(rx.length, 1024);
    CHECK(rx.ended && rx.quit);
    CHECK_EQ(rx.error, PND_KDP_E_NOSPACE);
    CHECK_EQ(rx.repeats, 5);
    CHECK_EQ(rx.strays, 6);
    CHECK_STR(rx.name, "core");
    CHECK_EQ(rx.ranges.count, 0);
    CHECK_EQ(rx.number, 0);
    CHECK_EQ(rx.packets, 0);
    CHECK_EQ(rx.probed, 0);
    CHECK_EQ(rx.limit, 0);
    CHECK_EQ(rx.stalled_us, 0);
    CHECK_EQ(rx.last_us, 777);
    CHECK(!rx.answer && !rx.why && !rx.abandons);
    pnd_ext_rx_save(&rx, again);
    CHECK_MEM(again, saved_bytes, sizeof(again));
    CHECK_EQ(pnd_ext_rx_cut(&rx), 256);
    CHECK_EQ(rx.written, 256);
}

static void a_form_of_another_length_or_of_apples_protocol_is_refused(void)
{
    uint8_t longer[PND_EXT_RX_SAVED_BYTES + 1] = {0};
    static struct pnd_ext_rx rx;
    struct pnd_kdp_rx kdp;

    memcpy(longer, saved_bytes, sizeof(saved_bytes));
    for (size_t len = 0; len < sizeof(longer); len++) {
        uint8_t *copy = malloc(len ? len : 1);

        if (!copy)
            abort();
        memcpy(copy, longer, len);
        CHECK_EQ(pnd_ext_rx_load(&rx, &limits, copy, len, "n", 0),
                 len == PND_EXT_RX_SAVED_BYTES ? PND_OK : PND_E_SHORT);
        free(copy);
    }
    CHECK_EQ(pnd_ext_rx_load(&rx, &limits, longer, sizeof(longer), "n", 0), PND_E_SHORT);
    CHECK_EQ(pnd_kdp_rx_load(&kdp, &limits, saved_bytes, PND_KDP_RX_SAVED_BYTES, "n", 0),
             PND_E_FORMAT);
    pnd_kdp_rx_init(&kdp, &limits);
    memset(longer, 0, sizeof(longer));
    pnd_kdp_rx_save(&kdp, longer);
    CHECK_EQ(pnd_ext_rx_load(&rx, &limits, longer, PND_EXT_RX_SAVED_BYTES, "n", 0), PND_E_FORMAT);
}

static void a_session_that_cannot_have_been_is_refused(void)
{
    static const struct {
        size_t at;
        uint8_t value;
    } rows[] = {
        {0, 1}, {0, 0xe2}, {1, 0}, {1, 7}, {3, 8}, {1, 1}, /* ASKED, with bytes */
        {1, 3},                                            /* FINISHING, and not all is held */
        {1, 4},                                            /* DONE */
    };
    static struct pnd_ext_rx rx;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t saved[PND_EXT_RX_SAVED_BYTES];

        memcpy(saved, saved_bytes, sizeof(saved));
        saved[rows[i].at] = rows[i].value;
        rx.phase = PND_RX_NEW;
        CHECK_EQ(pnd_ext_rx_load(&rx, &limits, saved, sizeof(saved), "n", 0), PND_E_FORMAT);
        CHECK_EQ(rx.phase, PND_RX_NEW);
    }
}

/* Whatever bit of the journal flipped: no DONE but through FINISH, and never held going back. */
static void a_damaged_session_is_refused_or_keeps_to_the_rules(void)
{
    for (unsigned bit = 0; bit < 8 * PND_EXT_RX_SAVED_BYTES; bit++) {
        uint8_t saved[PND_EXT_RX_SAVED_BYTES], dgram[PND_EXT_HEADER_BYTES + 8];
        struct pnd_ext_packet packet = {.op = PND_EXT_DATA, .number = 1};
        static struct pnd_ext_rx rx;
        struct pnd_ext_rx_news news;
        struct pnd_actions actions;

        memcpy(saved, saved_bytes, sizeof(saved));
        saved[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (pnd_ext_rx_load(&rx, &limits, saved, sizeof(saved), "n", 5) != PND_OK)
            continue;
        for (uint64_t offset = 0; offset < 2000; offset += 8) {
            uint64_t held = rx.held;

            packet.offset = offset;
            packet.token = rx.token;
            pnd_ext_build(dgram, sizeof(dgram), &packet);
            pnd_ext_rx_take(&rx, dgram, sizeof(dgram), 5, &news);
            CHECK(news.count == 0 || news.at[0].offset >= held);
            pnd_ext_rx_answer(&rx, 1 << 20, 5, &actions);
            CHECK(rx.held >= held);
            CHECK(rx.phase != PND_RX_DONE);
        }
    }
}

static void a_copy_has_all_that_is_in_use(void)
{
    static struct pnd_ext_rx from, to;
    struct bench bench;

    bench_open(&bench);
    bench_hello(&bench);
    for (uint64_t i = 1; i <= 5; i++)
        bench_data(&bench, i * 20, i * 20 + 10);
    memcpy(&from, &bench.owner.rx, sizeof(from));
    memset(&from.ranges.at[5], 0xaa, sizeof(from.ranges.at[5]));
    memset(&to, 0x55, sizeof(to));
    pnd_ext_rx_copy(&to, &from);
    CHECK_EQ(to.ranges.count, 5);
    CHECK_MEM(&to, &from, offsetof(struct pnd_ext_rx, ranges.at) + 5 * sizeof(struct pnd_span));
    CHECK_EQ(to.ranges.at[5].start, 0x5555555555555555); /* and no more */
    bench_close(&bench);
}

int main(void)
{
    RUN(the_saved_form_is_the_same_on_every_machine);
    RUN(what_is_loaded_is_what_was_saved_but_for_what_only_the_process_knew);
    RUN(a_form_of_another_length_or_of_apples_protocol_is_refused);
    RUN(a_session_that_cannot_have_been_is_refused);
    RUN(a_damaged_session_is_refused_or_keeps_to_the_rules);
    RUN(a_copy_has_all_that_is_in_use);
    return tap_done();
}
