/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Zip through libarchive; see zip.h. */
#include "panicctl/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "host/io.h"
#include "panicctl/sparse.h"

enum { BLOCK_LEN = 1 << 20 };

/* On 21 MiB of programs' memory, a core of an x86-64 server: 196 MB/s and 10.3 % left; the default,
 * 6, 90 MB/s and 8.6 %. */
#define DEFLATE_LEVEL "3"

struct pnd_zip {
    struct archive *archive;
    EVP_MD_CTX *sha256;
    struct pnd_sparse to;
    struct pnd_why broken; /* what the last write said */
    int broken_err;
    int64_t time_s;
    unsigned count;
    struct pnd_zip_member members[PND_ZIP_MEMBERS_MAX];
    uint8_t buf[BLOCK_LEN];
};

static la_ssize_t take(struct archive *archive, void *ctx, const void *data, size_t len)
{
    struct pnd_zip *zip = ctx;

    zip->broken_err = pnd_sparse_write(&zip->to, data, len, &zip->broken);
    if (zip->broken_err) {
        archive_set_error(archive, EIO, "%s", zip->broken.text);
        return -1;
    }
    return (la_ssize_t)len;
}

static int failed(struct pnd_zip *zip, struct pnd_why *why)
{
    const char *text = archive_error_string(zip->archive);

    if (zip->broken_err)
        return pnd_why(why, zip->broken_err, 0, "%s", zip->broken.text);
    return pnd_why(why, PND_E_SYS, 0, "libarchive: %s", text ? text : "it does not say why");
}

int pnd_zip_create(int fd, bool holes, int64_t time_s, struct pnd_zip **ret, struct pnd_why *why)
{
    struct pnd_zip *zip = calloc(1, sizeof(*zip));
    int err = PND_OK;

    if (!zip)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make a buffer");
    zip->to = (struct pnd_sparse){.fd = fd, .holes = holes};
    zip->time_s = time_s;
    zip->sha256 = EVP_MD_CTX_new();
    zip->archive = archive_write_new();
    if (!zip->sha256 || !zip->archive)
        err = pnd_why(why, PND_E_SYS, ENOMEM, "begin the zip");
    else if (archive_write_set_format_zip(zip->archive) != ARCHIVE_OK ||
             archive_write_set_format_option(zip->archive, "zip", "compression-level",
                                             DEFLATE_LEVEL) != ARCHIVE_OK ||
             archive_write_set_bytes_per_block(zip->archive, BLOCK_LEN) != ARCHIVE_OK ||
             archive_write_set_bytes_in_last_block(zip->archive, 1) != ARCHIVE_OK ||
             archive_write_open2(zip->archive, zip, NULL, take, NULL, NULL) != ARCHIVE_OK)
        err = failed(zip, why);
    if (err) {
        pnd_zip_destroy(zip);
        return err;
    }
    *ret = zip;
    return PND_OK;
}

void pnd_zip_destroy(struct pnd_zip *zip)
{
    if (!zip)
        return;
    if (zip->archive) {
        archive_write_fail(zip->archive); /* nothing more is written */
        archive_write_free(zip->archive);
    }
    EVP_MD_CTX_free(zip->sha256);
    free(zip);
}

/* ---- a member ---- */

static int begin(struct pnd_zip *zip, const char *name, uint64_t bytes, bool store,
                 struct pnd_why *why)
{
    struct archive_entry *entry;
    int got;

    if (zip->count == PND_ZIP_MEMBERS_MAX || strlen(name) >= PND_ZIP_NAME_CAP)
        return pnd_why(why, PND_E_FULL, 0, "no more members");
    entry = archive_entry_new2(zip->archive);
    if (!entry || EVP_DigestInit_ex(zip->sha256, EVP_sha256(), NULL) != 1) {
        archive_entry_free(entry);
        return pnd_why(why, PND_E_SYS, ENOMEM, "begin %s in the zip", name);
    }
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)bytes);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_mtime(entry, zip->time_s, 0);
    if (store)
        archive_write_zip_set_compression_store(zip->archive);
    else
        archive_write_zip_set_compression_deflate(zip->archive);
    got = archive_write_header(zip->archive, entry);
    archive_entry_free(entry);
    snprintf(zip->members[zip->count].name, PND_ZIP_NAME_CAP, "%s", name);
    zip->members[zip->count].bytes = bytes;
    return got == ARCHIVE_OK ? PND_OK : failed(zip, why);
}

