/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal: killed at any instruction, damaged at any byte, cut at any length. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "store/journal.h"
#include "unit/tmpdir.h"

enum { HEADER_BYTES = 4096, RECORD_BYTES = 2048 };

static struct pnd_spool spool;
static struct pnd_journal *journal;
static struct pnd_why why;

static struct {
    int err;
    uint64_t generation;
    uint8_t who[PND_JOURNAL_WHO_CAP], where[PND_JOURNAL_WHERE_CAP];
    size_t who_len, where_len;
} got;

static void open_journal(uint32_t slots)
{
    journal = NULL;
    CHECK_EQ(pnd_journal_open(&spool, slots, &journal, &why), PND_OK);
}

static void reopen(uint32_t slots)
{
    pnd_journal_close(journal);
    open_journal(slots);
}

static void setup(uint32_t slots)
{
    tmp_make();
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    open_journal(slots);
}

static void teardown(void)
{
    pnd_journal_close(journal);
    journal = NULL;
    pnd_spool_close(&spool);
    tmp_remove();
}

static int get(uint32_t slot)
{
    got.err = pnd_journal_get(journal, slot, &got.generation, got.who, &got.who_len, got.where,
                              &got.where_len);
    return got.err;
}

/* A part of @p len bytes that are all @p fill. */
static void put(uint32_t slot, enum pnd_journal_part part, uint64_t generation, int fill,
                size_t len)
{
    uint8_t data[PND_JOURNAL_WHO_CAP];

    memset(data, fill, sizeof(data));
    CHECK_EQ(pnd_journal_put(journal, slot, part, generation, data, len), PND_OK);
}

static bool all(const uint8_t *data, size_t len, int fill)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != fill)
            return false;
    return true;
}

static void damage(off_t offset, uint8_t bits)
{
    int fd = open(tmp_file(".panicd/journal"), O_RDWR);
    uint8_t byte = 0;

    CHECK(pread(fd, &byte, 1, offset) == 1);
    byte ^= bits;
    CHECK(pwrite(fd, &byte, 1, offset) == 1);
    close(fd);
}

/* ---- what is put is what is got ---- */

