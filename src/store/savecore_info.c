/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is said of a dump in the manner of netdumpd: its host, its kind, its info.
 * @source PROTOCOL.md#netdump-11 */
#include "store/savecore.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/text.h"
#include "image/kdh.h"
#include "store/reason.h"

/* Netdumpd has one word for all dumps whose sender says nothing more, or begins anew. */
const char *pnd_savecore_outcome(const struct pnd_dump *dump)
{
    enum pnd_reason reason = pnd_reason_of(dump->reason);

    if (dump->state != PND_DUMP_INCOMPLETE)
        return "success";
    return reason == PND_REASON_SENDER || reason == PND_REASON_RESTART ? "timeout" : "error";
}

static bool read_header(const struct pnd_savecore_beside *beside, struct pnd_kdh *ret)
{
    return beside->header && pnd_kdh_read(beside->header, beside->header_len, ret) == PND_OK;
}

static const char *fact(const struct pnd_savecore_beside *beside, enum pnd_fact which)
{
    return beside->facts ? pnd_facts_text(beside->facts, which) : "";
}

/* ---- its name ---- */

static bool char_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* A machine's own name, up to the first dot. @return whether it is one, and not a number */
static bool take_name(const char *name, char ret[PND_SAVECORE_HOST_CAP])
{
    size_t len = strcspn(name, ".");

    if (len >= PND_SAVECORE_HOST_CAP)
        len = PND_SAVECORE_HOST_CAP - 1;
    for (size_t i = 0; i < len; i++)
        ret[i] = char_plain(name[i]) ? name[i] : '_';
    ret[len] = '\0';
    return len > 0 && ret[0] != '-' && strspn(ret, "0123456789") < len;
}

void pnd_savecore_host(const struct pnd_savecore_beside *beside, const struct pnd_dump *dump,
                       char ret[PND_SAVECORE_HOST_CAP])
{
    struct pnd_kdh kdh;
    size_t len = strnlen(dump->peer, PND_SAVECORE_HOST_CAP - 1);

    if (read_header(beside, &kdh) && take_name(kdh.host, ret))
        return;
    if (take_name(fact(beside, PND_FACT_HOST), ret))
        return;
    if (len == 0) {
        memcpy(ret, "unknown", sizeof("unknown"));
        return;
    }
    for (size_t i = 0; i < len; i++)
        ret[i] = char_plain(dump->peer[i]) || strchr(".:", dump->peer[i]) ? dump->peer[i] : '_';
    ret[len] = '\0';
}

const char *pnd_savecore_stem(const struct pnd_savecore_beside *beside, const struct pnd_dump *dump)
{
    struct pnd_kdh kdh;
    bool known = read_header(beside, &kdh);

    if (beside->key || (known && kdh.key_bytes > 0))
        return "vmcore_encrypted";
    if ((known && kdh.kind == PND_KDH_TEXT) || (!known && strstr(dump->format, "textdump")))
        return "textdump.tar";
    return "vmcore";
}

const char *pnd_savecore_packing(const struct pnd_savecore_beside *beside,
                                 const struct pnd_dump *dump)
{
    struct pnd_kdh kdh;
    bool known = read_header(beside, &kdh);

    if (known ? kdh.packing == PND_KDH_GZIP : strncmp(dump->format, "gzip", 4) == 0)
        return ".gz";
    if (known ? kdh.packing == PND_KDH_ZSTD : strncmp(dump->format, "zstd", 4) == 0)
        return ".zst";
    return "";
}

/* ---- its info ---- */

struct page {
    char *at;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct page *page, const char *fmt, ...)
{
    size_t room = PND_SAVECORE_INFO_CAP - page->len;
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(page->at + page->len, room, fmt, args);
    va_end(args);
    if (len > 0)
        page->len += (size_t)len < room ? (size_t)len : room - 1;
}

/* A key, and its text on the same line: what is said on the next one is no key. */
static void add_text(struct page *page, const char *key, const char *text)
{
    char line[PND_KDH_TEXT_CAP];
    size_t len = strnlen(text, sizeof(line) - 1);

    len = pnd_text_clean(line, text, len);
    while (len > 0 && strchr("\n\t ", line[len - 1]))
        len--;
    for (size_t i = 0; i < len; i++)
        if (line[i] == '\n' || line[i] == '\t')
            line[i] = ' ';
    add(page, "  %s: %.*s\n", key, (int)len, line);
}

static void add_time(struct page *page, uint64_t time_s)
{
    char when[64];
    time_t value = (time_t)time_s;
    struct tm tm;

    if (time_s > INT64_MAX || !gmtime_r(&value, &tm) ||
        !strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S +0000", &tm))
        snprintf(when, sizeof(when), "%" PRIu64, time_s);
    add(page, "  Dumptime: %s\n", when);
}

static void add_header(struct page *page, const struct pnd_kdh *kdh)
{
    add_text(page, "Architecture", kdh->architecture);
    add(page, "  Architecture Version: %" PRIu32 "\n", kdh->architecture_version);
    add(page, "  Dump Length: %" PRIu64 "\n", kdh->dump_bytes);
    add(page, "  Blocksize: %" PRIu32 "\n", kdh->block_bytes);
    add(page, "  Compression: %s\n", pnd_kdh_packing_name(kdh->packing));
    add_time(page, kdh->time_s);
    add_text(page, "Hostname", kdh->host);
    add_text(page, "Version String", kdh->os);
    add_text(page, "Panic String", kdh->panic);
    add(page, "  Header Parity Check: %s\n", kdh->parity_ok ? "good" : "bad");
}

/* Without a header: what else is known, and nothing for what is not. */
static void add_facts(struct page *page, const struct pnd_savecore_beside *beside,
                      const struct pnd_dump *dump)
{
    static const struct {
        enum pnd_fact fact;
        const char *key;
    } known[] = {
        {PND_FACT_HOST, "Hostname"},
        {PND_FACT_KERNEL_VERSION, "Version String"},
        {PND_FACT_PANIC, "Panic String"},
    };

    if (*fact(beside, PND_FACT_ARCH))
        add_text(page, "Architecture", fact(beside, PND_FACT_ARCH));
    add(page, "  Dump Length: %" PRIu64 "\n", dump->bytes);
    if (dump->started_ms > 0)
        add_time(page, (uint64_t)dump->started_ms / 1000);
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (*fact(beside, known[i].fact))
            add_text(page, known[i].key, fact(beside, known[i].fact));
}

size_t pnd_savecore_info(const struct pnd_savecore_beside *beside, const struct pnd_dump *dump,
                         const char *host, char ret[PND_SAVECORE_INFO_CAP])
{
    struct page page = {.at = ret};
    const char *outcome = pnd_savecore_outcome(dump);
    char safe[sizeof(dump->reason) * 4], peer[sizeof(dump->peer) * 4];
    struct pnd_kdh kdh;

    add(&page, "Dump from %s [%s]\n", host,
        pnd_text_escape(peer, sizeof(peer), dump->peer, strlen(dump->peer)));
    if (read_header(beside, &kdh))
        add_header(&page, &kdh);
    else
        add_facts(&page, beside, dump);
    if (strcmp(outcome, "success") == 0)
        add(&page, "Dump complete\n");
    else if (strcmp(outcome, "timeout") == 0)
        add(&page, "Dump incomplete: client timed out\n");
    else
        add(&page, "Dump unsuccessful: %s\n",
            pnd_text_escape(safe, sizeof(safe), dump->reason, strlen(dump->reason)));
    return page.len;
}
