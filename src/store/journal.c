/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal file: a page of header, then records of RECORD_BYTES. How many there are is the
 * file's length, so that growing it changes nothing that is there and a truncated one keeps what
 * it still has.
 *
 * A copy of a part is valid when its sequence number is not 0, belongs to its place (the number's
 * lowest bit), and its checksum agrees. A put takes the number to 0, writes, and sets the number
 * last. What kills a process falls between two of its instructions, and all of its stores before
 * that are in the page cache; so it is enough that the compiler keeps the order. */
#include "store/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "wire/cursor.h"

enum {
    HEADER_BYTES = 4096,
    RECORD_BYTES = 2048,
    VERSION = 1,
    SLOTS_MIN = 16,
    SLOTS_MAX = 1 << 20,
    PARTS = 2,
    COPIES = 2,
};

static const char journal_name[] = "journal";

struct header {
    char magic[8];
    uint32_t version;
    uint32_t record_bytes;
};

struct copy {
    _Atomic uint64_t seq;
    uint64_t checksum;
    uint64_t generation;
    uint64_t len;
};

struct record {
    struct where_copy {
        struct copy head;
        uint8_t data[PND_JOURNAL_WHERE_CAP];
    } where[COPIES];
    struct who_copy {
        struct copy head;
        uint8_t data[PND_JOURNAL_WHO_CAP];
    } who[COPIES];
    uint8_t spare[RECORD_BYTES - COPIES * (sizeof(struct where_copy) + sizeof(struct who_copy))];
};

_Static_assert(sizeof(struct record) == RECORD_BYTES, "two records fit a page");
_Static_assert(sizeof(_Atomic uint64_t) == 8, "the same bytes in the file on every machine");
_Static_assert(PND_JOURNAL_WHO_CAP % 8 == 0 && PND_JOURNAL_WHERE_CAP % 8 == 0, "whole words");

static const struct header this_version = {"PNDJRNL", VERSION, RECORD_BYTES};

struct pnd_journal {
    uint8_t *map;
    size_t map_bytes;
    uint32_t slots;
    uint64_t (*seq)[PARTS]; /* the newest number in each slot's part, cleared ones included */
};

static struct record *record_at(const struct pnd_journal *journal, uint32_t slot)
{
    assert(slot < journal->slots);
    return (struct record *)(void *)(journal->map + HEADER_BYTES + (size_t)slot * RECORD_BYTES);
}

static size_t part_cap(enum pnd_journal_part part)
{
    return part == PND_JOURNAL_WHO ? PND_JOURNAL_WHO_CAP : PND_JOURNAL_WHERE_CAP;
}

static struct copy *copy_at(struct record *record, enum pnd_journal_part part, unsigned which)
{
    return part == PND_JOURNAL_WHO ? &record->who[which].head : &record->where[which].head;
}

static uint8_t *copy_data(struct copy *copy)
{
    return (uint8_t *)(copy + 1);
}

/* Each step is a bijection of the sum for a given word and of the word for a given sum: no
 * change that stays within one word goes unnoticed. */
static uint64_t mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * UINT64_C(0x9fb21c651e98df25);
    return sum ^ (sum >> 32);
}

static uint64_t checksum(uint64_t seq, uint64_t generation, const uint8_t *data, size_t len)
{
    uint64_t sum = mix(mix(mix(UINT64_C(0x70616e696364), seq), generation), len), word;

    for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        sum = mix(sum, word);
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, data, len);
        sum = mix(sum, word);
    }
    return sum;
}

/* @return the copy's number; 0 when it is not valid */
static uint64_t copy_seq(struct record *record, enum pnd_journal_part part, unsigned which)
{
    struct copy *copy = copy_at(record, part, which);
    uint64_t seq = atomic_load_explicit(&copy->seq, memory_order_acquire);

    if (seq == 0 || (seq & 1) != which || copy->len > part_cap(part))
        return 0;
    if (copy->checksum != checksum(seq, copy->generation, copy_data(copy), copy->len))
        return 0;
    return seq;
}

static struct copy *newest(struct record *record, enum pnd_journal_part part)
{
    uint64_t even = copy_seq(record, part, 0), odd = copy_seq(record, part, 1);

    if (even == 0 && odd == 0)
        return NULL;
    return copy_at(record, part, odd > even);
}

