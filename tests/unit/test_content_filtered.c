/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A filtered dump as it leaves a crash kernel: of a core in a file, small enough to be told in a
 * few lines. What pages are kept is tested elsewhere; here it is what becomes of them. */
#include "tap.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/content.h"
#include "capture/frames.h"
#include "image/kdump.h"

enum {
    PAGE = 4096,
    LOW = 0x100,  /* frames of the first segment: 0x100 to 0x180 */
    HIGH = 0x200, /* of the second: 0x200 to 0x220, and half a page */
    LOW_PAGES = 0x80,
    HIGH_PAGES = 0x20,
    TEXT_PAGES = 0x10, /* the kernel's text: LOW + 0x20 on, a second time */
    DATA_AT = 8192,
    TEXT_AT = DATA_AT,
    LOW_AT = TEXT_AT + TEXT_PAGES * PAGE,
    HIGH_AT = LOW_AT + LOW_PAGES * PAGE,
    FILE_BYTES = HIGH_AT + HIGH_PAGES * PAGE + PAGE / 2,
    NOTE_AT = 1024,
    OUT_CAP = 4 << 20,
    BUFFER = LOW + 0x70, /* the frame of the log */
};

#define DIRECT UINT64_C(0xffff888000000000)
#define TEXT   UINT64_C(0xffffffff81000000)

static uint8_t core[FILE_BYTES], out[OUT_CAP];
static size_t out_len;
static char path[] = "/tmp/panicd-filtered-XXXXXX";
static struct pnd_vmcore_file file;
static struct pnd_content content;
static struct pnd_why why;

static void put(size_t at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        core[at + i] = (uint8_t)(value >> i * 8);
}

static void put_segment(unsigned index, uint32_t type, uint64_t offset, uint64_t vaddr,
                        uint64_t frame, uint64_t bytes)
{
    size_t at = 64 + (size_t)index * 56;

    put(at, type, 4);
    put(at + 8, offset, 8);
    put(at + 16, vaddr, 8);
    put(at + 24, frame * PAGE, 8);
    put(at + 32, bytes, 8);
    put(at + 40, bytes, 8);
}

/* Where a frame lies in the core. */
static size_t place(unsigned frame)
{
    return frame < HIGH ? LOW_AT + (size_t)(frame - LOW) * PAGE
                        : HIGH_AT + (size_t)(frame - HIGH) * PAGE;
}

/* A core with @p lines in its VMCOREINFO: every third page is zero, the log is a plain buffer. */
static void make(const char *lines)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    static const char line[] = "<0>[    1.000000] Kernel panic - not syncing: tested\n";
    char info[2048];
    int len = snprintf(info, sizeof(info),
                       "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nCRASHTIME=1700000000\n%s", lines);

    memset(core, 0, sizeof(core));
    memcpy(core, ident, sizeof(ident));
    put(16, 4, 2);
    put(18, 62, 2);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 4, 2);
    put(NOTE_AT, 5, 4); /* CORE: nothing in it that is looked at */
    put(NOTE_AT + 4, 8, 4);
    memcpy(core + NOTE_AT + 12, "CORE", 5);
    put(NOTE_AT + 28, 11, 4);
    put(NOTE_AT + 32, (uint64_t)len, 4);
    memcpy(core + NOTE_AT + 40, "VMCOREINFO", 11);
    memcpy(core + NOTE_AT + 52, info, (size_t)len);
    put_segment(0, PND_VMCORE_NOTE, NOTE_AT, 0, 0, 52 + (uint64_t)(len + 3) / 4 * 4);
    put_segment(1, PND_VMCORE_LOAD, TEXT_AT, TEXT, LOW + 0x20, TEXT_PAGES * PAGE);
    put_segment(2, PND_VMCORE_LOAD, LOW_AT, DIRECT + LOW * PAGE, LOW, LOW_PAGES * PAGE);
    put_segment(3, PND_VMCORE_LOAD, HIGH_AT, DIRECT + HIGH * PAGE, HIGH,
                HIGH_PAGES * PAGE + PAGE / 2);
    for (size_t at = LOW_AT; at < FILE_BYTES; at++)
        core[at] = (at - LOW_AT) / PAGE % 3 == 1 ? 0 : (uint8_t)(at * 31 >> 3 | 1);
    memset(core + place(BUFFER), 0, PAGE);
    memcpy(core + place(BUFFER), line, sizeof(line) - 1);
    memcpy(core + TEXT_AT, core + place(LOW + 0x20), TEXT_PAGES * PAGE);
}

