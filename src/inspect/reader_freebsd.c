/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's minidumps and text dumps, as they travel over the network and as savecore(8) leaves
 * them. A dump as it lies on a disk, between its two headers, is in reader_freebsd_device.c; a
 * full dump is an ELF core. @source PROTOCOL.md#netdump-6, #netdump-9 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/minidump.h"
#include "image/ustar.h"
#include "inspect/core.h"
#include "inspect/freebsd_text.h"
#include "inspect/reader.h"

enum {
    RUNS_MAX = 1 << 16,     /* of pages that are given to the map; more are only counted */
    MEMBERS_MAX = 64,       /* of a text dump, which has five */
    TEXT_MAX = 1 << 20,     /* of a member that is looked at */
    AROUND = 256 << 10,     /* bytes before and behind a text that the scan found */
    UNSEEN_PAGES_SHOWN = 1, /* a last block may be filled up: less than this is not said */
};

/* Bytes of the content that are there. @return the caller's, with a NUL behind; NULL: none */
static char *take(const struct pnd_content *content, uint64_t offset, uint64_t len, size_t *ret_len)
{
    uint64_t there = offset < content->bytes ? content->bytes - offset : 0;
    size_t want = (size_t)(len < there ? len : there);
    char *buf = want > 0 && want <= PND_FACT_LOG_MAX ? malloc(want + 1) : NULL;

    if (!buf || content->read(content->ctx, offset, buf, want) != PND_OK) {
        free(buf);
        return NULL;
    }
    buf[want] = '\0';
    *ret_len = want;
    return buf;
}

/* ---- a log somewhere in memory ---- */

static bool log_around(const struct pnd_content *content, uint64_t hit, struct pnd_facts *facts)
{
    uint64_t from = hit > AROUND ? hit - AROUND : 0;
    size_t len, at = (size_t)(hit - from), start = at, end = at;
    char *text = take(content, from, at + AROUND, &len);
    bool any = false;

    if (text && at < len) {
        if (!text[start]) /* the byte ahead of the text counts as part of the hit */
            start = end = start + 1;
        while (start > 0 && start <= len && text[start - 1])
            start--;
        while (end < len && text[end])
            end++;
        pnd_facts_from_freebsd_log(text + start, end - start, facts);
        any = pnd_facts_text(facts, PND_FACT_PANIC)[0] != '\0';
    }
    free(text);
    return any;
}

bool pnd_reader_freebsd_log(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    unsigned count = in->scan ? in->scan->count[PND_SCAN_BSD_PANIC] : 0;

    for (unsigned i = count; i > 0; i--) {
        if (log_around(in->content, in->scan->at[PND_SCAN_BSD_PANIC][i - 1], facts))
            return true;
    }
    return false;
}

/* ---- a minidump ---- */

static int read_content(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct pnd_content *content = ctx;

    return content->read(content->ctx, offset, buf, len);
}

static int open_minidump(const struct pnd_reader_input *in, struct pnd_minidump **ret)
{
    const struct pnd_minidump_source source = {.ctx = in->content, .read = read_content};
    struct pnd_minidump *md = malloc(sizeof(*md));
    int err;

    if (!md)
        return PND_E_SYS;
    err = pnd_minidump_open(md, &source);
    if (err) {
        free(md);
        return err;
    }
    *ret = md;
    return PND_OK;
}

static void incomplete(struct pnd_check *check, uint64_t end, const char *what)
{
    check->verdict = PND_VERDICT_INCOMPLETE;
    snprintf(check->reason, sizeof(check->reason), "%s", what);
    pnd_check_add_missing(check, check->content_bytes, end);
}

/* @return what a reader returns */
static int cannot_read(const struct pnd_content *content, int err, const char *what,
                       struct pnd_check *check)
{
    if (err == PND_E_SYS)
        return PND_E_SYS;
    if (err == PND_E_SHORT) {
        char reason[sizeof(check->reason)];

        snprintf(reason, sizeof(reason), "the dump ends within its %.32s", what);
        incomplete(check, UINT64_MAX, reason);
    } else {
        check->verdict = PND_VERDICT_CORRUPT;
        check->offset = 0;
        snprintf(check->reason, sizeof(check->reason), "the %s of the dump cannot be read%s", what,
                 content->fd < 0 ? " from the packed file" : "");
    }
    return PND_OK;
}

