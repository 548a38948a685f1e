/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump in the order in which a crash kernel sends it, as the receiver sees it: the same machine,
 * whole when it is whole, and known by its first bytes. */
#include "tap.h"

#include "capture/content.h"
#include "unit/linux_image.h"

enum { FIRST_BYTES = IMAGE_PAGE + IMAGE_PAGE + LOG_BYTES }; /* head, the machine's name, log */

static struct pnd_vmcore_file file;
static struct pnd_content content;
static uint8_t before[FILE_CAP];
static size_t before_len, sink_len, sink_room;
static int opened;

static int take(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    if (len > sink_room - sink_len)
        return PND_E_LINK;
    memcpy(file_bytes + sink_len, buf, len);
    sink_len += len;
    return PND_OK;
}

/* What is written of the file as it is now; it is then the file under test. */
static int write_content(size_t room)
{
    const struct pnd_sink sink = {.write = take};
    int err;

    sink_len = 0;
    sink_room = room;
    memset(file_bytes, 0xee, sizeof(file_bytes));
    err = content.write(content.ctx, &sink);
    file_len = sink_len;
    return err;
}

/* Opens a file of the first @p len bytes, which is then cut to @p left. */
static void open_content(size_t len, size_t left)
{
    char path[64];
    int fd = memfd_create("vmcore", MFD_CLOEXEC);
    struct pnd_why why;

    if (fd < 0 || write(fd, file_bytes, len) != (ssize_t)len) {
        printf("Bail out! no memory for a file\n");
        exit(EXIT_FAILURE);
    }
    before_len = len;
    memcpy(before, file_bytes, len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    pnd_vmcore_file_close(&file);
    CHECK_EQ(pnd_vmcore_file_open(&file, path, &why), PND_OK);
    opened = pnd_content_elf(&file, &content);
    CHECK_EQ(ftruncate(fd, (off_t)left), 0);
    close(fd);
}

static void make_machine(unsigned cpus)
{
    const struct elf_how how = {.info = true, .virtual = true};

    image_make(cpus, false);
    make_elf_core(&how);
    open_content(file_len, file_len);
    CHECK_EQ(opened, PND_OK);
}

static void the_machine_is_the_same_in_the_new_order(void)
{
    for (unsigned cpus = 1; cpus <= CPUS_MAX; cpus++) {
        make_machine(cpus);
        CHECK_EQ(write_content(FILE_CAP), PND_OK);
        CHECK_EQ(file_len, content.bytes);
        /* a page of headers and notes, and memory once */
        CHECK_EQ(file_len, IMAGE_PAGE + IMAGE_BYTES);
        look(file_len);
        CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(check.format, "elf");
        expect_machine();
    }
}

static void why_it_died_is_known_from_the_first_bytes(void)
{
    size_t known = 0;

    make_machine(2);
    CHECK_EQ(write_content(FILE_CAP), PND_OK);
    for (size_t len = IMAGE_PAGE; known == 0 && len < file_len; len += IMAGE_PAGE) {
        look(len);
        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        if (fact(PND_FACT_PANIC)[0])
            known = len;
    }
    printf("# known from %zu of %zu bytes\n", known, file_len);
    CHECK(known > 0 && known <= FIRST_BYTES);
    look(FIRST_BYTES);
    CHECK_STR(fact(PND_FACT_PANIC), "test crash");
    CHECK_STR(fact(PND_FACT_HOST), "crashed-host");
    CHECK_STR(fact(PND_FACT_KERNEL), "6.1.0-test");
}

static void no_byte_less_is_a_whole_dump(void)
{
    make_machine(1);
    CHECK_EQ(write_content(FILE_CAP), PND_OK);
    for (size_t less = 1; less < file_len; less = less * 2 + 1) {
        look(file_len - less);
        CHECK_EQ(check.verdict, PND_VERDICT_INCOMPLETE);
        CHECK(check.missing_count >= 1);
    }
}

static void it_can_be_written_again(void)
{
    static uint8_t first[FILE_CAP];
    size_t first_len;

    make_machine(1);
    CHECK_EQ(write_content(FILE_CAP), PND_OK);
    first_len = file_len;
    memcpy(first, file_bytes, first_len);
    for (size_t room = 0; room < first_len; room += 9999)
        CHECK_EQ(write_content(room), PND_E_LINK); /* what the sink says ends it */
    CHECK_EQ(write_content(FILE_CAP), PND_OK);
    CHECK_EQ(file_len, first_len);
    CHECK_MEM(file_bytes, first, first_len);
}

static void expect_as_it_stands(void)
{
    CHECK_EQ(opened, PND_E_FORMAT);
    CHECK_EQ(content.bytes, before_len);
    CHECK_EQ(write_content(FILE_CAP), PND_OK);
    CHECK_EQ(file_len, before_len);
    CHECK_MEM(file_bytes, before, before_len);
}

static void what_is_not_understood_is_given_as_it_stands(void)
{
    make_machine(1);
    memcpy(file_bytes, before, before_len);
    file_bytes[1] = 'e'; /* no ELF */
    open_content(before_len, before_len);
    expect_as_it_stands();

    make_machine(1);
    memcpy(file_bytes, before, before_len);
    open_content(before_len - 1, before_len - 1); /* cut short */
    expect_as_it_stands();

    make_machine(1);
    memcpy(file_bytes, before, before_len);
    file_bytes[before_len - 1] ^= 1; /* the kernel's text is not the same in both places */
    open_content(before_len, before_len);
    expect_as_it_stands();

    open_content(0, 0);
    expect_as_it_stands();
}

static void a_dump_without_a_log_is_sent_all_the_same(void)
{
    make_machine(1);
    memcpy(file_bytes, before, before_len);
    for (size_t i = 0; i + 12 < before_len; i++)
        if (memcmp(file_bytes + i, "SYMBOL(prb)=", 12) == 0)
            file_bytes[i] = 's';
    open_content(before_len, before_len);
    CHECK_EQ(write_content(FILE_CAP), PND_OK);
    CHECK_EQ(file_len, IMAGE_PAGE + IMAGE_BYTES);
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(fact(PND_FACT_HOST), "crashed-host");
}

static void pages_that_cannot_be_read_are_x(void)
{
    size_t pages = 5, count = 0;

    make_machine(1);
    memcpy(file_bytes, before, before_len);
    open_content(before_len, before_len - pages * IMAGE_PAGE);
    for (unsigned turn = 0; turn < 2; turn++) {
        CHECK_EQ(write_content(FILE_CAP), PND_OK);
        CHECK_EQ(file.unreadable_pages, pages); /* each time anew */
    }
    for (size_t at = 0; at + IMAGE_PAGE <= file_len; at += IMAGE_PAGE) {
        size_t i = 0;

        while (i < IMAGE_PAGE && file_bytes[at + i] == 'X')
            i++;
        count += i == IMAGE_PAGE;
    }
    CHECK_EQ(count, pages);
    look(file_len);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
}

int main(void)
{
    file.fd = -1;
    RUN(the_machine_is_the_same_in_the_new_order);
    RUN(why_it_died_is_known_from_the_first_bytes);
    RUN(no_byte_less_is_a_whole_dump);
    RUN(it_can_be_written_again);
    RUN(what_is_not_understood_is_given_as_it_stands);
    RUN(a_dump_without_a_log_is_sent_all_the_same);
    RUN(pages_that_cannot_be_read_are_x);
    pnd_vmcore_file_close(&file);
    pnd_facts_deinit(&facts);
    return tap_done();
}
