/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The order of attempts, with targets that fail as they are told, under a clock of our own. */
#include "tap.h"

#include <stdarg.h>

#include "capture/deliver.h"
#include "host/why.h"

enum { TARGETS = 3, PIECE = 1000, PIECES = 50, LINES_CAP = 4096, TRACE_CAP = 4096 };

/* A target, and how it fares. */
struct fake {
    char letter;
    int open_err;        /* what open returns */
    unsigned open_fails; /* so often, then it is well */
    unsigned fail_at;    /* the piece at which write fails; 0: none */
    unsigned fails;      /* so often, then it is well; 0: always */
    unsigned further;    /* and so much later the next time */
    unsigned opened;
    int write_err, end_err, close_err;
    uint32_t open_s;  /* how long open takes */
    bool extended;    /* it knows the extension */
    bool holds_other; /* ... and has something else of that id */
    size_t got;
    uint8_t data[64 * 1024];
};

static struct world {
    uint64_t ms;
    char trace[TRACE_CAP]; /* o: open, w: write (once in a row), e: end, c: close; z: a second */
    char lines[LINES_CAP * 8];
    unsigned alive, codec_begun;
    uint64_t alive_ms, alive_gap_ms;
    uint32_t piece_ms;
    int content_err;
    struct fake fakes[TARGETS];
    struct pnd_target targets[TARGETS];
    struct pnd_delivery d;
    char name[64];
} w;

__attribute__((format(printf, 1, 2))) static void trace(const char *fmt, ...)
{
    size_t len = strlen(w.trace);
    va_list args;

    va_start(args, fmt);
    vsnprintf(w.trace + len, sizeof(w.trace) - len, fmt, args);
    va_end(args);
}

static int fake_write(void *ctx, const void *buf, size_t len)
{
    struct fake *f = ctx;

    w.ms += w.piece_ms;
    if (f->fail_at && f->got / PIECE + 1 >= f->fail_at) {
        f->fail_at = f->fails == 1 ? 0 : f->fail_at + f->further;
        f->fails -= f->fails > 0;
        return f->write_err;
    }
    CHECK(f->got + len <= sizeof(f->data));
    memcpy(f->data + f->got, buf, len);
    f->got += len;
    return PND_OK;
}

static int fake_end(void *ctx)
{
    struct fake *f = ctx;

    trace("e");
    return f->holds_other ? PND_E_FORMAT : f->end_err;
}

static int fake_open(void *ctx, struct pnd_target_dump *dump, struct pnd_sink *ret,
                     struct pnd_why *why)
{
    struct fake *f = ctx;

    trace("%c", f->letter);
    f->opened++;
    CHECK_MEM(dump->id, "sixteen bytes id", PND_CLIENT_ID_BYTES);
    dump->extended = f->extended;
    f->holds_other &= !dump->anew;
    snprintf(w.name, sizeof(w.name), "%s", f->extended ? dump->extended_name : dump->name);
    w.ms += (uint64_t)f->open_s * 1000;
    f->got = 0;
    *ret = (struct pnd_sink){.ctx = f, .write = fake_write, .end = fake_end};
    if (f->open_fails == 0)
        return PND_OK;
    f->open_fails--;
    return pnd_why(why, f->open_err, 0, "%c is shut", f->letter);
}

static int fake_close(void *ctx, int err, struct pnd_why *why)
{
    struct fake *f = ctx;

    trace("c");
    if (!err && f->close_err)
        return pnd_why(why, f->close_err, 0, "%c cannot be closed", f->letter);
    if (err && !why->text[0])
        pnd_why(why, err, 0, "%c broke", f->letter);
    return err;
}

static int content_write(void *ctx, const struct pnd_sink *sink)
{
    uint8_t piece[PIECE];

    (void)ctx;
    for (unsigned i = 0; i < PIECES; i++) {
        int err;

        if (w.content_err && i == PIECES / 2)
            return w.content_err;
        memset(piece, (int)i, sizeof(piece));
        err = sink->write(sink->ctx, piece, sizeof(piece));
        if (err)
            return err;
    }
    return PND_OK;
}

/* A "compressor" that begins with a mark, keeps each second byte, and ends with another. */
static const struct pnd_sink *codec_next;

static int codec_begin(void *ctx, const struct pnd_sink *next)
{
    (void)ctx;
    w.codec_begun++;
    codec_next = next;
    return next->write(next->ctx, "<", 1);
}

static int codec_write(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    return codec_next->write(codec_next->ctx, buf, len / 2);
}

