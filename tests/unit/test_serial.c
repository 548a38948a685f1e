/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames on a serial line: what is built comes back, in all kinds of company, and what is damaged
 * does not. */
#include "tap.h"

#include "wire/serial.h"

enum { START = 0xfa, END = 0xfb, ESCAPE = 0xfe, SAMPLE_BYTES = 24 };

/* Computed apart from the code, with zlib.crc32 in Python: 0xfe0acc69, two bytes of which have to
 * be escaped as well. */
static const uint8_t known_packet[] = {0xfa, 0x00, 0xfb, 0x0a, 0xfe, 0x01, 0x05, 0xff, 0x79, 0x09};
static const uint8_t known_frame[] = {0xfa, 0x69, 0xcc, 0xfe, 0xf5, 0xfe, 0x01, 0xfa,
                                      0xfe, 0x05, 0x00, 0xfe, 0x04, 0xfe, 0xf5, 0xfe,
                                      0x01, 0x01, 0x05, 0xff, 0x79, 0x09, 0xfb};

struct line {
    struct pnd_serial_rx rx;
    unsigned packets, damaged, too_long;
    uint8_t last[PND_SERIAL_PACKET_CAP];
    size_t last_len;
};

static void line_open(struct line *line)
{
    memset(line, 0, sizeof(*line));
    pnd_serial_rx_init(&line->rx);
}

static void line_say(struct line *line, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len; i++) {
        int got = pnd_serial_take(&line->rx, at[i]);

        CHECK(got >= 0 || got == PND_E_FORMAT || got == PND_E_RANGE);
        line->damaged += got == PND_E_FORMAT;
        line->too_long += got == PND_E_RANGE;
        if (got <= 0)
            continue;
        line->packets++;
        line->last_len = (size_t)got;
        memcpy(line->last, line->rx.packet, line->last_len);
    }
}

static bool line_has(const struct line *line, const void *packet, size_t len)
{
    return line->packets > 0 && line->last_len == len && memcmp(line->last, packet, len) == 0;
}

/* A packet in which everything is that has to be escaped. */
static size_t sample(uint8_t ret[SAMPLE_BYTES])
{
    for (size_t i = 0; i < SAMPLE_BYTES; i++)
        ret[i] = (uint8_t)(i * 37);
    memcpy(ret + 3, known_packet, sizeof(known_packet));
    return SAMPLE_BYTES;
}

static size_t sample_frame(uint8_t ret[PND_SERIAL_FRAME_CAP])
{
    uint8_t packet[SAMPLE_BYTES];

    return (size_t)pnd_serial_build(ret, PND_SERIAL_FRAME_CAP, packet, sample(packet));
}

static void a_frame_is_built_to_the_byte(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP];

    CHECK_EQ(pnd_serial_build(frame, sizeof(frame), known_packet, sizeof(known_packet)),
             sizeof(known_frame));
    CHECK_MEM(frame, known_frame, sizeof(known_frame));
}

static void every_byte_value_comes_back(void)
{
    for (unsigned value = 0; value < 256; value++) {
        uint8_t packet[3] = {(uint8_t)value, 0x55, (uint8_t)value}, frame[PND_SERIAL_FRAME_CAP];
        int len = pnd_serial_build(frame, sizeof(frame), packet, sizeof(packet));
        struct line line;

        line_open(&line);
        line_say(&line, frame, (size_t)len);
        CHECK(line.packets == 1 && line.damaged == 0 && line_has(&line, packet, sizeof(packet)));
        for (int i = 0; i < len; i++)
            CHECK(frame[i] != '\n');
        CHECK(memchr(frame + 1, END, (size_t)len - 1) == frame + len - 1);
    }
}

static void a_packet_of_any_length_comes_back(void)
{
    static uint8_t packet[PND_SERIAL_PACKET_CAP], frame[PND_SERIAL_FRAME_CAP];
    static struct line line;

    line_open(&line);
    for (size_t len = 1; len <= sizeof(packet); len++) {
        int n;

        packet[len - 1] = (uint8_t)(len * 11 + (len >> 8));
        n = pnd_serial_build(frame, sizeof(frame), packet, len);
        CHECK(n > 0);
        line_say(&line, frame, (size_t)n);
        CHECK_EQ(line.packets, len);
        CHECK(line_has(&line, packet, len));
    }
    CHECK_EQ(line.damaged + line.too_long, 0);
}

