/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unpacking in a process of its own; see unpack.h. What the child says is a row of records: a
 * header of 16 bytes - kind, length of what follows, position in the source - and its bytes: data,
 * or where the data go that follow. The last is the verdict. The parent trusts none of it. */
#include "inspect/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "host/io.h"
#include "host/text.h"
#include "inspect/sandbox.h"
#include "inspect/spawn.h"
#include "wire/cursor.h"

enum {
    DATA = 0x41544144,    /* "DATA" */
    SEEK = 0x4b454553,    /* "SEEK" */
    VERDICT = 0x54445256, /* "VRDT" */
    SEEK_LEN = 8,
    HEADER_LEN = 4 + 4 + 8,
    VERDICT_LEN = 4 + sizeof(struct pnd_why),
    ARG_COUNT = 6, /* name, offset, length, packing, form, 1: there is a key to wait for */
    KEY_LEN = 2 + PND_DECRYPT_KEY_BYTES + PND_DECRYPT_IV_BYTES, /* cipher, nonce, key, vector */
    NUMBER_CAP = 24,
    CPU_S_BASE = 60,
    CPU_BYTES_PER_S = 128 << 10, /* as for the check: a file of nothing but zeros is packed so */
    PIPE_LEN = 1 << 20,
};

/* ---- the child's side ---- */

static int say(const void *data, size_t len)
{
    return pnd_io_write(PND_SANDBOX_ANSWER_FD, data, len) ? PND_E_ABORTED : PND_OK;
}

static int say_header(uint32_t kind, size_t len, uint64_t position)
{
    uint8_t header[HEADER_LEN];
    struct pnd_wr wr = pnd_wr(header, sizeof(header));

    pnd_wr_le32(&wr, kind);
    pnd_wr_le32(&wr, (uint32_t)len);
    pnd_wr_le64(&wr, position);
    return say(header, sizeof(header));
}

static int say_data(void *ctx, const void *data, size_t len, uint64_t done)
{
    (void)ctx;
    return say_header(DATA, len, done) ? PND_E_ABORTED : say(data, len);
}

static int say_seek(void *ctx, uint64_t at, uint64_t done)
{
    uint8_t to[SEEK_LEN];
    struct pnd_wr wr = pnd_wr(to, sizeof(to));

    (void)ctx;
    pnd_wr_le64(&wr, at);
    return say_header(SEEK, sizeof(to), done) ? PND_E_ABORTED : say(to, sizeof(to));
}

static void say_verdict(int result, uint64_t at, const struct pnd_why *why)
{
    uint8_t verdict[VERDICT_LEN];
    struct pnd_wr wr = pnd_wr(verdict, sizeof(verdict));

    pnd_wr_le32(&wr, (uint32_t)-result);
    pnd_wr_bytes(&wr, why->text, sizeof(why->text));
    if (say_header(VERDICT, sizeof(verdict), at) || say(verdict, sizeof(verdict)))
        _exit(EXIT_FAILURE);
}

/* What send_key() has sent. libcrypto wants the file system when it is first used, so all that it
 * needs is made before the cage closes. @return NULL: there is no such key */
static struct pnd_decrypt *hear_key(const struct pnd_unpack_job *job)
{
    uint8_t message[KEY_LEN + 1] = {0};
    struct pnd_rd rd = pnd_rd(message, KEY_LEN);
    struct pnd_decrypt *decrypt = NULL;
    struct pnd_decrypt_key key;
    const uint8_t *secret, *iv;
    ssize_t n;

    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    do
        n = read(PND_SANDBOX_GO_FD, message, sizeof(message));
    while (n < 0 && errno == EINTR);
    if (n != KEY_LEN)
        return NULL;
    key.cipher = (enum pnd_decrypt_cipher)pnd_rd_u8(&rd);
    key.nonce = (enum pnd_decrypt_nonce)pnd_rd_u8(&rd);
    secret = pnd_rd_bytes(&rd, sizeof(key.key));
    iv = pnd_rd_bytes(&rd, sizeof(key.iv));
    memcpy(key.key, secret, sizeof(key.key));
    memcpy(key.iv, iv, sizeof(key.iv));
    if (pnd_decrypt_create(PND_SANDBOX_DUMP_FD, job->offset, job->length, &key, &decrypt, NULL))
        decrypt = NULL;
    pnd_decrypt_forget(&key);
    OPENSSL_cleanse(message, sizeof(message));
    return decrypt;
}