static void check_unknown(const struct pnd_minidump *md, struct pnd_check *check)
{
    uint64_t end = md->log_offset + md->log_bytes;

    if (check->content_bytes < end) {
        incomplete(check, UINT64_MAX, "the minidump ends within its message buffer");
        return;
    }
    snprintf(check->note, sizeof(check->note),
             "how a minidump of %s%s lays out its pages is not known here: they were not counted",
             md->arch[0] ? md->arch : "this machine", md->version ? " of this version" : "");
}

static int check_minidump(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct pnd_minidump_walk walk = {0};
    struct pnd_minidump_run run;
    struct pnd_minidump *md;
    uint64_t end, over;
    int err = open_minidump(in, &md);

    if (err)
        return cannot_read(in->content, err, "header", check);
    if (md->layout == PND_MINIDUMP_UNKNOWN) {
        check_unknown(md, check);
        free(md);
        return PND_OK;
    }
    do
        err = pnd_minidump_next(md, &walk, &run);
    while (err == PND_OK);
    end = md->pages_offset + walk.pages * PND_MINIDUMP_PAGE;
    free(md);
    if (err != PND_E_NOTFOUND)
        return cannot_read(in->content, err, "map of pages", check);
    if (check->content_bytes < end) {
        char reason[sizeof(check->reason)];

        snprintf(reason, sizeof(reason),
                 "the minidump announces %" PRIu64 " pages, %" PRIu64 " bytes with what stands "
                 "ahead of them; %" PRIu64 " bytes are there",
                 walk.pages, end, check->content_bytes);
        incomplete(check, end, reason);
        return PND_OK;
    }
    over = check->content_bytes - end;
    if (over >= UNSEEN_PAGES_SHOWN * PND_MINIDUMP_PAGE)
        snprintf(check->note, sizeof(check->note),
                 "%" PRIu64 " bytes follow the last page of the minidump", over);
    return PND_OK;
}

static void minidump_log(const struct pnd_reader_input *in, const struct pnd_minidump *md,
                         struct pnd_facts *facts)
{
    size_t len = 0;
    char *log = take(in->content, md->log_offset, md->log_bytes, &len);

    if (log && len == md->log_bytes)
        pnd_facts_from_freebsd_log(log, pnd_freebsd_straighten(log, len), facts);
    else
        pnd_reader_freebsd_log(in, facts);
    free(log);
}

static int minidump_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct pnd_minidump_walk walk = {0};
    struct pnd_minidump_run run;
    struct pnd_minidump *md;
    int err = open_minidump(in, &md);

    if (err)
        return err == PND_E_SYS ? PND_E_SYS : PND_OK;
    pnd_facts_set(facts, PND_FACT_OS, "FreeBSD", strlen("FreeBSD"));
    minidump_log(in, md, facts);
    pnd_facts_set(facts, PND_FACT_ARCH, md->arch, strlen(md->arch));
    facts->map_physical = true;
    for (unsigned i = 0; i < RUNS_MAX && pnd_minidump_next(md, &walk, &run) == PND_OK; i++) {
        uint64_t bytes = run.end - run.start, there = in->content->bytes;
        uint64_t present = there > run.offset ? there - run.offset : 0;

        pnd_reader_add_memory(in, run.start, run.end, run.offset, present < bytes ? present : bytes,
                              facts);
    }
    free(md);
    return PND_OK;
}

/* ---- a text dump ---- */

