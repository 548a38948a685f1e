/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Facts are set, bounded and cleaned here, whoever finds them. */
#include "facts/facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

static const char *const fact_words[PND_FACT_COUNT] = {
    [PND_FACT_OS] = "os",
    [PND_FACT_OS_VERSION] = "os_version",
    [PND_FACT_KERNEL] = "kernel",
    [PND_FACT_KERNEL_VERSION] = "kernel_version",
    [PND_FACT_BUILD_ID] = "build_id",
    [PND_FACT_ARCH] = "arch",
    [PND_FACT_MODEL] = "model",
    [PND_FACT_HOST] = "host",
    [PND_FACT_CRASH_TIME] = "crash_time",
    [PND_FACT_UPTIME] = "uptime",
    [PND_FACT_PANIC] = "panic",
    [PND_FACT_TRIGGER] = "trigger",
    [PND_FACT_TASK] = "task",
    [PND_FACT_BOOT_ARGS] = "boot_args",
    [PND_FACT_LOAD] = "load",
    [PND_FACT_SLIDE] = "slide",
};

static const char *const memory_words[PND_MEMORY_COUNT] = {
    [PND_MEMORY_PRESENT] = "present",   [PND_MEMORY_ZERO] = "zero",
    [PND_MEMORY_EXCLUDED] = "excluded", [PND_MEMORY_UNREADABLE] = "unreadable",
    [PND_MEMORY_MISSING] = "missing",
};

const char *pnd_fact_name(enum pnd_fact fact)
{
    return fact_words[fact];
}

const char *pnd_memory_name(enum pnd_memory_kind kind)
{
    return memory_words[kind];
}

void pnd_facts_deinit(struct pnd_facts *facts)
{
    for (int i = 0; i < PND_FACT_COUNT; i++)
        free(facts->text[i]);
    for (unsigned i = 0; i < facts->cpu_count; i++)
        free(facts->cpus[i].registers);
    for (unsigned i = 0; i < facts->frame_count; i++) {
        free(facts->frames[i].text);
        free(facts->frames[i].module);
    }
    for (unsigned i = 0; i < facts->module_count; i++) {
        free(facts->modules[i].name);
        free(facts->modules[i].version);
        free(facts->modules[i].id);
    }
    free(facts->cpus);
    free(facts->frames);
    free(facts->modules);
    free(facts->ranges);
    free(facts->log);
    *facts = (struct pnd_facts){0};
}

/* ---- texts ---- */

/* A clean copy of at most @p max bytes, of the start or, with @p tail, of the end of the text. */
static void set_text(struct pnd_facts *facts, char **at, const char *text, size_t len, size_t max,
                     bool tail)
{
    char *copy = NULL;

    if (len > max) {
        text += tail ? len - max : 0;
        len = max;
        facts->cut = true;
    }
    if (len > 0) {
        copy = malloc(len + 1);
        facts->no_memory |= !copy;
    }
    if (copy)
        copy[pnd_text_clean(copy, text, len)] = '\0';
    free(*at);
    *at = copy;
}

void pnd_facts_set(struct pnd_facts *facts, enum pnd_fact fact, const char *text, size_t len)
{
    set_text(facts, &facts->text[fact], text, len, PND_FACT_TEXT_MAX, false);
}

void pnd_facts_setf(struct pnd_facts *facts, enum pnd_fact fact, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (len < 0) {
        facts->no_memory = true;
        return;
    }
    pnd_facts_set(facts, fact, text, (size_t)len);
    free(text);
}

void pnd_facts_set_log(struct pnd_facts *facts, const char *log, size_t len)
{
    set_text(facts, &facts->log, log, len, PND_FACT_LOG_MAX, true);
    facts->log_len = facts->log ? strlen(facts->log) : 0;
}

const char *pnd_facts_text(const struct pnd_facts *facts, enum pnd_fact fact)
{
    return facts->text[fact] ? facts->text[fact] : "";
}

void pnd_facts_set_word(struct pnd_facts *facts, char **at, const char *text, size_t len)
{
    set_text(facts, at, text, len, PND_FACT_WORD_MAX, false);
}

/* ---- tables ---- */

/* Room for one more entry, zeroed; it counts already. Doubles the table when it is a power of two.
 */
static void *add_entry(struct pnd_facts *facts, void **table, unsigned *count, unsigned max,
                       size_t size)
{
    void *grown;

    if (*count >= max) {
        facts->cut = true;
        return NULL;
    }
    if ((*count & (*count - 1)) == 0) {
        grown = reallocarray(*table, *count ? 2 * (size_t)*count : 1, size);
        if (!grown) {
            facts->no_memory = true;
            return NULL;
        }
        *table = grown;
    }
    grown = (char *)*table + size * (*count)++;
    return memset(grown, 0, size);
}

struct pnd_fact_cpu *pnd_facts_add_cpu(struct pnd_facts *facts, unsigned number, bool panicked)
{
    struct pnd_fact_cpu *cpu =
        add_entry(facts, (void **)&facts->cpus, &facts->cpu_count, PND_FACT_CPUS_MAX, sizeof(*cpu));

    if (!cpu)
        return NULL;
    if (panicked) { /* before all others */
        memmove(&facts->cpus[1], &facts->cpus[0], (facts->cpu_count - 1) * sizeof(*cpu));
        cpu = &facts->cpus[0];
    }
    *cpu = (struct pnd_fact_cpu){.number = number, .panicked = panicked};
    return cpu;
}