static bool open_core(void)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, core, sizeof(core)) == (ssize_t)sizeof(core);

    if (fd >= 0)
        close(fd);
    return good && pnd_vmcore_file_open(&file, path, NULL) == PND_OK && file.understood;
}

static int take(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    if (len > sizeof(out) - out_len)
        return PND_E_FULL;
    memcpy(out + out_len, buf, len);
    out_len += len;
    return PND_OK;
}

static const struct pnd_sink sink = {NULL, take, NULL};

/* Keeps what the headers need. */
static int count_only(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    if (out_len < PND_KDUMP_HEAD_MIN)
        memcpy(out + out_len, buf, len < sizeof(out) - out_len ? len : sizeof(out) - out_len);
    out_len += len;
    return PND_OK;
}

/* Memory that this process has now. */
static unsigned long resident_kib(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;
    char line[128], *second;

    CHECK(statm && fgets(line, sizeof(line), statm) && (second = strchr(line, ' ')) &&
          (pages = strtoul(second, NULL, 10)) > 0);
    if (statm)
        fclose(statm);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static bool in_bitmap(uint64_t at, unsigned frame)
{
    return out[at + frame / 8] >> frame % 8 & 1;
}

/* The descriptor of a frame that is in the dump. */
static struct pnd_kdump_page page_of(const struct pnd_kdump *kdump, unsigned frame)
{
    struct pnd_kdump_page page = {0};
    unsigned before = 0;

    for (unsigned i = 0; i < frame; i++)
        before += in_bitmap(kdump->dumped, i);
    CHECK_EQ(
        pnd_kdump_page(kdump, out + kdump->descs + (size_t)before * PND_KDUMP_DESC_BYTES, &page),
        PND_OK);
    return page;
}

static bool is_memory(unsigned frame)
{
    return (frame >= LOW && frame < LOW + LOW_PAGES) ||
           (frame >= HIGH && frame <= HIGH + HIGH_PAGES);
}

/* What the dump should have of a frame. */
static void expected(unsigned frame, uint8_t ret[PAGE])
{
    memset(ret, 0, PAGE);
    memcpy(ret, core + place(frame), frame == HIGH + HIGH_PAGES ? PAGE / 2 : PAGE);
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

static const char log_lines[] =
    "SYMBOL(log_buf)=ffff888000170000\nSYMBOL(log_buf_len)=ffff888000170ff0\n"
    "SYMBOL(log_end)=ffff888000170ff8\nSYMBOL(logged_chars)=ffff888000170ff8\n";

static void every_page_is_where_its_descriptor_says(void)
{
    struct pnd_kdump kdump;
    uint8_t page[PAGE];
    uint64_t zero = 0;

    make("");
    CHECK(open_core());
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_OK);
    out_len = 0;
    CHECK_EQ(content.write(content.ctx, &sink), PND_OK);
    CHECK_EQ(out_len, content.bytes);
    CHECK_EQ(pnd_kdump_parse(out, out_len, &kdump), PND_OK);
    CHECK_EQ(kdump.pages, HIGH + HIGH_PAGES + 1);
    CHECK_EQ(kdump.time_s, 1700000000);
    CHECK_STR(kdump.release, "6.1.0-test");
    CHECK_STR(kdump.machine, "x86_64");
    CHECK_MEM(out + kdump.info, "OSRELEASE=6.1.0-test\n", 21);
    CHECK_MEM(out + kdump.notes, core + NOTE_AT, kdump.notes_bytes);
    for (unsigned i = 0; i <= HIGH + HIGH_PAGES; i++) {
        struct pnd_kdump_page at;

        CHECK_EQ(in_bitmap(kdump.exists, i), is_memory(i));
        CHECK_EQ(in_bitmap(kdump.dumped, i), is_memory(i));
        if (!is_memory(i))
            continue;
        expected(i, page);
        at = page_of(&kdump, i);
        CHECK(at.offset + PAGE <= out_len && memcmp(out + at.offset, page, PAGE) == 0);
        if (!is_zero(page))
            continue;
        CHECK(zero == 0 || at.offset == zero); /* one for all of them */
        zero = at.offset;
    }
    CHECK(zero != 0);
    pnd_vmcore_file_close(&file);
}

static void it_can_be_written_again(void)
{
    static uint8_t first[OUT_CAP];

    make("");
    CHECK(open_core());
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_OK);
    out_len = 0;
    CHECK_EQ(content.write(content.ctx, &sink), PND_OK);
    memcpy(first, out, out_len);
    out_len = sizeof(out) - 1000; /* a sink that fails */
    CHECK_EQ(content.write(content.ctx, &sink), PND_E_FULL);
    out_len = 0;
    CHECK_EQ(content.write(content.ctx, &sink), PND_OK);
    CHECK_EQ(out_len, content.bytes);
    CHECK_MEM(out, first, out_len);
    pnd_vmcore_file_close(&file);
}