static bool is_text_name(const char *name)
{
    static const char *const names[] = {"ddb.txt", "config.txt", "msgbuf.txt", "panic.txt",
                                        "version.txt"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* A tar whose first member is one that such a dump has. */
static bool is_textdump(const void *head, size_t head_len)
{
    struct pnd_ustar_member member;

    return pnd_ustar_read(head, head_len, &member) == PND_OK && is_text_name(member.name);
}

/* The header at @p at. @return as pnd_ustar_read(), or as the content's read() */
static int read_member(const struct pnd_content *content, uint64_t at, struct pnd_ustar_member *ret)
{
    uint8_t block[PND_USTAR_BLOCK];
    int err = content->read(content->ctx, at, block, sizeof(block));

    return err ? err : pnd_ustar_read(block, sizeof(block), ret);
}

static void corrupt_at(const struct pnd_content *content, uint64_t at, const char *what,
                       struct pnd_check *check)
{
    check->verdict = PND_VERDICT_CORRUPT;
    check->offset = content->fd >= 0 ? at : 0;
    snprintf(check->reason, sizeof(check->reason), "%s, at byte %" PRIu64 "%s", what, at,
             content->fd >= 0 ? "" : " of what is packed");
}

/* The content ends at @p at, without the two blocks of zeros that end an archive. */
static void ends_without_mark(uint64_t at, const char *last, struct pnd_check *check)
{
    if (at == check->content_bytes && strcmp(last, "version.txt") == 0)
        snprintf(check->note, sizeof(check->note),
                 "the archive has no end mark, but its last member is whole");
    else
        incomplete(check, UINT64_MAX, "the text dump ends before its archive does");
}

static int check_textdump(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct pnd_ustar_member member = {0};
    char last[PND_USTAR_NAME_CAP] = "";
    uint64_t at = 0;

    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        int err = read_member(in->content, at, &member);

        if (err == PND_E_NOTFOUND)
            return PND_OK;
        if (err == PND_E_SHORT) {
            ends_without_mark(at, last, check);
            return PND_OK;
        }
        if (err == PND_E_TYPE || err == PND_E_FORMAT) {
            corrupt_at(in->content, at, "a header of the archive is damaged", check);
            return PND_OK;
        }
        if (err)
            return cannot_read(in->content, err, "archive", check);
        if (member.bytes > check->content_bytes - at - PND_USTAR_BLOCK) {
            char reason[sizeof(check->reason)];

            snprintf(reason, sizeof(reason), "the text dump ends within %.16s",
                     is_text_name(member.name) ? member.name : "a member");
            incomplete(check, at + PND_USTAR_BLOCK + member.bytes, reason);
            return PND_OK;
        }
        memcpy(last, member.name, sizeof(last));
        at = pnd_ustar_next(at, &member);
    }
    snprintf(check->note, sizeof(check->note), "only the first %u members were looked at",
             (unsigned)MEMBERS_MAX);
    return PND_OK;
}

static void member_facts(const struct pnd_content *content, uint64_t at,
                         const struct pnd_ustar_member *member, struct pnd_facts *facts)
{
    bool log = strcmp(member->name, "msgbuf.txt") == 0;
    uint64_t most = log ? PND_FACT_LOG_MAX : TEXT_MAX;
    uint64_t skip = log && member->bytes > most ? member->bytes - most : 0;
    size_t len = 0;
    char *text = is_text_name(member->name)
                     ? take(content, at + PND_USTAR_BLOCK + skip,
                            member->bytes < most ? member->bytes : most, &len)
                     : NULL;

    if (!text)
        return;
    if (log) {
        pnd_facts_from_freebsd_log(text, pnd_freebsd_straighten(text, len), facts);
    } else if (strcmp(member->name, "version.txt") == 0) {
        pnd_freebsd_version(text, len, facts);
    } else if (strcmp(member->name, "panic.txt") == 0) {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
            len--;
        pnd_facts_set(facts, PND_FACT_PANIC, text, len);
    } else if (strcmp(member->name, "ddb.txt") == 0 && facts->frame_count == 0) {
        pnd_freebsd_frames(text, len, facts);
    }
    free(text);
}

/* Two rounds: the message buffer first, and what says it better afterwards. */
static int textdump_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct pnd_ustar_member member;

    pnd_facts_set(facts, PND_FACT_OS, "FreeBSD", strlen("FreeBSD"));
    for (int round = 0; round < 2; round++) {
        uint64_t at = 0;

        for (unsigned i = 0; i < MEMBERS_MAX && read_member(in->content, at, &member) == PND_OK;
             i++) {
            if ((strcmp(member.name, "msgbuf.txt") == 0) == (round == 0))
                member_facts(in->content, at, &member, facts);
            at = pnd_ustar_next(at, &member);
        }
    }
    return PND_OK;
}

const struct pnd_reader pnd_reader_freebsd_minidump = {
    .format = "freebsd-minidump",
    .is = pnd_minidump_is,
    .check = check_minidump,
    .facts = minidump_facts,
};

const struct pnd_reader pnd_reader_freebsd_textdump = {
    .format = "freebsd-textdump",
    .is = is_textdump,
    .check = check_textdump,
    .facts = textdump_facts,
};
