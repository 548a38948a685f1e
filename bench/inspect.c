/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How fast a dump is read: one pass with everything that it does, for each way to store the same
 * content, beside a plain read and SHA-256 alone in the same run. Files of memory, so that no disk
 * is measured. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zlib.h>
#include <zstd.h>

#include "inspect/pass.h"

enum {
    MIB = 1 << 20,
    CONTENT_MIB = 256,
    PAGE = 4096,
    HEADER_LEN = 32 + 72,
};

static const char log_text[] =
    "panic(cpu 1 caller 0xffffff8000212345): benchmark\n"
    "Backtrace (CPU 1), panicked thread: 0xffffff8011223344, Frame : Return Address\n"
    "0xffffffa012345670 : 0xffffff8000212345 \n"
    "0xffffffa012345680 : 0xffffff8000254321 \n\n"
    "Process name corresponding to current thread (0xffffff8011223344): kernel_task\n"
    "Boot args: debug=0xd44\n\nMac OS version:\n21A559\n\nKernel version:\n"
    "Darwin Kernel Version 21.1.0: Wed Oct 13 17:33:01 PDT 2021; "
    "root:xnu-8019.41.5~1/RELEASE_X86_64\n"
    "System uptime in nanoseconds: 12345678901\n";

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void put_le(uint8_t *at, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

/* A quarter zeros, a quarter noise, a quarter text, a quarter pointers: a kernel's memory packs
 * about as well. */
static uint8_t *make_content(size_t len)
{
    static const char words[] = "kernel_task: assertion failed: (lck->waiters == 0), file \"lck\" ";
    uint8_t *content = calloc(1, len);
    uint64_t x = 88172645463325252u;

    if (!content)
        die("calloc");
    for (size_t at = 0; at + PAGE <= len; at += PAGE) {
        size_t kind = (at / PAGE) % 4;

        for (size_t i = 0; kind && i < PAGE; i += 8) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            put_le(content + at + i, kind == 1 ? x : UINT64_C(0xffffff8000000000) | (x & 0xfffff0),
                   8);
        }
        for (size_t i = 0; kind == 2 && i < PAGE; i++)
            content[at + i] = (uint8_t)words[(i + at / PAGE) % (sizeof(words) - 1)];
    }
    memset(content + len / 4 * 3, 0, sizeof(log_text));
    memcpy(content + len / 4 * 3, log_text, sizeof(log_text));
    memset(content, 0, PAGE);
    put_le(content, 0xfeedfacf, 4); /* a Mach-O core with one segment */
    put_le(content + 4, 0x01000007, 4);
    put_le(content + 12, 4, 4);
    put_le(content + 16, 1, 4);
    put_le(content + 20, 72, 4);
    put_le(content + 32, 0x19, 4);
    put_le(content + 36, 72, 4);
    put_le(content + 32 + 24, 0xffffff8000000000, 8);
    put_le(content + 32 + 32, len - PAGE, 8);
    put_le(content + 32 + 40, PAGE, 8);
    put_le(content + 32 + 48, len - PAGE, 8);
    return content;
}

static int file_of(const void *data, size_t len)
{
    int fd = memfd_create("bench", MFD_CLOEXEC);

    for (size_t at = 0; fd >= 0 && at < len;) {
        ssize_t n = pwrite(fd, (const uint8_t *)data + at, len - at, (off_t)at);

        if (n <= 0)
            die("pwrite");
        at += (size_t)n;
    }
    if (fd < 0)
        die("memfd_create");
    return fd;
}

