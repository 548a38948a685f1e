/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Panic logs and system logs that came as text ("paniclog-...", "systemlog-..."), a panic region
 * with its header, and a log as it was packed into NVRAM.
 * @source PROTOCOL.md#kdp-9.1, #kdp-9.4 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/panic_log.h"
#include "image/panic_region.h"
#include "inspect/reader.h"

enum {
    TEXT_MIN = 32,        /* bytes: what is shorter is any text */
    LOOK_MAX = 256 << 10, /* bytes of the head that are searched for what such logs say */
    PACKED_LOOK = 512,    /* bytes of the head that are unpacked to know it */
    SCORE_MIN = 4,        /* as for a log in memory */
};

/* In every log of a Darwin kernel, or of panicbox. */
static const char *const marks[] = {"panic(cpu ", "Debugger called: <", "Darwin Kernel Version ",
                                    "Panicbox Kernel Version "};

static bool has_mark(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (pnd_str_find((struct pnd_str){text, len}, marks[i], &(size_t){0}))
            return true;
    return false;
}

static bool is_region(const void *head, size_t len)
{
    struct pnd_panic_region region;

    return pnd_panic_region_parse(head, len, &region) == PND_OK;
}

static bool is_packed(const void *head, size_t len)
{
    char text[PACKED_LOOK * 8 / 7];

    len = pnd_panic_unpack(head, len < PACKED_LOOK ? len : PACKED_LOOK, text, sizeof(text));
    return len >= TEXT_MIN && has_mark(text, len);
}

static bool is_text(const void *head, size_t len)
{
    size_t text = pnd_panic_text_len(head, len < LOOK_MAX ? len : LOOK_MAX);

    return text >= TEXT_MIN && has_mark(head, text);
}

static bool is(const void *head, size_t head_len)
{
    return is_region(head, head_len) || is_text(head, head_len) || is_packed(head, head_len);
}

/* A region that does not end before what its header announces. */
static void check_region(const uint8_t *head, size_t head_len, struct pnd_check *check)
{
    struct pnd_panic_region whole, region;

    if (pnd_panic_region_parse(head, head_len, &whole) != PND_OK)
        return;
    if ((uint64_t)whole.log.offset + whole.log.len > check->content_bytes) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        check->missing_count = 1;
        check->missing[0].start = check->content_bytes;
        check->missing[0].end = (uint64_t)whole.log.offset + whole.log.len;
        snprintf(check->reason, sizeof(check->reason),
                 "the panic region ends before the panic log that its header announces");
    } else if (head_len == check->content_bytes &&
               pnd_panic_region_read(head, head_len, &region) == PND_OK && !region.intact) {
        snprintf(check->note, sizeof(check->note),
                 "the checksum of the panic region does not fit its content");
    }
}

static int check(const struct pnd_reader_input *in, struct pnd_check *ret)
{
    check_region(in->content->head, in->content->head_len, ret);
    return PND_OK;
}

/* A panic string among the other lines of a system log, or the whole log. */
static void read_text(char *text, size_t len, struct pnd_facts *facts)
{
    struct pnd_str log;

    if (pnd_panic_log_find((struct pnd_str){text, len}, &log) &&
        pnd_panic_log_score(log.at, log.len) >= SCORE_MIN)
        pnd_facts_from_panic_log(log.at, log.len, facts);
    else
        pnd_facts_from_panic_log(text, len, facts);
    pnd_facts_set_log(facts, text, len);
}

/* The log, with what the kernel wrote behind it when there was more to say. */
static void read_region(char *buf, const struct pnd_panic_region *region, struct pnd_facts *facts)
{
    char *log = buf + region->log.offset;
    size_t len = pnd_panic_text_len(log, region->log.len), more = 0;

    if (region->more.len > 0 && region->more.offset >= region->log.offset + len) {
        more = pnd_panic_text_len(buf + region->more.offset, region->more.len);
        memmove(log + len, buf + region->more.offset, more);
    }
    read_text(log, len + more, facts);
    if (!facts->text[PND_FACT_OS_VERSION])
        pnd_facts_set(facts, PND_FACT_OS_VERSION, region->os_version, strlen(region->os_version));
}

static void read_packed(const char *buf, size_t len, struct pnd_facts *facts)
{
    size_t cap = len + len / 7 + 8;
    char *text = malloc(cap);

    if (text)
        read_text(text, pnd_panic_unpack(buf, len, text, cap), facts);
    facts->no_memory |= !text;
    free(text);
}

static int facts(const struct pnd_reader_input *in, struct pnd_facts *ret)
{
    struct pnd_panic_region region;
    size_t cap = in->content->bytes < PND_PANIC_REGION_MAX ? (size_t)in->content->bytes
                                                           : PND_PANIC_REGION_MAX;
    char *buf = malloc(cap ? cap : 1);
    long len = buf ? pnd_content_some(in->content, 0, buf, cap) : 0;

    if (!buf)
        ret->no_memory = true;
    else if (len > 0 && pnd_panic_region_read(buf, (size_t)len, &region) == PND_OK)
        read_region(buf, &region, ret);
    else if (len > 0 && is_text(buf, (size_t)len))
        read_text(buf, pnd_panic_text_len(buf, (size_t)len), ret);
    else if (len > 0)
        read_packed(buf, (size_t)len, ret);
    free(buf);
    return PND_OK;
}

const struct pnd_reader pnd_reader_panic_log = {"panic-log", is, check, facts};