static void the_log_comes_before_all_other_pages(void)
{
    struct pnd_kdump kdump;

    make(log_lines);
    put(place(BUFFER) + 0xff0, 0x100, 4);
    put(place(BUFFER) + 0xff8, 0x36, 4);
    put(place(BUFFER), DIRECT + BUFFER * PAGE + 0x100, 8);
    memcpy(core + place(BUFFER) + 0x100, "<0>Kernel panic - not syncing: tested\n", 38);
    CHECK(open_core());
    CHECK_STR(file.reason, "tested");
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_OK);
    out_len = 0;
    CHECK_EQ(content.write(content.ctx, &sink), PND_OK);
    CHECK_EQ(pnd_kdump_parse(out, out_len, &kdump), PND_OK);
    for (unsigned i = LOW; i <= HIGH + HIGH_PAGES; i++) {
        uint8_t page[PAGE];

        if (!is_memory(i))
            continue;
        expected(i, page);
        CHECK(memcmp(out + page_of(&kdump, i).offset, page, PAGE) == 0);
        if (i != BUFFER && !is_zero(page))
            CHECK(page_of(&kdump, i).offset > page_of(&kdump, BUFFER).offset);
    }
    pnd_vmcore_file_close(&file);
}

static void a_level_that_needs_struct_page_says_what_it_misses(void)
{
    make("");
    CHECK(open_core());
    CHECK_EQ(pnd_content_filtered(&file, 31, &content, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "SYMBOL(mem_section)") != NULL);
    CHECK_EQ(pnd_content_filtered(&file, 0, &content, &why), PND_E_ARG);
    CHECK_EQ(pnd_content_filtered(&file, 32, &content, &why), PND_E_ARG);
    file.understood = false;
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_E_ARG);
    pnd_vmcore_file_close(&file);
}

static void segments_that_cannot_be_are_refused(void)
{
    make("");
    put_segment(3, PND_VMCORE_LOAD, HIGH_AT, DIRECT, UINT64_MAX / PAGE, 2 * PAGE);
    CHECK(open_core());
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_E_FORMAT);
    pnd_vmcore_file_close(&file);
    make("");
    put_segment(3, PND_VMCORE_LOAD, HIGH_AT, DIRECT, UINT64_C(1) << 50, PAGE);
    CHECK(open_core());
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_E_RANGE);
    pnd_vmcore_file_close(&file);
    make("");
    memcpy(core + NOTE_AT + 52 + 21, "PAGESIZE=1234\n", 14);
    CHECK(open_core());
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_E_FORMAT);
    CHECK(why.text[0] != '\0');
    pnd_vmcore_file_close(&file);
}

static void a_file_that_is_cut_is_noticed(void)
{
    make("");
    CHECK(open_core());
    CHECK_EQ(truncate(path, FILE_BYTES - 100), 0);
    file.bytes = FILE_BYTES - 100;
    CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_E_SOURCE);
    CHECK(strstr(why.text, "frame 0x") != NULL);
    pnd_vmcore_file_close(&file);
}

/* Frames of runs that overlap, touch, and end within a page. */
static void memory_is_read_once_wherever_it_stands(void)
{
    static struct pnd_frames frames;
    uint8_t bits[128], page[PAGE], buf[4 * PAGE];

    make("");
    CHECK(open_core());
    CHECK_EQ(pnd_frames_open(&file, &frames), PND_OK);
    CHECK_EQ(frames.run_count, 2);
    CHECK_EQ(frames.count, HIGH + HIGH_PAGES + 1);
    for (unsigned first = 0; first < 64; first += 8) {
        pnd_frames_bitmap(&frames, first, sizeof(bits) * 8 - 64, bits);
        for (unsigned i = 0; i < sizeof(bits) * 8 - 64; i++)
            CHECK_EQ(bits[i / 8] >> i % 8 & 1, is_memory(first + i));
    }
    CHECK(pnd_frames_any(&frames, 0, LOW + 1) && !pnd_frames_any(&frames, 0, LOW));
    CHECK(pnd_frames_any(&frames, HIGH - 1, 2) && !pnd_frames_any(&frames, HIGH - 1, 1));
    CHECK(pnd_frames_any(&frames, HIGH + HIGH_PAGES, 1));
    CHECK(!pnd_frames_any(&frames, HIGH + HIGH_PAGES + 1, 1 << 20));
    CHECK_EQ(pnd_frames_read(&frames, LOW + LOW_PAGES - 2, 4, buf), PND_OK);
    expected(LOW + LOW_PAGES - 1, page);
    CHECK_MEM(buf + PAGE, page, PAGE);
    CHECK(is_zero(buf + 2 * PAGE) && is_zero(buf + 3 * PAGE));
    CHECK_EQ(pnd_frames_read(&frames, HIGH - 1, 2, buf), PND_OK);
    expected(HIGH, page);
    CHECK(is_zero(buf));
    CHECK_MEM(buf + PAGE, page, PAGE);
    pnd_vmcore_file_close(&file);
}