static double read_plainly(int fd, size_t len, bool hash)
{
    uint8_t *block = malloc(256 << 10), digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    double start = now_s();

    if (!block || !md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        die("EVP_DigestInit_ex");
    for (size_t at = 0; at < len;) {
        ssize_t n = pread(fd, block, 256 << 10, (off_t)at);

        if (n <= 0)
            die("pread");
        if (hash)
            EVP_DigestUpdate(md, block, (size_t)n);
        at += (size_t)n;
    }
    EVP_DigestFinal_ex(md, digest, NULL);
    EVP_MD_CTX_free(md);
    free(block);
    return now_s() - start;
}

/* @param ret_facts  seconds of it that the last facts took: what a person waits for when a dump
 * that was followed has arrived */
static double inspect(int fd, size_t content_len, double *ret_facts)
{
    struct pnd_pass *pass = NULL;
    struct pnd_why why = {0};
    struct pnd_check check = {0};
    struct pnd_facts facts;
    double start = now_s(), read;

    if (pnd_pass_create(fd, &pass, &why) ||
        pnd_pass_advance(pass, UINT64_MAX, true, NULL, NULL, &why)) {
        fprintf(stderr, "inspect: %s\n", why.text);
        exit(EXIT_FAILURE);
    }
    read = now_s();
    if (pnd_pass_facts(pass, &facts, &why) ||
        strcmp(pnd_facts_text(&facts, PND_FACT_PANIC), "benchmark") != 0) {
        fprintf(stderr, "inspect: the panic is not found %s\n", why.text);
        exit(EXIT_FAILURE);
    }
    *ret_facts = now_s() - read;
    if (pnd_pass_check(pass, &check, &why) || check.verdict != PND_VERDICT_COMPLETE ||
        check.content_bytes != content_len) {
        fprintf(stderr, "inspect: %s%s\n", why.text, check.reason);
        exit(EXIT_FAILURE);
    }
    pnd_facts_deinit(&facts);
    pnd_pass_destroy(pass);
    return now_s() - start;
}

static void report(const char *what, double seconds, size_t content, size_t stored, double plain,
                   double hash)
{
    printf("%-22s %6.2f GB/s of content, %6.2f GB/s as stored; time: %5.2f x plain read, "
           "%5.2f x SHA-256\n",
           what, (double)content / seconds / 1e9, (double)stored / seconds / 1e9, seconds / plain,
           seconds / hash);
}

static void report_pass(const char *what, int fd, size_t content, size_t stored, double plain,
                        double hash)
{
    double facts, seconds = inspect(fd, content, &facts);

    report(what, seconds, content, stored, plain, hash);
    printf("%-22s %6.1f ms of that are the last facts\n", "", facts * 1e3);
}

int main(int argc, char **argv)
{
    size_t len = (argc > 1 ? strtoul(argv[1], NULL, 10) : CONTENT_MIB) * MIB, cap, packed_len;
    uint8_t *content = make_content(len), *packed;
    double plain, hash;
    z_stream z = {0};
    int fd = file_of(content, len);

    cap = ZSTD_compressBound(len) + MIB;
    packed = malloc(cap);
    if (!packed)
        die("malloc");
    read_plainly(fd, len, false); /* warm */
    plain = read_plainly(fd, len, false);
    hash = read_plainly(fd, len, true);
    report("plain read", plain, len, len, plain, hash);
    report("SHA-256 alone", hash, len, len, plain, hash);
    report_pass("Mach-O", fd, len, len, plain, hash);
    close(fd);

    if (deflateInit2(&z, 1, Z_DEFLATED, 12 + 16, 3, Z_DEFAULT_STRATEGY) != Z_OK)
        die("deflateInit2");
    z.next_in = content;
    z.avail_in = (uInt)len;
    z.next_out = packed;
    z.avail_out = (uInt)cap;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        die("deflate");
    packed_len = cap - z.avail_out;
    deflateEnd(&z);
    fd = file_of(packed, packed_len);
    report_pass("Mach-O in Apple's gzip", fd, len, packed_len, plain, hash);
    close(fd);

    packed_len = ZSTD_compress(packed, cap, content, len, 3);
    if (ZSTD_isError(packed_len))
        die("ZSTD_compress");
    fd = file_of(packed, packed_len);
    report_pass("Mach-O in zstd", fd, len, packed_len, plain, hash);
    close(fd);
    free(packed);
    free(content);
    return EXIT_SUCCESS;
}