void pnd_unpack_child_main(int argc, char **argv)
{
    struct pnd_sandbox sandbox = {.memory_max = PND_UNPACK_MEMORY_MAX, .cpu_s_max = CPU_S_BASE};
    struct pnd_unpack_sink sink = {.write = say_data, .seek = say_seek};
    struct pnd_unpack_job job = {0};
    struct pnd_decrypt *decrypt = NULL;
    struct pnd_why why = {0};
    uint64_t at = 0, packing, form, encrypted;
    int err;

    if (argc < 1 || strcmp(argv[0], PND_UNPACK_CHILD_NAME) != 0)
        return;
    if (argc != ARG_COUNT || fcntl(PND_SANDBOX_DUMP_FD, F_GETFD) < 0 ||
        fcntl(PND_SANDBOX_ANSWER_FD, F_GETFD) < 0 || pnd_text_parse_uint(argv[1], &job.offset) ||
        pnd_text_parse_uint(argv[2], &job.length) || pnd_text_parse_uint(argv[3], &packing) ||
        pnd_text_parse_uint(argv[4], &form) || pnd_text_parse_uint(argv[5], &encrypted))
        _exit(EXIT_FAILURE); /* started by hand */
    job.packing = (enum pnd_unpack_packing)packing;
    job.form = (enum pnd_unpack_form)form;
    sandbox.cpu_s_max += job.length / CPU_BYTES_PER_S;
    if (encrypted && !(decrypt = hear_key(&job)))
        _exit(EXIT_FAILURE);

    err = pnd_sandbox_enter(&sandbox, &why);
    if (!err)
        err = decrypt ? pnd_unpack_decrypted(decrypt, &job, &sink, &at, &why)
                      : pnd_unpack(PND_SANDBOX_DUMP_FD, &job, &sink, &at, &why);
    say_verdict(err, at, &why);
    _exit(EXIT_SUCCESS);
}

/* ---- the parent's side ---- */