/* Memory at 1 and at 16 TiB: the hole before it is in the bitmaps, and costs no memory here. */
static void a_hole_between_memories_costs_nothing(void)
{
    for (uint64_t far = UINT64_C(1) << 28; far <= UINT64_C(1) << 32; far <<= 4) {
        struct pnd_kdump kdump;
        struct pnd_sink none = {.write = count_only};
        unsigned long before;

        make("");
        put_segment(3, PND_VMCORE_LOAD, HIGH_AT, DIRECT, far, HIGH_PAGES * PAGE);
        CHECK(open_core());
        before = resident_kib();
        CHECK_EQ(pnd_content_filtered(&file, 1, &content, &why), PND_OK);
        out_len = 0;
        CHECK_EQ(content.write(content.ctx, &none), PND_OK);
        CHECK(resident_kib() < before + 1024); /* of 64 MiB of bits, and of 1 GiB */
        CHECK_EQ(out_len, content.bytes);
        CHECK_EQ(pnd_kdump_parse(out, PND_KDUMP_HEAD_MIN, &kdump), PND_OK);
        CHECK_EQ(kdump.pages, far + HIGH_PAGES);
        pnd_vmcore_file_close(&file);
    }
}

/* For this process and those that it starts, /proc/meminfo says so. @return false: only root can */
static bool pretend_available(unsigned long kib)
{
    static bool ours; /* the mounts of this process */
    char name[] = "/tmp/panicd-filtered-meminfo-XXXXXX";
    int fd = mkstemp(name);
    bool good = fd >= 0 &&
                dprintf(fd, "MemTotal: 65536 kB\nMemFree: 9 kB\nMemAvailable: %lu kB\n", kib) > 0;

    if (ours)
        umount("/proc/meminfo");
    ours = ours ||
           (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    good = good && ours && mount(name, "/proc/meminfo", NULL, MS_BIND, NULL) == 0;
    if (fd >= 0)
        close(fd);
    unlink(name);
    return good;
}

/* 1 TiB of memory: 32 MiB of bits, twice that at odd levels. */
static int choose_of_a_terabyte(unsigned level)
{
    int err;

    make("");
    put_segment(3, PND_VMCORE_LOAD, HIGH_AT, DIRECT, HIGH, UINT64_C(1) << 40);
    CHECK(open_core());
    err = pnd_content_filtered(&file, level, &content, &why);
    pnd_vmcore_file_close(&file);
    return err;
}

static void a_machine_too_large_for_the_memory_there_is_is_refused_before_it_is_too_late(void)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (!pretend_available(50 * 1024))
            _exit(2);
        CHECK_EQ(choose_of_a_terabyte(1), PND_E_FULL);
        CHECK_STR(why.text, "what is to be noted of each page takes 64.0 MiB, and 50.0 MiB are "
                            "free: crashkernel= is too small for that");
        CHECK(pretend_available(80 * 1024));
        CHECK_EQ(choose_of_a_terabyte(1), PND_E_SOURCE); /* room, but the file is not that long */
        fflush(stdout);
        _exit(tap_ok ? 0 : 1);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0 || (WEXITSTATUS(status) == 2 && geteuid() != 0));
}

static void what_is_noted_of_each_page_is_a_bit_and_at_odd_levels_two(void)
{
    static const uint64_t machine = UINT64_C(64) << 30, mib = 1 << 20;

    CHECK_EQ(pnd_content_filtered_bytes(machine, 0), 0);
    CHECK_EQ(pnd_content_filtered_bytes(machine, 16), 2 * mib);
    CHECK_EQ(pnd_content_filtered_bytes(machine, 31), 4 * mib);
    CHECK_EQ(pnd_content_filtered_bytes(machine * 16, 31), 64 * mib);
}