static int codec_finish(void *ctx)
{
    (void)ctx;
    return codec_next->write(codec_next->ctx, ">", 1);
}

static struct pnd_codec codec = {
    .begin = codec_begin, .write = codec_write, .finish = codec_finish};

static uint64_t fake_now(void *ctx)
{
    CHECK(ctx == &w);
    return w.ms;
}

static void fake_sleep(void *ctx, uint32_t s)
{
    (void)ctx;
    trace("z");
    w.ms += s * 1000;
}

static void fake_alive(void *ctx)
{
    (void)ctx;
    w.alive++;
    if (w.ms - w.alive_ms > w.alive_gap_ms)
        w.alive_gap_ms = w.ms - w.alive_ms;
    w.alive_ms = w.ms;
}

static void fake_say(void *ctx, bool wrong, const char *line)
{
    size_t len = strlen(w.lines);

    (void)ctx;
    snprintf(w.lines + len, sizeof(w.lines) - len, "%s%s\n", wrong ? "! " : "  ", line);
}

static void begin(uint32_t retry_s)
{
    memset(&w, 0, sizeof(w));
    for (int i = 0; i < TARGETS; i++) {
        w.fakes[i].letter = (char)('A' + i);
        w.targets[i] =
            (struct pnd_target){.ctx = &w.fakes[i], .open = fake_open, .close = fake_close};
        snprintf(w.targets[i].label, sizeof(w.targets[i].label), "target %c", 'A' + i);
    }
    w.ms = 1000000;
    w.alive_ms = w.ms;
    w.d = (struct pnd_delivery){
        .targets = w.targets,
        .target_count = TARGETS,
        .content = {.bytes = PIECE * PIECES, .write = content_write},
        .name = "core-x",
        .id = "sixteen bytes id",
        .retry_s = retry_s,
        .ctx = &w,
        .now_ms = fake_now,
        .sleep_s = fake_sleep,
        .alive = fake_alive,
        .say = fake_say,
    };
}

static void shut(int i, int err, unsigned times)
{
    w.fakes[i].open_err = err;
    w.fakes[i].open_fails = times;
}

static bool whole(const struct fake *f)
{
    for (size_t i = 0; i < f->got; i++)
        if (f->data[i] != i / PIECE)
            return false;
    return f->got == (size_t)PIECE * PIECES;
}

static bool said(const char *words)
{
    if (strstr(w.lines, words))
        return true;
    printf("# not said: %s\n# but:\n", words);
    for (char *line = strtok(w.lines, "\n"); line; line = strtok(NULL, "\n"))
        printf("# %s\n", line);
    return false;
}

static void the_first_that_takes_it_is_the_last_that_is_asked(void)
{
    begin(600);
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.trace, "Aec");
    CHECK(whole(&w.fakes[0]));
    CHECK_STR(w.name, "core-x");
    CHECK(w.alive >= PIECES);
    CHECK(said("  sending core-x to target A\n"));
    CHECK(said("  sent core-x to target A: 50000 bytes in 0.00 s"));
}

static void targets_are_tried_in_their_order_and_each_failure_is_said(void)
{
    begin(600);
    shut(0, PND_E_TIMEOUT, 1);
    w.fakes[1].fail_at = 20;
    w.fakes[1].write_err = PND_E_REFUSED;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.trace, "AcBcCec"); /* a failed stream is not ended, but closed */
    CHECK(whole(&w.fakes[2]));
    CHECK_EQ(w.fakes[1].got, 19 * PIECE);
    CHECK(said("! target A: A is shut\n"));
    CHECK(said("! target B: B broke\n"));
    CHECK(said("  sent core-x to target C"));
}

static void an_end_or_a_close_that_fails_is_a_failure(void)
{
    begin(600);
    w.fakes[0].end_err = PND_E_TIMEOUT;
    w.fakes[1].close_err = PND_E_SYS;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.trace, "AecBecCec");
    CHECK(said("! target B: B cannot be closed"));
}

