/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A vmcore that is mapped part by part gives the bytes that reading gives. The file here is an
 * ordinary one, which is told to be mapped as /proc/vmcore is. */
#include "capture/vmcore_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

enum {
    PART = 4 << 20, /* that is mapped at a time */
    BYTES = 2 * PART + 4096 + 123,
};

static uint8_t want[BYTES], got[BYTES];
static struct pnd_vmcore_file file;

static bool open_file(void)
{
    char path[64];
    struct pnd_why why = {.text = ""};
    int fd = memfd_create("vmcore", MFD_CLOEXEC);
    uint32_t state = 1;
    bool good;

    for (size_t i = 0; i < BYTES; i++)
        want[i] = (uint8_t)((state = state * 1664525 + 1013904223) >> 24);
    good = fd >= 0 && write(fd, want, BYTES) == BYTES;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    good = good && pnd_vmcore_file_open(&file, path, &why) == PND_OK;
    close(fd);
    return good;
}

static bool reads(uint64_t offset, size_t len)
{
    memset(got, 0, len);
    return pnd_vmcore_file_read(&file, offset, got, len) == PND_OK &&
           memcmp(got, want + offset, len) == 0;
}

static void everywhere(void)
{
    CHECK(reads(0, BYTES));
    CHECK(reads(0, 1));
    CHECK(reads(PART - 1, 2));
    CHECK(reads(PART - 5000, 10001));
    CHECK(reads(BYTES - 1, 1));
    CHECK(reads(2 * (size_t)PART - 3, BYTES - 2 * (size_t)PART + 3));
    CHECK(reads(7, 1023));
    CHECK(reads(4097, 1025));
    CHECK_EQ(file.unreadable_pages, 0);
    CHECK_EQ(pnd_vmcore_file_read(&file, BYTES - 1, got, 2), PND_E_SOURCE);
    CHECK_EQ(pnd_vmcore_file_read(&file, BYTES + 1, got, 0), PND_E_SOURCE);
}

static void an_ordinary_file_is_read(void)
{
    CHECK(open_file());
    CHECK(!file.mappable);
    everywhere();
    CHECK(!file.map);
    pnd_vmcore_file_close(&file);
}

static void what_is_mapped_has_the_same_bytes(void)
{
    CHECK(open_file());
    file.mappable = true;
    everywhere();
    CHECK(file.mappable && file.map);
    pnd_vmcore_file_close(&file);
    CHECK(!file.map);
}

static void one_of_proc_is_mapped_unless_it_is_opened_plainly(void)
{
    struct pnd_why why = {.text = ""};

    CHECK_EQ(pnd_vmcore_file_open(&file, "/proc/self/status", &why), PND_OK);
    CHECK(file.mappable);
    pnd_vmcore_file_close(&file);
    CHECK_EQ(pnd_vmcore_file_open_plain(&file, "/proc/self/status", &why), PND_OK);
    CHECK(!file.mappable);
    pnd_vmcore_file_close(&file);
}

static void what_cannot_be_mapped_is_read(void)
{
    struct pnd_why why = {.text = ""};
    char start[6] = "";

    CHECK_EQ(pnd_vmcore_file_open_plain(&file, "/proc/self/status", &why), PND_OK);
    CHECK(!file.mappable);
    file.mappable = true;
    file.bytes = 64; /* it has none of its own */
    CHECK_EQ(pnd_vmcore_file_read(&file, 0, start, 5), PND_OK);
    CHECK_STR(start, "Name:");
    CHECK(!file.mappable && !file.map);
    pnd_vmcore_file_close(&file);
}

int main(void)
{
    RUN(an_ordinary_file_is_read);
    RUN(what_is_mapped_has_the_same_bytes);
    RUN(one_of_proc_is_mapped_unless_it_is_opened_plainly);
    RUN(what_cannot_be_mapped_is_read);
    return tap_done();
}