static void a_new_journal_is_private_and_empty(void)
{
    struct stat st;

    setup(32);
    CHECK_EQ(pnd_journal_slots(journal), 32);
    CHECK_STR(why.text, "");
    for (uint32_t slot = 0; slot < 32; slot++)
        CHECK_EQ(get(slot), PND_E_NOTFOUND);
    CHECK(stat(tmp_file(".panicd/journal"), &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK_EQ(st.st_size, HEADER_BYTES + 32 * RECORD_BYTES);
    CHECK(st.st_blocks * 512 >= st.st_size);
    CHECK(!tmp_exists(".panicd/journal.new"));
    teardown();
}

static void a_tool_sees_its_size_beside_the_server_and_changes_nothing(void)
{
    struct stat before, after;
    uint32_t slots = 0;

    setup(32);
    put(3, PND_JOURNAL_WHO, 9, 'w', 100);
    CHECK(stat(tmp_file(".panicd/journal"), &before) == 0);
    CHECK_EQ(pnd_journal_look(&spool, &slots), PND_OK);
    CHECK_EQ(slots, 32);
    CHECK(stat(tmp_file(".panicd/journal"), &after) == 0);
    CHECK(before.st_size == after.st_size && before.st_ino == after.st_ino);
    CHECK(truncate(tmp_file(".panicd/journal"), HEADER_BYTES + 31 * RECORD_BYTES) == 0);
    CHECK_EQ(pnd_journal_look(&spool, &slots), PND_OK);
    CHECK_EQ(slots, 31);
    damage(0, 1);
    CHECK_EQ(pnd_journal_look(&spool, &slots), PND_E_FORMAT);
    CHECK(unlink(tmp_file(".panicd/journal")) == 0);
    CHECK_EQ(pnd_journal_look(&spool, &slots), PND_E_NOTFOUND);
    teardown();
}

static void a_record_is_read_back_as_it_was_last_put_also_after_a_restart(void)
{
    setup(16);
    put(3, PND_JOURNAL_WHO, 9, 'w', 100);
    for (int i = 0; i < 7; i++) {
        put(3, PND_JOURNAL_WHERE, 9, i, (size_t)i * 17);
        for (int restarted = 0; restarted < 2; restarted++) {
            CHECK_EQ(get(3), PND_OK);
            CHECK_EQ(got.generation, 9);
            CHECK(got.who_len == 100 && all(got.who, 100, 'w'));
            CHECK_EQ(got.where_len, i * 17);
            CHECK(all(got.where, got.where_len, i));
            reopen(16);
        }
    }
    CHECK_EQ(get(2), PND_E_NOTFOUND);
    CHECK_EQ(get(4), PND_E_NOTFOUND);
    teardown();
}

static void every_length_up_to_the_cap_fits_and_one_more_changes_nothing(void)
{
    uint8_t data[PND_JOURNAL_WHO_CAP + 1] = {0};

    setup(16);
    for (size_t len = 0; len <= PND_JOURNAL_WHO_CAP; len++) {
        put(0, PND_JOURNAL_WHO, 1, (int)len & 255, len);
        put(0, PND_JOURNAL_WHERE, 1, (int)len & 255, len % (PND_JOURNAL_WHERE_CAP + 1));
        CHECK_EQ(get(0), PND_OK);
        CHECK(got.who_len == len && all(got.who, len, (int)len & 255));
        CHECK_EQ(got.where_len, len % (PND_JOURNAL_WHERE_CAP + 1));
    }
    CHECK_EQ(pnd_journal_put(journal, 0, PND_JOURNAL_WHO, 2, data, PND_JOURNAL_WHO_CAP + 1),
             PND_E_RANGE);
    CHECK_EQ(pnd_journal_put(journal, 0, PND_JOURNAL_WHERE, 2, data, PND_JOURNAL_WHERE_CAP + 1),
             PND_E_RANGE);
    CHECK_EQ(get(0), PND_OK);
    CHECK_EQ(got.generation, 1);
    teardown();
}

static void parts_of_different_dumps_do_not_make_a_record(void)
{
    setup(16);
    put(0, PND_JOURNAL_WHO, 1, 'a', 10);
    CHECK_EQ(get(0), PND_E_NOTFOUND);
    put(0, PND_JOURNAL_WHERE, 1, 'b', 10);
    CHECK_EQ(get(0), PND_OK);
    put(0, PND_JOURNAL_WHO, 2, 'c', 10);
    CHECK_EQ(get(0), PND_E_NOTFOUND);
    put(0, PND_JOURNAL_WHERE, 2, 'd', 10);
    CHECK_EQ(get(0), PND_OK);
    CHECK(got.generation == 2 && got.who[0] == 'c' && got.where[0] == 'd');
    teardown();
}

static void a_cleared_slot_is_empty_and_can_be_used_again(void)
{
    setup(16);
    for (int i = 0; i < 5; i++) {
        for (int puts = 0; puts <= i; puts++) {
            put(1, PND_JOURNAL_WHO, 7, puts, 10);
            put(1, PND_JOURNAL_WHERE, 7, puts, 10);
        }
        pnd_journal_clear(journal, 1);
        CHECK_EQ(get(1), PND_E_NOTFOUND);
        put(1, PND_JOURNAL_WHERE, 7, i, 10);
        CHECK_EQ(get(1), PND_E_NOTFOUND);
        reopen(16);
        CHECK_EQ(get(1), PND_E_NOTFOUND);
        put(1, PND_JOURNAL_WHO, 7, i, 10);
        CHECK_EQ(get(1), PND_OK);
    }
    teardown();
}

/* ---- sizes ---- */

static void a_journal_grows_and_never_shrinks(void)
{
    setup(16);
    put(15, PND_JOURNAL_WHO, 1, 'a', 720);
    put(15, PND_JOURNAL_WHERE, 1, 'b', 128);
    reopen(100);
    CHECK_EQ(pnd_journal_slots(journal), 100);
    CHECK_EQ(get(15), PND_OK);
    CHECK_EQ(get(16), PND_E_NOTFOUND);
    put(99, PND_JOURNAL_WHO, 1, 'c', 720);
    put(99, PND_JOURNAL_WHERE, 1, 'd', 128);
    reopen(16);
    CHECK_EQ(pnd_journal_slots(journal), 100);
    CHECK(get(99) == PND_OK && all(got.where, 128, 'd'));
    teardown();
}

static void a_full_disk_makes_the_journal_smaller_and_never_faults_it(void)
{
    tmp_make();
    if (!tmp_mount("size=1m")) {
        tmp_remove();
        SKIP("needs root to mount a small file system");
    }
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    open_journal(1024);
    CHECK_EQ(pnd_journal_slots(journal), 256);
    put(255, PND_JOURNAL_WHO, 1, 'a', 720);
    put(255, PND_JOURNAL_WHERE, 1, 'b', 128);
    tmp_fill();
    for (uint32_t slot = 0; slot < 255; slot++)
        put(slot, PND_JOURNAL_WHO, 1, 'x', 720);
    reopen(1024); /* there is no room to grow: it stays what it is */
    CHECK_EQ(pnd_journal_slots(journal), 256);
    CHECK(get(255) == PND_OK && all(got.who, 720, 'a'));
    pnd_journal_close(journal);
    CHECK_EQ(unlink(tmp_file(".panicd/journal")), 0);
    unlink(tmp_file("filler"));
    tmp_fill();
    CHECK_EQ(pnd_journal_open(&spool, 1024, &journal, &why), PND_E_NOSPACE);
    CHECK(strstr(why.text, "/.panicd/journal: No space left on device") != NULL);
    CHECK(!tmp_exists(".panicd/journal") && !tmp_exists(".panicd/journal.new"));
    pnd_spool_close(&spool);
    tmp_unmount();
    CHECK(tmp_mount("size=44k"));
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    open_journal(1000); /* 1000 500 250 125 62 31 16 */
    CHECK_EQ(pnd_journal_slots(journal), 16);
    journal = (pnd_journal_close(journal), NULL);
    pnd_spool_close(&spool);
    tmp_unmount();
    tmp_remove();
}

static void a_journal_cut_at_any_length_keeps_the_records_before_the_cut(void)
{
    setup(16);
    for (int cut = HEADER_BYTES + 16 * RECORD_BYTES; cut >= HEADER_BYTES; cut -= 509) {
        uint32_t kept = (uint32_t)(cut - HEADER_BYTES) / RECORD_BYTES;

        for (uint32_t slot = 0; slot < 16; slot++) {
            put(slot, PND_JOURNAL_WHO, 1, (int)slot, 720);
            put(slot, PND_JOURNAL_WHERE, 1, (int)slot, 128);
        }
        pnd_journal_close(journal);
        CHECK_EQ(truncate(tmp_file(".panicd/journal"), cut), 0);
        open_journal(16);
        CHECK_EQ(pnd_journal_slots(journal), 16);
        for (uint32_t slot = 0; slot < 16; slot++) {
            get(slot); /* of the record that was cut, one copy of each part may be whole */
            CHECK(slot == kept || got.err == (slot < kept ? PND_OK : PND_E_NOTFOUND));
            CHECK(got.err || (all(got.who, 720, (int)slot) && all(got.where, 128, (int)slot)));
        }
        CHECK_EQ(strstr(why.text, "journal.bad") != NULL, kept == 0);
    }
    teardown();
}

/* ---- damage ---- */

static void a_journal_of_another_version_or_none_is_set_aside_and_said_so(void)
{
    static const uint8_t noise[10000] = {0xaa, 0x55};

    setup(16);
    for (int byte = 0; byte < 16; byte++) {
        put(0, PND_JOURNAL_WHO, 1, 'a', 10);
        put(0, PND_JOURNAL_WHERE, 1, 'b', 10);
        pnd_journal_close(journal);
        damage(byte, 1);
        unlink(tmp_file(".panicd/journal.bad"));
        open_journal(16);
        CHECK(strstr(why.text, "/.panicd/journal is damaged or of another version") != NULL);
        CHECK(tmp_exists(".panicd/journal.bad"));
        CHECK_EQ(get(0), PND_E_NOTFOUND);
        reopen(16);
        CHECK_STR(why.text, "");
    }
    for (size_t len = 0; len <= sizeof(noise); len += 2500) {
        pnd_journal_close(journal);
        tmp_write(".panicd/journal", noise, len);
        open_journal(16);
        CHECK(why.text[0] != '\0');
        CHECK_EQ(get(0), PND_E_NOTFOUND);
    }
    teardown();
}

static void a_link_in_the_place_of_the_journal_is_refused(void)
{
    setup(16);
    pnd_journal_close(journal);
    tmp_write("precious", "kept", 4);
    unlink(tmp_file(".panicd/journal"));
    CHECK_EQ(symlink("../precious", tmp_file(".panicd/journal")), 0);
    CHECK_EQ(pnd_journal_open(&spool, 16, &journal, &why), PND_E_SYS);
    unlink(tmp_file(".panicd/journal"));
    CHECK_EQ(symlink("../precious", tmp_file(".panicd/journal.new")), 0);
    open_journal(16);
    struct stat st;
    CHECK(stat(tmp_file("precious"), &st) == 0 && st.st_size == 4);
    teardown();
}

/* Slot 1: both copies of both parts are there; '1' is older, '2' newest. */
static void put_both_copies(void)
{
    for (int fill = '1'; fill <= '2'; fill++) {
        put(1, PND_JOURNAL_WHO, 5, fill, PND_JOURNAL_WHO_CAP);
        put(1, PND_JOURNAL_WHERE, 5, fill, PND_JOURNAL_WHERE_CAP);
    }
}

/* @return the fill of a part: '1', '2'; 0 is what nobody put */
static int fill_of(const uint8_t *data, size_t len, size_t cap)
{
    return len == cap && all(data, len, data[0]) && (data[0] == '1' || data[0] == '2') ? data[0]
                                                                                       : 0;
}

static void with_one_byte_damaged_anywhere_the_other_copy_is_read(void)
{
    int older_who = 0, older_where = 0;

    setup(16);
    put_both_copies();
    for (int byte = 0; byte < RECORD_BYTES; byte++) {
        for (int bit = 0; bit < 8; bit += 7) {
            int who, where;

            damage(HEADER_BYTES + RECORD_BYTES + byte, (uint8_t)(1 << bit));
            reopen(16);
            CHECK_EQ(get(1), PND_OK);
            who = fill_of(got.who, got.who_len, PND_JOURNAL_WHO_CAP);
            where = fill_of(got.where, got.where_len, PND_JOURNAL_WHERE_CAP);
            CHECK(who && where);
            older_who += who == '1';
            older_where += where == '1';
            damage(HEADER_BYTES + RECORD_BYTES + byte, (uint8_t)(1 << bit));
        }
    }
    /* each byte of the newest copy counts: its data and 32 bytes of head */
    CHECK_EQ(older_who, 2 * (PND_JOURNAL_WHO_CAP + 32));
    CHECK_EQ(older_where, 2 * (PND_JOURNAL_WHERE_CAP + 32));
    teardown();
}

static void with_both_copies_damaged_there_is_no_record(void)
{
    int first = -1, lost = 0;

    setup(16);
    put_both_copies();
    for (int byte = 0; byte < RECORD_BYTES && first < 0; byte++) { /* a byte of the newest where */
        damage(HEADER_BYTES + RECORD_BYTES + byte, 4);
        reopen(16);
        if (get(1) == PND_OK && got.where[0] == '1')
            first = byte;
        else
            damage(HEADER_BYTES + RECORD_BYTES + byte, 4);
    }
    CHECK(first >= 0);
    for (int byte = 0; byte < RECORD_BYTES; byte++) {
        if (byte == first)
            continue;
        damage(HEADER_BYTES + RECORD_BYTES + byte, 4);
        reopen(16);
        if (get(1) == PND_OK)
            CHECK(fill_of(got.who, got.who_len, PND_JOURNAL_WHO_CAP) &&
                  fill_of(got.where, got.where_len, PND_JOURNAL_WHERE_CAP));
        else
            lost++;
        damage(HEADER_BYTES + RECORD_BYTES + byte, 4);
    }
    CHECK_EQ(lost, PND_JOURNAL_WHERE_CAP + 32);
    put(1, PND_JOURNAL_WHERE, 5, '2', PND_JOURNAL_WHERE_CAP); /* and it can be put again */
    CHECK_EQ(get(1), PND_OK);
    teardown();
}

static void a_record_of_noise_is_no_record(void)
{
    static uint8_t noise[16 * RECORD_BYTES];
    uint32_t seed = 7;

    setup(16);
    for (int round = 0; round < 50; round++) {
        int fd = open(tmp_file(".panicd/journal"), O_RDWR);

        for (size_t i = 0; i < sizeof(noise); i++) {
            seed = seed * 1664525 + 1013904223;
            noise[i] = (uint8_t)(seed >> 24) & (uint8_t)(round % 2 ? 0xff : 0x01);
        }
        CHECK(pwrite(fd, noise, sizeof(noise), HEADER_BYTES) == (ssize_t)sizeof(noise));
        close(fd);
        reopen(16);
        for (uint32_t slot = 0; slot < 16; slot++)
            CHECK_EQ(get(slot), PND_E_NOTFOUND);
    }
    teardown();
}

/* ---- kill -9 ---- */

/* The writer's life is a count of steps, eight to a dump:
 *   0 who    1 2 where    3 who, now with its file    4 5 6 where    7 clear
 * so that the record that must be there after step n follows from n alone. */
enum { STEPS = 8, KILLS = 500 };

struct life {
    _Atomic uint64_t begun, done;
};

static size_t where_len(uint64_t step)
{
    return 16 + step * 8 % (PND_JOURNAL_WHERE_CAP - 16 + 1);
}

static void live(struct life *life, uint32_t slot)
{
    static uint8_t who[PND_JOURNAL_WHO_CAP], where[PND_JOURNAL_WHERE_CAP];

    if (pnd_journal_open(&spool, 16, &journal, NULL))
        _exit(1);
    for (uint64_t step = life->done + 1;; step++) {
        uint64_t dump = step / STEPS;

        atomic_store(&life->begun, step);
        switch (step % STEPS) {
        case 0:
        case 3:
            memset(who, (int)(step & 255), sizeof(who));
            pnd_journal_put(journal, slot, PND_JOURNAL_WHO, dump, who, sizeof(who));
            break;
        case 7:
            pnd_journal_clear(journal, slot);
            break;
        default:
            memset(where, (int)(step & 255), sizeof(where));
            memcpy(where, &step, sizeof(step));
            pnd_journal_put(journal, slot, PND_JOURNAL_WHERE, dump, where, where_len(step));
        }
        atomic_store(&life->done, step);
    }
}

/* Is what was got the record that stands after @p step? */
static bool stands_after(uint64_t step)
{
    uint64_t at = step % STEPS, first = step - at, where_step = at == 3 ? step - 1 : step, read;

    if (at == 0 || at == 7)
        return got.err == PND_E_NOTFOUND;
    if (got.err || got.generation != step / STEPS)
        return false;
    memcpy(&read, got.where, sizeof(read));
    return got.who_len == PND_JOURNAL_WHO_CAP &&
           all(got.who, got.who_len, (int)((at >= 3 ? first + 3 : first) & 255)) &&
           read == where_step && got.where_len == where_len(where_step) &&
           all(got.where + 8, got.where_len - 8, (int)(where_step & 255));
}

static void killed_at_any_instruction_the_record_is_one_that_was_put_whole(void)
{
    struct life *life =
        mmap(NULL, sizeof(*life), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t inside = 0, seed = 1;

    setup(16);
    life->done = life->begun = STEPS - 1; /* as after a clear */
    for (int kills = 0; kills < KILLS; kills++) {
        uint64_t before = life->done;
        struct timespec wait = {0};
        pid_t child = fork();

        if (child == 0)
            live(life, 5);
        for (int i = 0; i < 100000 && life->done == before; i++)
            nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        wait.tv_nsec = (long)((seed >> 33) % 2000000);
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        CHECK(life->done > before);
        inside += life->begun != life->done;
        reopen(16);
        get(5);
        CHECK(stands_after(life->done) || stands_after(life->begun));
        if (!tap_ok)
            break;
        life->done = life->begun; /* what was begun may have been done: go on from a clean slot */
        pnd_journal_clear(journal, 5);
        life->done += STEPS - 1 - life->done % STEPS;
        life->begun = life->done;
    }
    printf("# %d kills, %d within a call, %" PRIu64 " steps\n", KILLS, (int)inside, life->done);
    CHECK(inside > 0);
    munmap(life, sizeof(*life));
    teardown();
}

/* As above, but the next life goes on in the slot as the last one left it. */
static void killed_again_and_again_a_slot_never_goes_back(void)
{
    struct life *life =
        mmap(NULL, sizeof(*life), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    setup(16);
    life->done = life->begun = STEPS - 1;
    for (int kills = 0; kills < 100; kills++) {
        uint64_t before = life->done;
        pid_t child = fork();

        if (child == 0)
            live(life, 5);
        for (int i = 0; i < 100000 && life->done < before + 1000; i++)
            nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        reopen(16);
        get(5);
        CHECK(stands_after(life->done) || stands_after(life->begun));
        if (!tap_ok)
            break;
        life->done = stands_after(life->begun) ? life->begun : life->done;
    }
    munmap(life, sizeof(*life));
    teardown();
}

int main(void)
{
    RUN(a_new_journal_is_private_and_empty);
    RUN(a_tool_sees_its_size_beside_the_server_and_changes_nothing);
    RUN(a_record_is_read_back_as_it_was_last_put_also_after_a_restart);
    RUN(every_length_up_to_the_cap_fits_and_one_more_changes_nothing);
    RUN(parts_of_different_dumps_do_not_make_a_record);
    RUN(a_cleared_slot_is_empty_and_can_be_used_again);
    RUN(a_journal_grows_and_never_shrinks);
    RUN(a_full_disk_makes_the_journal_smaller_and_never_faults_it);
    RUN(a_journal_cut_at_any_length_keeps_the_records_before_the_cut);
    RUN(a_journal_of_another_version_or_none_is_set_aside_and_said_so);
    RUN(a_link_in_the_place_of_the_journal_is_refused);
    RUN(with_one_byte_damaged_anywhere_the_other_copy_is_read);
    RUN(with_both_copies_damaged_there_is_no_record);
    RUN(a_record_of_noise_is_no_record);
    RUN(killed_at_any_instruction_the_record_is_one_that_was_put_whole);
    RUN(killed_again_and_again_a_slot_never_goes_back);
    return tap_done();
}
