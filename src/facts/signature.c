/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is left of a panic, hashed. */
#include "facts/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "facts/signature_parts.h"

/* FNV-1a: nobody gains by a group of somebody else's that a copied panic string would not give. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
    return (hash ^ '\n') * UINT64_C(0x100000001b3);
}

static uint64_t hash_end(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* One kernel has two names: a core alone tells "Darwin", a panic log "macOS". */
static const char *family(const char *os)
{
    static const char *const darwins[] = {"macOS", "Mac OS X", "iOS", "bridgeOS", "Darwin"};

    for (size_t i = 0; i < sizeof(darwins) / sizeof(*darwins); i++) {
        if (strcasecmp(os, darwins[i]) == 0)
            return "Darwin";
    }
    return os;
}

static bool parse_address(const char *text, uint64_t *ret)
{
    char *end;

    if (strncmp(text, "0x", 2) != 0)
        return false;
    *ret = strtoull(text, &end, 16);
    return end > text + 2;
}

/* At most @p max bytes, cut between characters; what is there is UTF-8 but for its end. */
static void cut_utf8(char *text, size_t max)
{
    size_t len = strlen(text), last;
    uint8_t lead;

    len = len < max ? len : max;
    for (last = len; last > 0 && len - last < 4 && ((uint8_t)text[last - 1] & 0xc0) == 0x80;)
        last--;
    lead = last > 0 ? (uint8_t)text[last - 1] : 0;
    if (lead >= 0xc0 && len - last < (lead >= 0xf0 ? 3u : lead >= 0xe0 ? 2u : 1u))
        len = last - 1;
    text[len] = '\0';
}

/* When nothing has a name, the address of a trap does, as far as the slide is known: where that
 * kernel was linked to. "" for none. */
static void trap_place(const struct pnd_facts *facts, char ret[PND_SIGNATURE_NAME])
{
    const char *panic = pnd_facts_text(facts, PND_FACT_PANIC), *at = strstr(panic, "Kernel ");
    uint64_t address, slide;
    char name[61];

    ret[0] = '\0';
    if (at)
        at = strstr(panic, " at 0x") ? strstr(panic, " at 0x") : strstr(panic, " at pc 0x");
    if (!at || !parse_address(strstr(at, "0x"), &address) ||
        !parse_address(pnd_facts_text(facts, PND_FACT_SLIDE), &slide))
        return;
    for (unsigned i = 0; i < facts->module_count; i++) {
        const struct pnd_fact_module *module = &facts->modules[i];

        if (module->name && address >= module->start && address < module->end) {
            snprintf(name, sizeof(name), "%.60s", module->name);
            cut_utf8(name, 59);
            snprintf(ret, PND_SIGNATURE_NAME, "[%s]", name);
            return;
        }
    }
    snprintf(ret, PND_SIGNATURE_NAME, "0x%" PRIx64, address - slide);
}

/* The first address out of "Kernel trap at 0xffffff8012345678, type 14=page fault". */
static void drop_address(char *line)
{
    char *at = strncmp(line, "Kernel ", 7) == 0 ? strstr(line, " at 0x") : NULL;
    size_t len = at ? 6 + strspn(at + 6, "0123456789abcdefABCDEF") : 0;

    if (at)
        memmove(at, at + len, strlen(at + len) + 1);
}

static void make_title(char *line, const char *place, char ret[PND_SIGNATURE_TITLE])
{
    char symbol[PND_SIGNATURE_NAME];

    drop_address(line);
    memcpy(symbol, place, strlen(place) + 1);
    symbol[strcspn(symbol, " ")] = '\0';
    if (!place[0] || strstr(line, symbol)) { /* told already: "... is corrupted in: foo" */
        cut_utf8(line, PND_SIGNATURE_TITLE - 1);
        snprintf(ret, PND_SIGNATURE_TITLE, "%.*s", PND_SIGNATURE_TITLE - 1, line);
        return;
    }
    cut_utf8(line, PND_SIGNATURE_TITLE - 1 - 4 - 80);
    snprintf(ret, PND_SIGNATURE_TITLE, "%.115s%s%s %.80s", line, line[0] ? " " : "",
             strncmp(place, "0x", 2) == 0 ? "at" : "in", place);
    cut_utf8(ret, PND_SIGNATURE_TITLE - 1); /* the place may have been cut */
}

void pnd_signature(const struct pnd_facts *facts, struct pnd_signature *ret)
{
    char line[PND_SIGNATURE_LINE], reduced[PND_SIGNATURE_LINE];
    char frames[PND_SIGNATURE_FRAMES][PND_SIGNATURE_NAME], version[16];
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    unsigned count;

    *ret = (struct pnd_signature){0};
    pnd_signature_line(pnd_facts_text(facts, PND_FACT_PANIC), line);
    pnd_signature_reduce(line, reduced);
    count = pnd_signature_frames(facts, frames);
    if (strncmp(reduced, "NMI: Not continuing", 19) == 0) /* somebody's, whatever ran then */
        count = 0;
    else if (count == 0)
        trap_place(facts, frames[count++]);
    if (count && !frames[0][0])
        count = 0;
    if (!reduced[0] && count == 0)
        return;
    snprintf(version, sizeof(version), "%d", PND_SIGNATURE_VERSION);
    hash = hash_text(hash, version);
    hash = hash_text(hash, family(pnd_facts_text(facts, PND_FACT_OS)));
    hash = hash_text(hash, reduced);
    for (unsigned i = 0; i < count; i++)
        hash = hash_text(hash, frames[i]);
    snprintf(ret->id, sizeof(ret->id), "%012" PRIx64, hash_end(hash) >> 16);
    make_title(line, count ? frames[0] : "", ret->title);
}
