/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The text scanner; see scanner.h. Every text has at least seven bytes, so that one of the words
 * of four bytes at 0, 4, 8, ... of a piece lies within it: these words are looked up, and nothing
 * else. */
#include "inspect/scanner.h"

#include <string.h>

enum {
    WORD = 4,
    ALIGNMENTS = 4,
    UNROLL = 4, /* words looked up before any of them is asked about */
    BSD_DASH_WITHIN = 8,
    HALF = PND_SCAN_HITS / 2,
};

struct text {
    enum pnd_scan_text text;
    const char *bytes;
    size_t len, skip; /* skip: bytes in front that are not of the text */
    bool digit;       /* follows */
    bool dash;        /* follows the digit, soon */
};

#define TEXT(which, bytes, ...)                                                                    \
    {                                                                                              \
        which, bytes, sizeof(bytes) - 1, __VA_ARGS__                                               \
    }

static const struct text texts[] = {
    TEXT(PND_SCAN_XNU_PANIC, "panic(cpu ", 0, true, false),
    TEXT(PND_SCAN_XNU_DEBUGGER, "Debugger message: ", 0, false, false),
    TEXT(PND_SCAN_XNU_VERSION, "Darwin Kernel Version ", 0, true, false),
    TEXT(PND_SCAN_LINUX_INFO, "OSRELEASE=", 0, true, false),
    TEXT(PND_SCAN_LINUX_VERSION, "Linux version ", 0, true, false),
    TEXT(PND_SCAN_LINUX_PANIC, "Kernel panic - not syncing: ", 0, false, false),
    TEXT(PND_SCAN_BSD_PANIC, "\npanic: ", 1, false, false),
    TEXT(PND_SCAN_BSD_PANIC, "\0panic: ", 1, false, false),
    TEXT(PND_SCAN_BSD_VERSION, "FreeBSD ", 0, true, true),
    TEXT(PND_SCAN_PANICBOX, "panicbox ", 0, true, false),
};

enum { TEXTS = sizeof(texts) / sizeof(*texts) };

_Static_assert(sizeof("Kernel panic - not syncing: ") - 1 <= PND_SCANNER_EXTENT, "decided within");
_Static_assert(sizeof("FreeBSD ") + BSD_DASH_WITHIN <= PND_SCANNER_EXTENT, "decided within");

static uint32_t hash(const uint8_t *at)
{
    uint32_t word;

    memcpy(&word, at, sizeof(word)); /* either byte order: the table is made the same way */
    return (word * UINT32_C(0x9e3779b1)) >> (32 - PND_SCANNER_HASH_BITS);
}

void pnd_scanner_init(struct pnd_scanner *scanner)
{
    memset(scanner, 0, sizeof(*scanner));
    scanner->last_hit = UINT64_MAX;
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t at = 0; at < ALIGNMENTS; at++)
            scanner->maybe[hash((const uint8_t *)texts[i].bytes + at)] = 1;
    }
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* @param left  bytes from @p at on */
static bool stands_here(const struct text *text, const uint8_t *at, size_t left)
{
    if (left < text->len || memcmp(at, text->bytes, text->len) != 0)
        return false;
    at += text->len;
    left -= text->len;
    if (text->digit && (left == 0 || !is_digit(at[0])))
        return false;
    if (text->dash && !memchr(at + 1, '-', left - 1 < BSD_DASH_WITHIN ? left - 1 : BSD_DASH_WITHIN))
        return false;
    return true;
}

static void hit(struct pnd_scanner *scanner, enum pnd_scan_text text, uint64_t at)
{
    struct pnd_scan *scan = &scanner->scan;
    unsigned *count = &scan->count[text];

    if (*count == PND_SCAN_HITS) {
        memmove(&scan->at[text][HALF], &scan->at[text][HALF + 1],
                (HALF - 1) * sizeof(scan->at[text][0]));
        (*count)--;
    }
    scan->at[text][(*count)++] = at;
    scanner->last_hit = at;
}

/* The word at @p at may be part of a text. Texts that start before @p limit count. */
static void look(struct pnd_scanner *scanner, const uint8_t *data, size_t len, size_t limit,
                 size_t at, uint64_t base)
{
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t back = 0; back < ALIGNMENTS && back <= at; back++) {
            size_t start = at - back;

            if (start < limit && memcmp(texts[i].bytes + back, data + at, WORD) == 0 &&
                stands_here(&texts[i], data + start, len - start))
                hit(scanner, texts[i].text, base + start + texts[i].skip);
        }
    }
}

/* All texts that start before @p limit. */
static void search(struct pnd_scanner *scanner, const uint8_t *data, size_t len, size_t limit,
                   uint64_t base)
{
    size_t at = 0, end = limit + ALIGNMENTS; /* a start's word begins at most three bytes on */

    if (end > len)
        end = len;
    for (; at + UNROLL * WORD <= end; at += UNROLL * WORD) {
        const uint8_t *p = data + at;

        if (!(scanner->maybe[hash(p)] | scanner->maybe[hash(p + WORD)] |
              scanner->maybe[hash(p + 2 * WORD)] | scanner->maybe[hash(p + 3 * WORD)]))
            continue;
        for (size_t i = 0; i < UNROLL; i++) {
            if (scanner->maybe[hash(p + i * WORD)])
                look(scanner, data, len, limit, at + i * WORD, base);
        }
    }
    for (; at < end && at + WORD <= len; at += WORD) {
        if (scanner->maybe[hash(data + at)])
            look(scanner, data, len, limit, at, base);
    }
}

/* Decides what began in the last bytes, as far as what follows allows. */
static void search_tail(struct pnd_scanner *scanner, const uint8_t *data, size_t len)
{
    size_t more = len < PND_SCANNER_EXTENT - 1 ? len : PND_SCANNER_EXTENT - 1;
    size_t all = scanner->tail_len + more, decided;
    uint64_t base = scanner->at - scanner->tail_len;

    memcpy(scanner->tail + scanner->tail_len, data, more);
    decided = all < PND_SCANNER_EXTENT ? 0 : all - (PND_SCANNER_EXTENT - 1);
    search(scanner, scanner->tail, all, decided, base);
    if (len == more) { /* the piece is all in the tail now */
        memmove(scanner->tail, scanner->tail + decided, all - decided);
        scanner->tail_len = all - decided;
    }
}

void pnd_scanner_feed(struct pnd_scanner *scanner, const uint8_t *data, size_t len)
{
    size_t keep = PND_SCANNER_EXTENT - 1;

    search_tail(scanner, data, len);
    if (len > keep) {
        search(scanner, data, len, len - keep, scanner->at);
        memcpy(scanner->tail, data + len - keep, keep);
        scanner->tail_len = keep;
    }
    scanner->at += len;
}

void pnd_scanner_skip(struct pnd_scanner *scanner, uint8_t byte, uint64_t len)
{
    uint8_t same[PND_SCANNER_EXTENT];

    memset(same, byte, sizeof(same));
    pnd_scanner_feed(scanner, same, sizeof(same));
    scanner->at += len - sizeof(same);
}

void pnd_scanner_end(struct pnd_scanner *scanner)
{
    search(scanner, scanner->tail, scanner->tail_len, scanner->tail_len,
           scanner->at - scanner->tail_len);
    scanner->tail_len = 0;
}