int pnd_journal_put(struct pnd_journal *journal, uint32_t slot, enum pnd_journal_part part,
                    uint64_t generation, const void *data, size_t len)
{
    uint64_t seq;
    struct copy *copy;

    if (len > part_cap(part))
        return PND_E_RANGE;
    seq = ++journal->seq[slot][part];
    copy = copy_at(record_at(journal, slot), part, seq & 1);
    atomic_store_explicit(&copy->seq, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* no store below may come before the 0 */
    copy->generation = generation;
    copy->len = len;
    if (len > 0)
        memcpy(copy_data(copy), data, len);
    copy->checksum = checksum(seq, generation, copy_data(copy), len);
    atomic_store_explicit(&copy->seq, seq, memory_order_release);
    return PND_OK;
}

int pnd_journal_get(const struct pnd_journal *journal, uint32_t slot, uint64_t *ret_generation,
                    uint8_t ret_who[PND_JOURNAL_WHO_CAP], size_t *ret_who_len,
                    uint8_t ret_where[PND_JOURNAL_WHERE_CAP], size_t *ret_where_len)
{
    struct record *record = record_at(journal, slot);
    struct copy *who = newest(record, PND_JOURNAL_WHO);
    struct copy *where = newest(record, PND_JOURNAL_WHERE);

    if (!who || !where || who->generation != where->generation)
        return PND_E_NOTFOUND;
    memcpy(ret_who, copy_data(who), who->len);
    memcpy(ret_where, copy_data(where), where->len);
    *ret_who_len = who->len;
    *ret_where_len = where->len;
    *ret_generation = who->generation;
    return PND_OK;
}

/* The older copies go first: while the record is still one, it is the newest one. */
void pnd_journal_clear(struct pnd_journal *journal, uint32_t slot)
{
    struct record *record = record_at(journal, slot);
    const enum pnd_journal_part parts[] = {PND_JOURNAL_WHO, PND_JOURNAL_WHERE};

    for (unsigned i = 0; i < PARTS; i++) {
        unsigned newest_copy = journal->seq[slot][parts[i]] & 1;

        atomic_store_explicit(&copy_at(record, parts[i], !newest_copy)->seq, 0,
                              memory_order_release);
        atomic_thread_fence(memory_order_seq_cst);
        atomic_store_explicit(&copy_at(record, parts[i], newest_copy)->seq, 0,
                              memory_order_release);
        atomic_thread_fence(memory_order_seq_cst);
    }
}

uint32_t pnd_journal_slots(const struct pnd_journal *journal)
{
    return journal->slots;
}

static uint64_t file_bytes(uint32_t slots)
{
    return HEADER_BYTES + (uint64_t)slots * RECORD_BYTES;
}

/* Blocks on the disk for all of it, fewer slots if there are not enough; what the file had
 * before is never cut. @param had  slots in the file already */
static int allocate(int fd, uint32_t had, uint32_t wanted, uint32_t *ret_slots)
{
    uint32_t slots = wanted > had ? wanted : had;

    for (;;) {
        int errnum;

        do {
            errnum = posix_fallocate(fd, 0, (off_t)file_bytes(slots));
        } while (errnum == EINTR);
        if (errnum == 0) {
            *ret_slots = slots;
            return PND_OK;
        }
        if (ftruncate(fd, (off_t)file_bytes(had)) < 0) /* give back what it got before it failed */
            return PND_E_SYS;
        errno = errnum;
        if (errnum != ENOSPC && errnum != EDQUOT)
            return PND_E_SYS;
        if (slots <= SLOTS_MIN || slots == had)
            return PND_E_NOSPACE;
        slots /= 2;
        if (slots < SLOTS_MIN)
            slots = SLOTS_MIN;
        if (slots < had)
            slots = had;
    }
}

/* @return slots; 0 when it is no journal of this version */
static uint32_t slots_in_file(int fd)
{
    struct header header;
    struct stat st;
    uint64_t slots;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)file_bytes(1))
        return 0;
    if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
        memcmp(&header, &this_version, sizeof(header)) != 0)
        return 0;
    slots = ((uint64_t)st.st_size - HEADER_BYTES) / RECORD_BYTES;
    return slots > SLOTS_MAX ? 0 : (uint32_t)slots;
}

int pnd_journal_look(const struct pnd_spool *spool, uint32_t *ret_slots)
{
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, journal_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? PND_E_NOTFOUND : PND_E_SYS;
    *ret_slots = slots_in_file(fd);
    return *ret_slots ? PND_OK : PND_E_FORMAT;
}

/* Under another name until it is one, so that whoever is killed here leaves none or a good one. */
static int create(const struct pnd_spool *spool, uint32_t slots, int *ret_fd, uint32_t *ret_slots,
                  struct pnd_why *why)
{
    static const char new_name[] = "journal.new";
    int err;

    if (unlinkat(spool->state_fd, new_name, 0) < 0 && errno != ENOENT)
        return pnd_why(why, PND_E_SYS, errno, "remove %s/.panicd/%s", spool->path, new_name);
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, new_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return pnd_why(why, errno == ENOSPC || errno == EDQUOT ? PND_E_NOSPACE : PND_E_SYS, errno,
                       "create %s/.panicd/%s", spool->path, new_name);
    (void)pnd_spool_give(spool, fd);
    err = allocate(fd, 0, slots, ret_slots);
    if (!err)
        err = pnd_spool_write(fd, &this_version, sizeof(this_version), 0);
    if (err) {
        pnd_why(why, err, errno, "make room for %s/.panicd/%s", spool->path, journal_name);
        unlinkat(spool->state_fd, new_name, 0);
        return err;
    }
    if (renameat(spool->state_fd, new_name, spool->state_fd, journal_name) < 0)
        return pnd_why(why, PND_E_SYS, errno, "rename %s/.panicd/%s", spool->path, new_name);
    *ret_fd = pnd_steal_fd(&fd);
    return PND_OK;
}