static void a_packet_that_must_be_escaped_throughout_fits_the_largest_frame(void)
{
    static uint8_t packet[PND_SERIAL_PACKET_CAP], frame[PND_SERIAL_FRAME_CAP];
    static struct line line;
    int len;

    memset(packet, START, sizeof(packet));
    len = pnd_serial_build(frame, sizeof(frame), packet, sizeof(packet));
    CHECK(len >= 3 + PND_SERIAL_CRC_BYTES + 2 * PND_SERIAL_PACKET_CAP);
    line_open(&line);
    line_say(&line, frame, (size_t)len);
    CHECK(line_has(&line, packet, sizeof(packet)));
    for (size_t cap = 0; cap < (size_t)len; cap++)
        CHECK_EQ(pnd_serial_build(frame, cap, packet, sizeof(packet)), PND_E_FULL);
}

static void an_empty_packet_and_one_that_is_too_long_are_not_built(void)
{
    static uint8_t packet[PND_SERIAL_PACKET_CAP + 1], frame[PND_SERIAL_FRAME_CAP];

    CHECK_EQ(pnd_serial_build(frame, sizeof(frame), packet, 0), PND_E_ARG);
    CHECK_EQ(pnd_serial_build(frame, sizeof(frame), packet, sizeof(packet)), PND_E_ARG);
}

static void every_truncation_gives_nothing_and_the_next_frame_comes(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP], packet[SAMPLE_BYTES];
    size_t len = sample_frame(frame);

    sample(packet);
    for (size_t cut = 0; cut < len; cut++) {
        struct line line;

        line_open(&line);
        line_say(&line, frame, cut);
        CHECK_EQ(line.packets, 0);
        line_say(&line, frame, len);
        CHECK(line.packets == 1 && line_has(&line, packet, sizeof(packet)));
        CHECK(line.damaged >= (cut > 0));
    }
}

static void a_frame_without_its_beginning_gives_nothing_and_the_next_one_comes(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP], packet[SAMPLE_BYTES];
    size_t len = sample_frame(frame);

    sample(packet);
    for (size_t from = 1; from < len; from++) {
        struct line line;

        line_open(&line);
        line_say(&line, frame + from, len - from);
        CHECK_EQ(line.packets, 0);
        line_say(&line, frame, len);
        CHECK(line.packets == 1 && line_has(&line, packet, sizeof(packet)));
    }
}

static void console_text_around_a_frame_does_no_harm(void)
{
    static const char before[] = "panic(cpu 0 caller 0x1234)\r\n\xfe\xff login: ";
    static const char after[] = "\xfb\xfb after it\n";
    uint8_t frame[PND_SERIAL_FRAME_CAP], packet[SAMPLE_BYTES];
    size_t len = sample_frame(frame);
    struct line line;

    sample(packet);
    line_open(&line);
    for (unsigned i = 1; i < 4; i++) {
        line_say(&line, before, sizeof(before) - 1);
        line_say(&line, frame, len);
        line_say(&line, after, sizeof(after) - 1);
        CHECK(line.packets == i && line_has(&line, packet, sizeof(packet)));
    }
    CHECK_EQ(line.damaged, 0);
}

static void text_within_a_frame_is_noticed(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP];
    size_t len = sample_frame(frame);

    for (size_t at = 1; at < len; at++) {
        struct line line;

        line_open(&line);
        line_say(&line, frame, at);
        line_say(&line, "ready\n", 6);
        line_say(&line, frame + at, len - at);
        CHECK_EQ(line.packets, 0);
        CHECK(line.damaged > 0);
    }
}

/* Each byte of a frame as each other byte; the frame behind it is not to suffer, unless the damage
 * made it a part of the first. */
static void every_single_byte_of_damage_is_found(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP], packet[SAMPLE_BYTES];
    size_t len = sample_frame(frame);

    sample(packet);
    for (size_t at = 0; at < len; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t good = frame[at];
            struct line line;

            if (value == good)
                continue;
            line_open(&line);
            frame[at] = (uint8_t)value;
            line_say(&line, frame, len);
            frame[at] = good;
            CHECK_EQ(line.packets, 0);
            line_say(&line, frame, len);
            CHECK(line.packets == 1 && line_has(&line, packet, sizeof(packet)));
        }
    }
}