static void rounds_come_again_after_growing_pauses_until_the_time_is_up(void)
{
    const char *at;
    unsigned rounds = 0, pause = 0, pauses[32] = {0};

    begin(200);
    for (int i = 0; i < TARGETS; i++)
        shut(i, i == 2 ? PND_E_NOSPACE : PND_E_TIMEOUT, 1000);
    CHECK_EQ(pnd_deliver(&w.d), PND_E_NOSPACE); /* the last one's */
    for (at = w.trace; *at && rounds < 32;) {
        CHECK_EQ(strncmp(at, "AcBcCc", 6), 0);
        at += 6;
        for (pause = 0; *at == 'z'; at++)
            pause++;
        pauses[rounds++] = pause;
    }
    /* 2 4 8 16 30 30 30 30 30 and what is left of 200 */
    CHECK_EQ(rounds, 11);
    CHECK_EQ(pauses[0], 2);
    CHECK_EQ(pauses[1], 4);
    CHECK_EQ(pauses[2], 8);
    CHECK_EQ(pauses[3], 16);
    CHECK_EQ(pauses[4], 30);
    CHECK_EQ(pauses[8], 30);
    CHECK_EQ(pauses[9], 20);
    CHECK_EQ(pauses[10], 0);
    CHECK_EQ(w.ms, 1200000);
    CHECK_EQ(w.alive_gap_ms, 1000);
    CHECK(said("! everything again in 2 s, for 200 s more\n"));
    CHECK(said("! core-x is given up after 200 s\n"));
}

static void no_round_begins_after_the_time(void)
{
    begin(20);
    for (int i = 0; i < TARGETS; i++) {
        shut(i, PND_E_TIMEOUT, 1000);
        w.fakes[i].open_s = 7;
    }
    CHECK_EQ(pnd_deliver(&w.d), PND_E_TIMEOUT);
    CHECK_STR(w.trace, "AcBcCc"); /* 21 s */
    begin(0);
    shut(0, PND_E_REFUSED, 1000);
    w.d.target_count = 1;
    CHECK_EQ(pnd_deliver(&w.d), PND_E_REFUSED);
    CHECK_STR(w.trace, "Ac");
}

static void a_server_that_comes_back_gets_it(void)
{
    begin(600);
    shut(0, PND_E_TIMEOUT, 3);
    shut(1, PND_E_TIMEOUT, 1000);
    shut(2, PND_E_TIMEOUT, 1000);
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.trace, "AcBcCczz"
                       "AcBcCczzzz"
                       "AcBcCczzzzzzzz"
                       "Aec");
    CHECK(whole(&w.fakes[0]));
}

static void a_source_that_fails_is_not_tried_again(void)
{
    begin(600);
    w.content_err = PND_E_SOURCE;
    CHECK_EQ(pnd_deliver(&w.d), PND_E_SOURCE);
    CHECK_STR(w.trace, "Ac");
    begin(600);
    w.content_err = PND_E_ABORTED;
    CHECK_EQ(pnd_deliver(&w.d), PND_E_ABORTED);
    CHECK_STR(w.trace, "Ac");
}

static void whatever_the_content_fails_with_is_not_the_targets_fault(void)
{
    static const int errs[] = {PND_E_SYS, PND_E_RANGE, PND_E_FORMAT, PND_E_TIMEOUT, PND_E_NOSPACE};

    for (size_t i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
        begin(600);
        w.content_err = errs[i];
        CHECK_EQ(pnd_deliver(&w.d), PND_E_SOURCE);
        CHECK_STR(w.trace, "Ac");
    }
}

static void one_that_breaks_after_the_time_is_asked_again(void)
{
    begin(20);
    w.piece_ms = 2000; /* 100 s in all */
    w.d.target_count = 1;
    w.fakes[0].fail_at = PIECES;
    w.fakes[0].fails = 1;
    w.fakes[0].write_err = PND_E_TIMEOUT;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.trace, "AczzAec");
    CHECK(whole(&w.fakes[0]));
    CHECK(said("! everything again in 2 s, for 20 s more\n"));
}

static void one_that_always_breaks_is_not_asked_for_ever(void)
{
    begin(20);
    w.piece_ms = 1000;
    w.d.target_count = 1;
    w.fakes[0].fail_at = 31;
    w.fakes[0].write_err = PND_E_TIMEOUT;
    CHECK_EQ(pnd_deliver(&w.d), PND_E_TIMEOUT);
    CHECK_STR(w.trace, "AczzAc"); /* the second was no better, and took longer than 20 s */
    begin(20);
    w.piece_ms = 1000;
    w.d.target_count = 1;
    w.fakes[0].fail_at = 20;
    w.fakes[0].further = 1; /* each time a piece more than before */
    w.fakes[0].write_err = PND_E_TIMEOUT;
    CHECK_EQ(pnd_deliver(&w.d), PND_E_TIMEOUT);
    CHECK_EQ(w.fakes[0].opened, 1 + PND_DELIVER_RENEWED_MAX);
}