static int add(struct pnd_zip *zip, const void *data, size_t len, struct pnd_why *why)
{
    if (EVP_DigestUpdate(zip->sha256, data, len) != 1)
        return pnd_why(why, PND_E_SYS, 0, "SHA-256 cannot be computed");
    return archive_write_data(zip->archive, data, len) == (la_ssize_t)len ? PND_OK
                                                                          : failed(zip, why);
}

static int end(struct pnd_zip *zip, struct pnd_why *why)
{
    struct pnd_zip_member *member = &zip->members[zip->count];
    uint8_t sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (archive_write_finish_entry(zip->archive) != ARCHIVE_OK)
        return failed(zip, why);
    if (EVP_DigestFinal_ex(zip->sha256, sum, &len) != 1 || len != 32)
        return pnd_why(why, PND_E_SYS, 0, "SHA-256 cannot be computed");
    for (unsigned i = 0; i < len; i++)
        snprintf(member->sha256 + (size_t)2 * i, 3, "%02x", sum[i]);
    zip->count++;
    return PND_OK;
}

int pnd_zip_put(struct pnd_zip *zip, const char *name, const void *data, size_t len,
                struct pnd_why *why)
{
    int err = begin(zip, name, len, len == 0, why);

    if (!err && len > 0)
        err = add(zip, data, len, why);
    return err ? err : end(zip, why);
}

/* A hole is zeros that nobody has to read. @return its end, at most @p end; @p at when there is
 * data, or a file system that does not say */
static uint64_t hole_end(int fd, uint64_t at, uint64_t end)
{
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);

    if (data < 0)
        return errno == ENXIO ? end : at;
    return (uint64_t)data < end ? (uint64_t)data : end;
}

static int add_hole(struct pnd_zip *zip, uint64_t at, uint64_t end, struct pnd_progress *progress,
                    struct pnd_why *why)
{
    int err = PND_OK;

    memset(zip->buf, 0, sizeof(zip->buf));
    while (!err && at < end) {
        size_t len = end - at < BLOCK_LEN ? (size_t)(end - at) : BLOCK_LEN;

        err = add(zip, zip->buf, len, why);
        at += len;
        pnd_progress_update(progress, at);
    }
    return err;
}

static int add_file(struct pnd_zip *zip, int fd, uint64_t bytes, struct pnd_progress *progress,
                    struct pnd_why *why)
{
    uint64_t at = 0;
    int err = PND_OK;

    while (!err && at < bytes) {
        size_t want = bytes - at < BLOCK_LEN ? (size_t)(bytes - at) : BLOCK_LEN;
        uint64_t hole = hole_end(fd, at, bytes);
        ssize_t n;

        if (hole > at) {
            err = add_hole(zip, at, hole, progress, why);
            at = hole;
            continue;
        }
        n = pnd_io_read_at(fd, at, zip->buf, want);
        if (n < 0)
            return pnd_why(why, PND_E_SOURCE, errno, "read the dump at byte %" PRIu64, at);
        if (n == 0)
            return pnd_why(why, PND_E_SOURCE, 0, "the dump became shorter while it was packed");
        err = add(zip, zip->buf, (size_t)n, why);
        at += (uint64_t)n;
        pnd_progress_update(progress, at);
    }
    return err;
}

int pnd_zip_put_file(struct pnd_zip *zip, const char *name, int fd, uint64_t bytes, bool store,
                     struct pnd_progress *progress, struct pnd_why *why)
{
    struct stat before, after;
    int err = begin(zip, name, bytes, store, why);

    if (!err && fstat(fd, &before) != 0)
        err = pnd_why(why, PND_E_SOURCE, errno, "look at the dump");
    if (!err)
        err = add_file(zip, fd, bytes, progress, why);
    if (!err && (fstat(fd, &after) != 0 || (uint64_t)after.st_size != bytes ||
                 after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
                 after.st_mtim.tv_nsec != before.st_mtim.tv_nsec))
        err = pnd_why(why, PND_E_SOURCE, 0, "the dump changed while it was packed");
    return err ? err : end(zip, why);
}

int pnd_zip_end(struct pnd_zip *zip, uint64_t *ret_bytes, struct pnd_why *why)
{
    if (archive_write_close(zip->archive) != ARCHIVE_OK)
        return failed(zip, why);
    return pnd_sparse_finish(&zip->to, ret_bytes, why);
}

unsigned pnd_zip_members(const struct pnd_zip *zip, const struct pnd_zip_member **ret)
{
    *ret = zip->members;
    return zip->count;
}