static void every_byte_that_is_lost_or_doubled_is_found(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP], packet[SAMPLE_BYTES];
    size_t len = sample_frame(frame);

    sample(packet);
    for (size_t at = 0; at < len; at++) {
        struct line lost, doubled;

        line_open(&lost);
        line_say(&lost, frame, at);
        line_say(&lost, frame + at + 1, len - at - 1);
        CHECK_EQ(lost.packets, 0);
        line_say(&lost, frame, len);
        CHECK(lost.packets == 1 && line_has(&lost, packet, sizeof(packet)));
        line_open(&doubled);
        line_say(&doubled, frame, at + 1);
        line_say(&doubled, frame + at, len - at);
        /* What is doubled at either end lies outside of the frame. */
        CHECK(doubled.packets == (at == 0 || at == len - 1));
    }
}

static void every_escape_too_many_is_found(void)
{
    static const uint8_t escape[] = {ESCAPE};
    uint8_t frame[PND_SERIAL_FRAME_CAP];
    size_t len = sample_frame(frame);

    for (size_t at = 1; at < len; at++) {
        struct line line;

        line_open(&line);
        line_say(&line, frame, at);
        line_say(&line, escape, 1);
        line_say(&line, frame + at, len - at);
        CHECK(line.packets == 0 && line.damaged > 0);
    }
}

/* The checksum of these four bytes is 0, which is also what nothing reads as. */
static void a_checksum_of_other_than_four_bytes_is_none(void)
{
    static const uint8_t packet[] = {0x9d, ESCAPE, 0xf5, 0xd9, 0x6d, END}, zeros[6];

    for (size_t crc_len = 0; crc_len <= sizeof(zeros); crc_len++) {
        static const uint8_t start[] = {START};
        struct line line;

        line_open(&line);
        line_say(&line, start, 1);
        line_say(&line, zeros, crc_len);
        line_say(&line, start, 1);
        line_say(&line, packet, sizeof(packet));
        CHECK_EQ(line.packets, crc_len == PND_SERIAL_CRC_BYTES);
    }
}

static void a_frame_that_is_too_long_is_dropped_once(void)
{
    uint8_t frame[PND_SERIAL_FRAME_CAP], packet[SAMPLE_BYTES], sum[] = {START, 1, 2, 3, 4, START};
    size_t len = sample_frame(frame);
    struct line line;

    sample(packet);
    line_open(&line);
    line_say(&line, sum, sizeof(sum));
    for (size_t i = 0; i < PND_SERIAL_PACKET_CAP; i++)
        line_say(&line, "x", 1);
    CHECK_EQ(line.too_long, 0);
    for (size_t i = 0; i < 5000; i++)
        line_say(&line, "x", 1);
    CHECK(line.too_long == 1 && line.damaged == 0 && line.packets == 0);
    line_say(&line, frame, len);
    CHECK(line.packets == 1 && line_has(&line, packet, sizeof(packet)));
}

static void frames_of_nothing_are_dropped(void)
{
    static const uint8_t frames[][7] = {
        {START, 0, 0, 0, 0, START, END}, {START, END},         {START, START, END},
        {START, START, START, END},      {START, ESCAPE, END}, {START, 0, 0, START, END}};

    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct line line;

        line_open(&line);
        line_say(&line, frames[i], sizeof(frames[i]));
        CHECK(line.packets == 0 && line.damaged > 0);
    }
}

int main(void)
{
    RUN(a_frame_is_built_to_the_byte);
    RUN(every_byte_value_comes_back);
    RUN(a_packet_of_any_length_comes_back);
    RUN(a_packet_that_must_be_escaped_throughout_fits_the_largest_frame);
    RUN(an_empty_packet_and_one_that_is_too_long_are_not_built);
    RUN(every_truncation_gives_nothing_and_the_next_frame_comes);
    RUN(a_frame_without_its_beginning_gives_nothing_and_the_next_one_comes);
    RUN(console_text_around_a_frame_does_no_harm);
    RUN(text_within_a_frame_is_noticed);
    RUN(every_single_byte_of_damage_is_found);
    RUN(every_byte_that_is_lost_or_doubled_is_found);
    RUN(every_escape_too_many_is_found);
    RUN(a_checksum_of_other_than_four_bytes_is_none);
    RUN(a_frame_that_is_too_long_is_dropped_once);
    RUN(frames_of_nothing_are_dropped);
    return tap_done();
}