static void the_compressor_begins_anew_with_each_attempt(void)
{
    begin(600);
    w.d.codec = &codec;
    w.d.suffix = ".gz";
    w.fakes[0].fail_at = 5;
    w.fakes[0].write_err = PND_E_TIMEOUT;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_EQ(w.codec_begun, 2);
    CHECK_STR(w.name, "core-x.gz");
    CHECK_EQ(w.fakes[1].got, PIECE / 2 * PIECES + 2);
    CHECK_EQ(w.fakes[1].data[0], '<');
    CHECK_EQ(w.fakes[1].data[1], 0);
    CHECK_EQ(w.fakes[1].data[w.fakes[1].got - 1], '>');
    CHECK(said("50000 bytes as 25002 in"));
}

static void a_server_of_the_extension_gets_the_form_that_is_made_for_it(void)
{
    static struct pnd_codec other;

    other = codec;
    begin(0);
    w.d.extended_codec = &other;
    w.d.extended_suffix = ".lz4";
    w.fakes[0].extended = true;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.name, "core-x.lz4");
    CHECK_EQ(w.codec_begun, 1);
    CHECK(strstr(w.lines, "sent core-x.lz4 to target A"));
    begin(0);
    w.d.extended_codec = &other;
    w.d.extended_suffix = ".lz4";
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.name, "core-x");
    CHECK_EQ(w.codec_begun, 0);
}

static void what_a_server_holds_that_is_something_else_is_begun_anew_there(void)
{
    begin(0);
    w.fakes[0].extended = w.fakes[0].holds_other = true;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_EQ(w.fakes[0].opened, 2);
    CHECK_EQ(w.fakes[1].opened, 0);
    CHECK_EQ(w.fakes[0].got, PIECE * PIECES);
}

static void a_whole_name_gets_no_suffix_and_a_long_one_is_cut_before_it(void)
{
    char longest[300], name[300];

    begin(0);
    w.d.codec = &codec;
    w.d.suffix = ".gz";
    w.d.name_is_whole = true;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK_STR(w.name, "core-x");
    begin(0);
    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    w.d.codec = &codec;
    w.d.suffix = ".gz";
    w.d.name = longest;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK(sscanf(w.lines, "  sending %299s", name) == 1);
    CHECK_EQ(strlen(name), PND_KDP_NAME_CAP - 1);
    CHECK_STR(name + strlen(name) - 4, "n.gz");
}

static void the_console_hears_every_five_seconds_how_far_it_is(void)
{
    unsigned lines = 0;

    begin(0);
    w.piece_ms = 1000; /* 50 s in all */
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    for (const char *at = w.lines; (at = strstr(at, "  dump  ")) != NULL; at++)
        lines++;
    CHECK_EQ(lines, 10);
    CHECK(said("]  48 %  23.4 KiB  960 B/s  0:27 left\n"));
    CHECK_EQ(w.alive_gap_ms, 1000);
}

static void a_length_that_is_not_known_has_no_percentage(void)
{
    begin(0);
    w.d.content.bytes = 0;
    w.piece_ms = 1000;
    CHECK_EQ(pnd_deliver(&w.d), PND_OK);
    CHECK(said("  dump   23.4 KiB  960 B/s\n"));
    CHECK(!strstr(w.lines, "%"));
}

static void without_a_target_nothing_is_delivered(void)
{
    begin(0);
    w.d.target_count = 0;
    CHECK_EQ(pnd_deliver(&w.d), PND_E_ARG);
}

int main(void)
{
    RUN(the_first_that_takes_it_is_the_last_that_is_asked);
    RUN(targets_are_tried_in_their_order_and_each_failure_is_said);
    RUN(an_end_or_a_close_that_fails_is_a_failure);
    RUN(rounds_come_again_after_growing_pauses_until_the_time_is_up);
    RUN(no_round_begins_after_the_time);
    RUN(a_server_that_comes_back_gets_it);
    RUN(a_source_that_fails_is_not_tried_again);
    RUN(whatever_the_content_fails_with_is_not_the_targets_fault);
    RUN(one_that_breaks_after_the_time_is_asked_again);
    RUN(one_that_always_breaks_is_not_asked_for_ever);
    RUN(the_compressor_begins_anew_with_each_attempt);
    RUN(a_server_of_the_extension_gets_the_form_that_is_made_for_it);
    RUN(what_a_server_holds_that_is_something_else_is_begun_anew_there);
    RUN(a_whole_name_gets_no_suffix_and_a_long_one_is_cut_before_it);
    RUN(the_console_hears_every_five_seconds_how_far_it_is);
    RUN(a_length_that_is_not_known_has_no_percentage);
    RUN(without_a_target_nothing_is_delivered);
    return tap_done();
}