/* @return bytes read: fewer at the end of what the child says */
static size_t hear(int fd, uint8_t *buf, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = read(fd, buf + got, len - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static int nonsense(struct pnd_why *why)
{
    return pnd_why(why, PND_E_FORMAT, 0, "the unpacking process gave an answer that is none");
}

/* Printable, and ended; from the results that pnd_unpack() may have. */
static int take_verdict(const uint8_t *verdict, struct pnd_why *why)
{
    struct pnd_rd rd = pnd_rd(verdict, VERDICT_LEN);
    uint32_t code = pnd_rd_le32(&rd);
    const char *text;
    size_t len;

    text = pnd_rd_cstr(&rd, &len);
    if (!text)
        return nonsense(why);
    if (code == PND_OK)
        return PND_OK;
    if (code != -(uint32_t)PND_E_SHORT && code != -(uint32_t)PND_E_FORMAT &&
        code != -(uint32_t)PND_E_TYPE && code != -(uint32_t)PND_E_RANGE &&
        code != -(uint32_t)PND_E_SOURCE && code != -(uint32_t)PND_E_SYS)
        return nonsense(why);
    if (why)
        pnd_text_escape(why->text, sizeof(why->text), text, len);
    return -(int)code;
}

static int take_record(uint32_t kind, const uint8_t *buf, size_t len, uint64_t position,
                       const struct pnd_unpack_sink *sink, struct pnd_why *why)
{
    struct pnd_rd rd = pnd_rd(buf, len);
    uint64_t at;

    if (kind == DATA)
        return sink->write(sink->ctx, buf, len, position);
    at = pnd_rd_le64(&rd);
    return sink->seek && at <= INT64_MAX ? sink->seek(sink->ctx, at, position) : nonsense(why);
}

static bool makes_sense(uint32_t kind, uint32_t len)
{
    if (kind == VERDICT || kind == SEEK)
        return len == (kind == SEEK ? (uint32_t)SEEK_LEN : (uint32_t)VERDICT_LEN);
    return kind == DATA && len > 0 && len <= PND_UNPACK_PIECE_MAX;
}

/* One record after another.
 *   @param ret_ended  the child ended before its verdict: why is not written yet */
static int listen_to(int fd, const struct pnd_unpack_job *job, const struct pnd_unpack_sink *sink,
                     uint8_t *buf, bool *ret_ended, uint64_t *ret_at, struct pnd_why *why)
{
    for (;;) {
        uint8_t header[HEADER_LEN];
        struct pnd_rd rd = pnd_rd(header, sizeof(header));
        uint32_t kind, len;
        uint64_t position;
        int err;

        *ret_ended = hear(fd, header, sizeof(header)) != sizeof(header);
        if (*ret_ended)
            return PND_E_FORMAT;
        kind = pnd_rd_le32(&rd);
        len = pnd_rd_le32(&rd);
        position = pnd_rd_le64(&rd);
        if (position > job->length || position < *ret_at || !makes_sense(kind, len))
            return nonsense(why);
        *ret_ended = hear(fd, buf, len) != len;
        if (*ret_ended)
            return PND_E_FORMAT;
        *ret_at = position;
        if (kind == VERDICT)
            return take_verdict(buf, why);
        err = take_record(kind, buf, len, position, sink, why);
        if (err)
            return err;
    }
}

/* Not as an argument, which everybody can read. A child that is gone is found out by its answer. */
static void send_key(const struct pnd_spawn *child, const struct pnd_decrypt_key *key)
{
    uint8_t message[KEY_LEN];
    struct pnd_wr wr = pnd_wr(message, sizeof(message));

    pnd_wr_u8(&wr, (uint8_t)key->cipher);
    pnd_wr_u8(&wr, (uint8_t)key->nonce);
    pnd_wr_bytes(&wr, key->key, sizeof(key->key));
    pnd_wr_bytes(&wr, key->iv, sizeof(key->iv));
    while (send(child->go_fd, message, sizeof(message), MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
    OPENSSL_cleanse(message, sizeof(message));
}

int pnd_unpack_caged(int fd, const struct pnd_unpack_job *job, const struct pnd_unpack_sink *sink,
                     uint64_t *ret_at, struct pnd_why *why)
{
    char name[] = PND_UNPACK_CHILD_NAME, offset[NUMBER_CAP], length[NUMBER_CAP],
         packing[NUMBER_CAP], form[NUMBER_CAP], encrypted[] = "0";
    char *argv[] = {name, offset, length, packing, form, encrypted, NULL};
    uint8_t *buf = malloc(PND_UNPACK_PIECE_MAX);
    struct pnd_spawn child;
    bool ended = false;
    int err, status;

    *ret_at = 0;
    if (!buf)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make a buffer");
    snprintf(offset, sizeof(offset), "%" PRIu64, job->offset);
    snprintf(length, sizeof(length), "%" PRIu64, job->length);
    snprintf(packing, sizeof(packing), "%u", (unsigned)job->packing);
    snprintf(form, sizeof(form), "%u", (unsigned)job->form);
    encrypted[0] = job->key ? '1' : '0';
    err = pnd_spawn(argv, fd, job->key != NULL, &child, why);
    if (!err) {
        if (job->key)
            send_key(&child, job->key);
        fcntl(child.result_fd, F_SETPIPE_SZ, PIPE_LEN); /* fewer switches; good without, too */
        err = listen_to(child.result_fd, job, sink, buf, &ended, ret_at, why);
        status = pnd_spawn_reap(&child);
        if (ended)
            err = pnd_spawn_died(status, "unpacking", why);
    }
    free(buf);
    return err;
}
