/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The panic log within a memory image. What the scan has found may be the log, a copy of its first
 * lines in the kernel's message buffer, or a text of a program; so each is read as far as it is
 * text, and the one that says most is it - or the one that a panic region's header points to. A
 * log of an earlier start of the machine says as much, but hardly the same slide of the kernel.
 * @source PROTOCOL.md#kdp-9.1, #kdp-9.4 */
#include <stdlib.h>
#include <string.h>

#include "image/panic_log.h"
#include "image/panic_region.h"
#include "inspect/reader.h"

enum {
    BACK_MAX = 128 << 10, /* bytes of text before a hit that are looked at */
    BACK_STEP = 4096,
    FORWARD_STEP = 16 << 10,
    CHARACTER_MAX = 4, /* bytes; one may be cut by the end of a step */
    SCORE_MIN = 4,     /* a panic string, and three things that a log has and other text has not */
    HEADER_REACH = 4096, /* bytes before the log in which its header is looked for */
    HEADER_STEP = 4,
    RUNS_MAX = PND_SCAN_COUNT * PND_SCAN_HITS,
};

struct run {
    uint64_t start, end; /* of text that has been read, in the content */
};

struct search {
    struct pnd_content *content;
    char *buf;  /* BACK_MAX bytes before the hit, then PND_PANIC_LOG_MAX from it on */
    char *best; /* of PND_PANIC_LOG_MAX */
    size_t best_len;
    unsigned best_score; /* 0: none yet */
    bool sure;           /* a header points to it */
    bool same_slide;     /* it names the slide that is known */
    const char *slide;   /* "0x..." of this kernel; "" not known */
    unsigned run_count;
    struct run runs[RUNS_MAX];
};

static size_t read_some(struct search *search, uint64_t offset, char *buf, size_t len)
{
    long got = pnd_content_some(search->content, offset, buf, len);

    return got > 0 ? (size_t)got : 0;
}

/* Fills the buffer before its middle. @return bytes of text that end there */
static size_t read_back(struct search *search, uint64_t hit)
{
    char *middle = search->buf + BACK_MAX;
    size_t have = 0, text = 0;

    while (have < BACK_MAX && have < hit && text + CHARACTER_MAX > have) {
        size_t step = hit - have < BACK_STEP ? (size_t)(hit - have) : BACK_STEP;

        if (read_some(search, hit - have - step, middle - have - step, step) < step)
            break;
        have += step;
        text = pnd_panic_text_len_back(middle - have, have);
    }
    return text;
}

/* Fills the buffer from its middle on. @return bytes of text that begin there */
static size_t read_forward(struct search *search, uint64_t hit)
{
    char *middle = search->buf + BACK_MAX;
    size_t have = 0, text = 0;

    while (have < PND_PANIC_LOG_MAX && text + CHARACTER_MAX > have) {
        size_t got = read_some(search, hit + have, middle + have, FORWARD_STEP);

        have += got;
        text += pnd_panic_text_len(middle + text, have - text);
        if (got < FORWARD_STEP)
            break;
    }
    return text;
}

/* Does a header somewhere before @p start point there? @return the length it says; 0: no */
static size_t find_header(struct search *search, uint64_t start)
{
    uint8_t before[HEADER_REACH];
    size_t reach = start < HEADER_REACH ? (size_t)start : HEADER_REACH;
    struct pnd_panic_region region;

    if (read_some(search, start - reach, (char *)before, reach) < reach)
        return 0;
    for (size_t back = PND_PANIC_REGION_HEAD; back <= reach; back++) {
        const uint8_t *head = before + reach - back;

        if ((start - back) % HEADER_STEP != 0)
            continue;
        if (pnd_panic_region_parse(head, back, &region) == PND_OK && region.log.offset == back)
            return region.log.len;
    }
    return 0;
}

static bool names_slide(struct pnd_str text, const char *slide)
{
    struct pnd_panic_event event;
    struct pnd_panic_log log;

    pnd_panic_log_init(&log, text.at, text.len);
    while (slide[0] && pnd_panic_log_next(&log, &event)) {
        if (event.kind == PND_PANIC_FIELD && event.field == PND_PANIC_KERNEL_SLIDE)
            return event.number == strtoull(slide, NULL, 0);
    }
    return false;
}

static void keep(struct search *search, struct pnd_str log, bool sure)
{
    size_t len = log.len < PND_PANIC_LOG_MAX ? log.len : PND_PANIC_LOG_MAX;
    unsigned score = pnd_panic_log_score(log.at, log.len);
    bool same_slide = names_slide(log, search->slide), better;

    if (sure != search->sure)
        better = sure;
    else if (same_slide != search->same_slide)
        better = same_slide;
    else if (score != search->best_score)
        better = score > search->best_score;
    else
        better = len > search->best_len;
    if (score < SCORE_MIN || !better)
        return;
    memcpy(search->best, log.at, len);
    search->best_len = len;
    search->best_score = score;
    search->sure = sure;
    search->same_slide = same_slide;
}

static bool has_read(const struct search *search, uint64_t hit)
{
    for (unsigned i = 0; i < search->run_count; i++)
        if (hit >= search->runs[i].start && hit < search->runs[i].end)
            return true;
    return false;
}

static void look_at(struct search *search, uint64_t hit)
{
    struct pnd_str text, log;
    size_t back, told;
    uint64_t start;

    if (has_read(search, hit) || search->run_count >= RUNS_MAX)
        return;
    back = read_back(search, hit);
    text = (struct pnd_str){search->buf + BACK_MAX - back, back + read_forward(search, hit)};
    search->runs[search->run_count++] = (struct run){hit - back, hit - back + text.len};
    if (!pnd_panic_log_find(text, &log))
        return;
    start = hit - back + (uint64_t)(log.at - text.at);
    told = find_header(search, start);
    if (told > 0 && told < log.len)
        log.len = told;
    keep(search, log, told > 0);
}

/* The panic string first; what stands elsewhere in a log only when that has found none: a log
 * that begins with "Debugger called: <NMI>" has no such string. */
static void look_at_all(struct search *search, const struct pnd_scan *scan)
{
    static const enum pnd_scan_text texts[] = {PND_SCAN_XNU_PANIC, PND_SCAN_XNU_DEBUGGER,
                                               PND_SCAN_PANICBOX, PND_SCAN_XNU_VERSION};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && search->best_score == 0; i++)
        for (unsigned hit = 0; hit < scan->count[texts[i]]; hit++)
            look_at(search, scan->at[texts[i]][hit]);
}

bool pnd_reader_xnu_log(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct search *search = calloc(1, sizeof(*search));
    bool found = false;

    if (search) {
        search->content = in->content;
        search->slide = pnd_facts_text(facts, PND_FACT_SLIDE);
        search->buf = malloc(BACK_MAX + PND_PANIC_LOG_MAX);
        search->best = malloc(PND_PANIC_LOG_MAX);
    }
    if (search && search->buf && search->best) {
        look_at_all(search, in->scan);
        found = search->best_score > 0;
        if (found)
            pnd_facts_from_panic_log(search->best, search->best_len, facts);
    } else {
        facts->no_memory = true;
    }
    if (search) {
        free(search->buf);
        free(search->best);
    }
    free(search);
    return found;
}
