/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /proc/vmcore: see vmcore_file.h. */
#include "capture/vmcore_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "capture/watchdog.h"
#include "host/io.h"
#include "image/vmcore_memory.h"
#include "sender/address.h"
#include "sender/stop.h"

enum {
    PAGE_BYTES = 4096,
    UNREADABLE = 'X', /* @source PROTOCOL.md#kdp-1.4 */
    COPY_BYTES = 1024,
    MAP_BYTES = 4 << 20, /* mapped at a time: 2 pages of page tables */
};

/* What is asked of the dump about itself is all there, or is not believed. */
static int read_source(void *ctx, uint64_t offset, void *buf, size_t len)
{
    const struct pnd_vmcore_file *file = ctx;

    if (pnd_stop_signal())
        return PND_E_ABORTED;
    pnd_watchdog_alive(); /* to look at struct page of a large machine takes minutes */
    return pnd_io_read_at(file->fd, offset, buf, len) == (ssize_t)len ? PND_OK : PND_E_SOURCE;
}

/* @source uname(2): six names of 65 bytes, of which this is the second */
static void read_host(struct pnd_vmcore_file *file)
{
    struct pnd_vmcore_memory memory;
    uint64_t at = 0, offset = 0;
    char names[2][PND_VMCORE_HOST_CAP];

    pnd_vmcore_info_number(&file->vmcore, "OFFSET(uts_namespace.name)", 10, &offset);
    pnd_vmcore_memory_open(&memory, &file->vmcore);
    if (pnd_vmcore_info_number(&file->vmcore, "SYMBOL(init_uts_ns)", 16, &at) &&
        pnd_vmcore_memory_read(&memory, at + offset, names, sizeof(names)) == PND_OK &&
        memcmp(names[0], "Linux", sizeof("Linux")) == 0)
        memcpy(file->host, names[1], sizeof(file->host) - 1);
}

int pnd_vmcore_file_open_plain(struct pnd_vmcore_file *file, const char *path, struct pnd_why *why)
{
    struct stat st;
    int err;

    memset(file, 0, sizeof(*file));
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &st) < 0) {
        err = pnd_why(why, PND_E_SYS, errno, "open %s", path);
        if (file->fd < 0 && errno == ENOENT)
            pnd_why(why, err, 0,
                    "open %s: it is not there - is this a crash kernel, started by kexec with "
                    "elfcorehdr=?",
                    path);
        pnd_vmcore_file_close(file);
        return err;
    }
    file->bytes = (uint64_t)st.st_size;
    return PND_OK;
}

int pnd_vmcore_file_open(struct pnd_vmcore_file *file, const char *path, struct pnd_why *why)
{
    struct pnd_vmcore_source source = {.ctx = file, .read = read_source};
    int err = pnd_vmcore_file_open_plain(file, path, why);
    struct statfs fs;

    if (err)
        return err;
    file->mappable = fstatfs(file->fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
    err = pnd_vmcore_open(&file->vmcore, &source);
    file->understood = err == PND_OK;
    if (!err) {
        read_host(file);
        err = pnd_vmcore_reason(&file->vmcore, file->reason);
    }
    if (err)
        pnd_why(why, PND_OK, 0, "why the kernel died is not found in %s: %s", path,
                pnd_err_text(err));
    else
        file->nmi = pnd_vmcore_reason_is_nmi(file->reason);
    return PND_OK;
}

static void unmap(struct pnd_vmcore_file *file)
{
    if (file->map)
        munmap(file->map, file->map_bytes);
    file->map = NULL;
}

void pnd_vmcore_file_close(struct pnd_vmcore_file *file)
{
    unmap(file);
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* @return bytes read; 0: not one of them can be */
static size_t read_some(const struct pnd_vmcore_file *file, uint64_t offset, void *buf, size_t len)
{
    ssize_t n;

    do
        n = pread(file->fd, buf, len, (off_t)offset);
    while (n < 0 && errno == EINTR && !pnd_stop_signal());
    return n > 0 ? (size_t)n : 0;
}

/* The kernel maps each page that is read for itself, asks whether it may, and takes it back again:
 * more work than to copy it. Here it does that for many. All of a mapping is there at once, so that
 * no page of it can be missing when it is looked at.
 *   @return bytes copied; 0: that part has to be read */
static size_t copy_mapped(struct pnd_vmcore_file *file, uint64_t offset, void *buf, size_t len)
{
    size_t at = (size_t)(offset % MAP_BYTES);

    if (!file->mappable)
        return 0;
    if (!file->map || offset - at != file->map_offset) {
        uint64_t left = file->bytes - (offset - at);
        void *map;

        unmap(file);
        file->map_offset = offset - at;
        file->map_bytes = left < MAP_BYTES ? (size_t)left : (size_t)MAP_BYTES;
        map =
            mmap(NULL, file->map_bytes, PROT_READ, MAP_PRIVATE, file->fd, (off_t)file->map_offset);
        file->mappable = map != MAP_FAILED;
        if (!file->mappable)
            return 0;
        file->map = map;
    }
    if (len > file->map_bytes - at)
        len = file->map_bytes - at;
    /* Small parts, and no memcpy: for large ones the C library, and for those the compiler, takes
     * an instruction that a processor made by software does byte by byte. */
    for (size_t done = 0; done < len; done += COPY_BYTES)
        memmove((uint8_t *)buf + done, file->map + at + done,
                len - done < COPY_BYTES ? len - done : (size_t)COPY_BYTES);
    return len;
}

int pnd_vmcore_file_read(struct pnd_vmcore_file *file, uint64_t offset, void *buf, size_t len)
{
    uint8_t *at = buf;

    if (offset > file->bytes || len > file->bytes - offset)
        return PND_E_SOURCE;
    while (len > 0) {
        size_t page = PAGE_BYTES - (size_t)(offset % PAGE_BYTES), n;

        if (pnd_stop_signal())
            return PND_E_ABORTED;
        pnd_watchdog_alive(); /* also where nothing is sent, because it is only looked at */
        if (page > len)
            page = len;
        n = copy_mapped(file, offset, at, len);
        if (n == 0)
            n = read_some(file, offset, at, len);
        if (n == 0 && len > page) /* one page of them, perhaps not this one */
            n = read_some(file, offset, at, page);
        if (n == 0) {
            if (pnd_stop_signal())
                return PND_E_ABORTED;
            memset(at, UNREADABLE, page);
            file->unreadable_pages++;
            n = page;
        }
        at += n;
        offset += n;
        len -= n;
    }
    return PND_OK;
}

/* A part of a name: what is not safe in one is '_'. */
static void make_part(char *text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_";

    for (; *text; text++)
        if (!strchr(safe, *text))
            *text = '_';
}

const char *pnd_vmcore_file_name(const struct pnd_vmcore_file *file, uint32_t own_ip, char *dst,
                                 size_t cap)
{
    char release[PND_VMCORE_RELEASE_CAP] = "unknown", who[PND_VMCORE_HOST_CAP] = "unknown";
    uint64_t when_s = file->vmcore.crash_time_s;

    if (when_s == 0)
        when_s = (uint64_t)time(NULL);
    if (file->vmcore.release[0])
        memcpy(release, file->vmcore.release, sizeof(release));
    if (own_ip)
        pnd_address_format(who, own_ip);
    else if (file->host[0])
        memcpy(who, file->host, sizeof(who));
    make_part(release);
    make_part(who);
    snprintf(dst, cap, "core-linux-%s-%s-%s-%" PRIx64, release, who, file->nmi ? "nmi" : "panic",
             when_s);
    return dst;
}