static int open_or_create(const struct pnd_spool *spool, uint32_t slots, int *ret_fd,
                          uint32_t *ret_slots, struct pnd_why *why)
{
    uint32_t had;
    int err;
    PND_AUTO_CLOSE int fd =
        openat(spool->state_fd, journal_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return create(spool, slots, ret_fd, ret_slots, why);
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s/.panicd/%s", spool->path, journal_name);
    had = slots_in_file(fd);
    if (had == 0) {
        if (renameat(spool->state_fd, journal_name, spool->state_fd, "journal.bad") < 0)
            return pnd_why(why, PND_E_SYS, errno, "set %s/.panicd/%s aside", spool->path,
                           journal_name);
        err = create(spool, slots, ret_fd, ret_slots, why);
        if (err)
            return err;
        return pnd_why(why, PND_OK, 0,
                       "%s/.panicd/%s is damaged or of another version: it is journal.bad now, "
                       "and transfers that it held are not resumed",
                       spool->path, journal_name);
    }
    err = allocate(fd, had, slots, ret_slots);
    if (err)
        return pnd_why(why, err, errno, "make room for %s/.panicd/%s", spool->path, journal_name);
    *ret_fd = pnd_steal_fd(&fd);
    return PND_OK;
}

static int map_file(struct pnd_journal *journal, int fd)
{
    void *map;

    assert(journal->slots > 0);
    journal->map_bytes = (size_t)file_bytes(journal->slots);
    map = mmap(NULL, journal->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        return PND_E_SYS;
    journal->map = map;
    journal->seq = calloc(journal->slots, sizeof(*journal->seq));
    if (!journal->seq)
        return PND_E_SYS;
    for (uint32_t slot = 0; slot < journal->slots; slot++) {
        struct record *record = record_at(journal, slot);
        const struct copy *who = newest(record, PND_JOURNAL_WHO);
        const struct copy *where = newest(record, PND_JOURNAL_WHERE);

        journal->seq[slot][PND_JOURNAL_WHO] = who ? who->seq : 0;
        journal->seq[slot][PND_JOURNAL_WHERE] = where ? where->seq : 0;
    }
    return PND_OK;
}

int pnd_journal_open(const struct pnd_spool *spool, uint32_t slots, struct pnd_journal **ret,
                     struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = -1;
    struct pnd_journal *journal;
    int err;

    assert(slots > 0 && slots <= SLOTS_MAX);
    if (why)
        why->text[0] = '\0';
    journal = calloc(1, sizeof(*journal));
    if (!journal) {
        pnd_why(why, PND_E_SYS, errno, "open %s/.panicd/%s", spool->path, journal_name);
        return PND_E_SYS; /* said plainly, for the analyzer */
    }
    err = open_or_create(spool, slots, &fd, &journal->slots, why);
    if (!err && map_file(journal, fd) != PND_OK)
        err = pnd_why(why, PND_E_SYS, errno, "map %s/.panicd/%s", spool->path, journal_name);
    if (err) {
        pnd_journal_close(journal);
        return err;
    }
    *ret = journal;
    return PND_OK;
}

void pnd_journal_close(struct pnd_journal *journal)
{
    if (!journal)
        return;
    if (journal->map)
        munmap(journal->map, journal->map_bytes);
    free(journal->seq);
    free(journal);
}

int pnd_journal_last_id(const struct pnd_spool *spool, uint64_t *ret, struct pnd_why *why)
{
    uint8_t who[PND_JOURNAL_WHO_CAP], where[PND_JOURNAL_WHERE_CAP];
    size_t who_len, where_len;
    struct pnd_journal *journal = NULL;
    uint64_t generation, id;
    int err;

    *ret = 0;
    if (faccessat(spool->state_fd, journal_name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        return PND_OK;
    err = pnd_journal_open(spool, 1, &journal, why);
    for (uint32_t slot = 0; !err && slot < journal->slots; slot++) {
        struct pnd_rd rd;

        if (pnd_journal_get(journal, slot, &generation, who, &who_len, where, &where_len))
            continue;
        rd = pnd_rd(who, who_len);
        pnd_rd_bytes(&rd, PND_JOURNAL_ID_AT);
        id = pnd_rd_be64(&rd);
        if (pnd_rd_ok(&rd) && id > *ret)
            *ret = id;
    }
    pnd_journal_close(journal);
    return err;
}