static void makedumpfile_that_is_not_there_is_no_content(void)
{
    make("");
    CHECK(open_core());
    CHECK_EQ(pnd_content_makedumpfile(&file, "/nowhere/makedumpfile", 31, &content, &why),
             PND_E_NOTFOUND);
    CHECK_EQ(pnd_content_makedumpfile(&file, "/bin/false", 32, &content, &why), PND_E_ARG);
    CHECK_EQ(pnd_content_makedumpfile(&file, "/bin/false", 31, &content, &why), PND_OK);
    CHECK_EQ(content.bytes, 0);
    CHECK_EQ(content.write(content.ctx, &sink), PND_E_SOURCE);
    CHECK(strstr(why.text, "exit code 1") != NULL);
    pnd_vmcore_file_close(&file);
}

/* Its interpreter is missing, as libraries of a program in an initramfs may be. */
static void makedumpfile_that_cannot_be_started_is_a_content_that_fails(void)
{
    char name[] = "/tmp/panicd-filtered-program-XXXXXX";
    int fd = mkstemp(name);

    CHECK(fd >= 0 && write(fd, "#!/nowhere/sh\n", 14) == 14 && fchmod(fd, 0700) == 0);
    close(fd);
    make("");
    CHECK(open_core());
    CHECK_EQ(pnd_content_makedumpfile(&file, name, 31, &content, &why), PND_OK);
    CHECK_EQ(content.write(content.ctx, &sink), PND_E_SOURCE);
    CHECK(strncmp(why.text, "start /tmp/", 11) == 0);
    CHECK_EQ(pnd_content_makedumpfile(&file, "/bin/true", 31, &content, &why), PND_OK);
    CHECK_EQ(content.write(content.ctx, &sink), PND_E_SOURCE);
    CHECK_STR(why.text, "makedumpfile: exit code 0, and it wrote nothing");
    pnd_vmcore_file_close(&file);
    unlink(name);
}

static void what_the_program_writes_is_the_stream(void)
{
    static const char script[] = "#!/bin/sh\n"
                                 "test \"$1 $2 $3 $4\" = '-F -c -d 7' || exit 9\n"
                                 "head -c 4 /proc/self/fd/3; echo \"$7\"\n"
                                 "echo \"first\nit \033broke\" >&2; exit $(cat \"$0.code\")\n";
    char name[] = "/tmp/panicd-filtered-program-XXXXXX", code[64];
    int fd = mkstemp(name);

    snprintf(code, sizeof(code), "%s.code", name);
    CHECK(fd >= 0 && write(fd, script, sizeof(script) - 1) > 0 && fchmod(fd, 0700) == 0);
    close(fd);
    make("");
    CHECK(open_core());
    for (unsigned failing = 0; failing < 2; failing++) {
        fd = open(code, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(fd >= 0 && write(fd, failing ? "3" : "0", 1) == 1);
        close(fd);
        out_len = 0;
        CHECK_EQ(pnd_content_makedumpfile(&file, name, 7, &content, &why), PND_OK);
        CHECK_EQ(content.write(content.ctx, &sink), failing ? PND_E_SOURCE : PND_OK);
        CHECK_MEM(out, "\177ELF/proc/self/fd/3\n", 20);
        if (failing)
            CHECK_STR(why.text, "makedumpfile: exit code 3: it ?broke");
        out_len = sizeof(out); /* and a sink that fails is no reason to wait */
        CHECK_EQ(content.write(content.ctx, &sink), PND_E_FULL);
    }
    pnd_vmcore_file_close(&file);
    unlink(name);
    unlink(code);
}

int main(void)
{
    int fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    RUN(every_page_is_where_its_descriptor_says);
    RUN(it_can_be_written_again);
    RUN(the_log_comes_before_all_other_pages);
    RUN(a_level_that_needs_struct_page_says_what_it_misses);
    RUN(segments_that_cannot_be_are_refused);
    RUN(a_file_that_is_cut_is_noticed);
    RUN(memory_is_read_once_wherever_it_stands);
    RUN(a_hole_between_memories_costs_nothing);
    RUN(what_is_noted_of_each_page_is_a_bit_and_at_odd_levels_two);
    RUN(a_machine_too_large_for_the_memory_there_is_is_refused_before_it_is_too_late);
    RUN(makedumpfile_that_is_not_there_is_no_content);
    RUN(makedumpfile_that_cannot_be_started_is_a_content_that_fails);
    RUN(what_the_program_writes_is_the_stream);
    unlink(path);
    return tap_done();
}