void pnd_facts_add_register(struct pnd_facts *facts, struct pnd_fact_cpu *cpu, const char *name,
                            uint64_t value)
{
    struct pnd_fact_register *added;
    size_t len = strlen(name);

    if (!cpu)
        return;
    added = add_entry(facts, (void **)&cpu->registers, &cpu->register_count, PND_FACT_REGISTERS_MAX,
                      sizeof(*added));
    if (!added)
        return;
    if (len >= sizeof(added->name))
        len = sizeof(added->name) - 1;
    added->name[pnd_text_clean(added->name, name, len)] = '\0';
    added->value = value;
}

void pnd_facts_add_frame(struct pnd_facts *facts, uint64_t address, uint64_t frame,
                         const char *text, size_t text_len, const char *module, size_t module_len)
{
    struct pnd_fact_frame *added;

    if (address == 0 && (!text || text_len == 0))
        return;
    added = add_entry(facts, (void **)&facts->frames, &facts->frame_count, PND_FACT_FRAMES_MAX,
                      sizeof(*added));
    if (!added)
        return;
    added->address = address;
    added->frame = frame;
    if (text)
        pnd_facts_set_word(facts, &added->text, text, text_len);
    if (module)
        pnd_facts_set_word(facts, &added->module, module, module_len);
}

struct pnd_fact_module *pnd_facts_add_module(struct pnd_facts *facts, const char *name, size_t len)
{
    struct pnd_fact_module *added =
        len ? add_entry(facts, (void **)&facts->modules, &facts->module_count, PND_FACT_MODULES_MAX,
                        sizeof(*added))
            : NULL;

    if (added)
        pnd_facts_set_word(facts, &added->name, name, len);
    return added;
}

/* ---- the map ---- */

static void merge_into(struct pnd_fact_range *range, const struct pnd_fact_range *next)
{
    range->end = next->end;
    for (int i = 0; i < PND_MEMORY_COUNT; i++)
        range->bytes[i] += next->bytes[i];
}

/* Halves the table: neighbours that together are small become one, then larger ones. */
static void make_room(struct pnd_facts *facts)
{
    uint64_t small = PND_FACT_RANGES_MAX;

    while (facts->range_count > PND_FACT_RANGES_MAX / 2) {
        struct pnd_fact_range *at = facts->ranges;
        unsigned out = 0;

        small = small > UINT64_MAX / 2 ? UINT64_MAX : small * 2;
        for (unsigned i = 1; i < facts->range_count; i++) {
            if (at[i].end - at[out].start <= small)
                merge_into(&at[out], &at[i]);
            else
                at[++out] = at[i];
        }
        facts->range_count = out + 1;
    }
}

static bool only_of(const struct pnd_fact_range *range, enum pnd_memory_kind kind)
{
    return range->bytes[kind] == range->end - range->start;
}

/* [start, end) lies free before entry @p at. */
static void insert_range(struct pnd_facts *facts, unsigned at, uint64_t start, uint64_t end,
                         enum pnd_memory_kind kind)
{
    struct pnd_fact_range *before = at ? &facts->ranges[at - 1] : NULL, *after;

    if (before && before->end == start && only_of(before, kind)) {
        before->end = end;
        before->bytes[kind] += end - start;
        return;
    }
    after = at < facts->range_count ? &facts->ranges[at] : NULL;
    if (after && after->start == end && only_of(after, kind)) {
        after->start = start;
        after->bytes[kind] += end - start;
        return;
    }
    if (!add_entry(facts, (void **)&facts->ranges, &facts->range_count, PND_FACT_RANGES_MAX,
                   sizeof(facts->ranges[0])))
        return;
    memmove(&facts->ranges[at + 1], &facts->ranges[at],
            (facts->range_count - 1 - at) * sizeof(facts->ranges[0]));
    facts->ranges[at] = (struct pnd_fact_range){.start = start, .end = end};
    facts->ranges[at].bytes[kind] = end - start;
}

/* @return the first entry that ends behind @p start */
static unsigned find_range(const struct pnd_facts *facts, uint64_t start)
{
    unsigned low = 0, high = facts->range_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (facts->ranges[middle].end > start)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* What lies in an entry is known already, unless it is one that has grown over gaps.
 *   @return where the entry, or the interval, ends */
static uint64_t add_within(struct pnd_fact_range *range, uint64_t start, uint64_t end,
                           enum pnd_memory_kind kind)
{
    uint64_t gaps = range->end - range->start, stop = end < range->end ? end : range->end;

    for (int i = 0; i < PND_MEMORY_COUNT; i++)
        gaps -= range->bytes[i];
    range->bytes[kind] += stop - start < gaps ? stop - start : gaps;
    return stop;
}

void pnd_facts_add_range(struct pnd_facts *facts, uint64_t start, uint64_t end,
                         enum pnd_memory_kind kind)
{
    while (start < end) {
        uint64_t stop = end;
        unsigned at;

        if (facts->range_count == PND_FACT_RANGES_MAX)
            make_room(facts);
        at = find_range(facts, start);
        if (at < facts->range_count) {
            if (facts->ranges[at].start <= start) {
                start = add_within(&facts->ranges[at], start, end, kind);
                continue;
            }
            if (facts->ranges[at].start < end)
                stop = facts->ranges[at].start;
        }
        insert_range(facts, at, start, stop, kind);
        if (facts->no_memory)
            return;
        start = stop;
    }
}

void pnd_facts_append_range(struct pnd_facts *facts, const struct pnd_fact_range *range)
{
    unsigned count = facts->range_count;
    uint64_t left = range->end - range->start;
    struct pnd_fact_range *added;

    if (range->start >= range->end || (count && facts->ranges[count - 1].end > range->start))
        return;
    for (int i = 0; i < PND_MEMORY_COUNT; i++) {
        if (range->bytes[i] > left)
            return;
        left -= range->bytes[i];
    }
    added = add_entry(facts, (void **)&facts->ranges, &facts->range_count, PND_FACT_RANGES_MAX,
                      sizeof(*added));
    if (added)
        *added = *range;
}
