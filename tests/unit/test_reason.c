/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The word for why a dump is incomplete. */
#include "store/reason.h"
#include "tap.h"

static void a_sentence_of_a_session_has_its_word(void)
{
    CHECK_EQ(pnd_reason_of("the sender fell silent"), PND_REASON_SENDER);
    CHECK_EQ(pnd_reason_of("the sender started another dump"), PND_REASON_SENDER);
    CHECK_EQ(pnd_reason_of("the server ended before the dump did"), PND_REASON_RESTART);
    CHECK_EQ(pnd_reason_of("its receiver was killed while it came"), PND_REASON_RESTART);
    CHECK_EQ(pnd_reason_of("the dump could not be made durable"), PND_REASON_DISK);
    CHECK_EQ(pnd_reason_of("parts of the dump were never sent"), PND_REASON_LOST);
}

static void what_follows_the_sentence_does_not_matter(void)
{
    CHECK_EQ(pnd_reason_of("disk full (rule: floor)"), PND_REASON_ROOM);
    CHECK_EQ(pnd_reason_of("the room for dumps is used up (rule: total-bytes)"), PND_REASON_ROOM);
    CHECK_EQ(pnd_reason_of("could not be made durable: fsync: Input/output error"),
             PND_REASON_DISK);
}

static void anything_else_was_found_in_the_content(void)
{
    CHECK_EQ(pnd_reason_of("the compressed data is damaged at byte 17 (bad block)"),
             PND_REASON_CONTENT);
    CHECK_EQ(pnd_reason_of("disk"), PND_REASON_CONTENT);
    CHECK_EQ(pnd_reason_of(""), PND_REASON_CONTENT);
}

static void every_word_is_another_one(void)
{
    for (unsigned i = 0; i < PND_REASONS; i++)
        for (unsigned j = 0; j < i; j++)
            CHECK(strcmp(pnd_reason_name(i), pnd_reason_name(j)) != 0);
}

int main(void)
{
    RUN(a_sentence_of_a_session_has_its_word);
    RUN(what_follows_the_sentence_does_not_matter);
    RUN(anything_else_was_found_in_the_content);
    RUN(every_word_is_another_one);
    return tap_done();
}
