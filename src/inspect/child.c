/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The check in a process of its own; see check.h. */
#include "inspect/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "inspect/answer.h"
#include "inspect/sandbox.h"
#include "inspect/spawn.h"

enum {
    CPU_S_BASE = 60,
    CPU_BYTES_PER_S = 128 << 10, /* deflate packs 1032 to 1 at most: 129 MiB of zeros a second */
    ANSWER_WAIT_MS = 2000,       /* from the first byte of an answer to its end */
};

/* ---- the child's side ---- */

/* libcrypto finds its algorithms when they are first used, which needs more system calls than the
 * sandbox leaves. */
static void warm_up(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
}

void pnd_check_child_main(int argc, char **argv)
{
    struct pnd_sandbox sandbox = {.memory_max = PND_CHECK_MEMORY_MAX, .cpu_s_max = CPU_S_BASE};
    uint8_t answer[PND_ANSWER_LEN];
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    struct stat st;
    int err = PND_OK;

    if (argc < 1 || strcmp(argv[0], PND_CHECK_CHILD_NAME) != 0)
        return;
    if (fstat(PND_SANDBOX_DUMP_FD, &st) != 0 || fcntl(PND_SANDBOX_ANSWER_FD, F_GETFD) < 0)
        _exit(EXIT_FAILURE); /* started by hand */
    if (st.st_size > 0)
        sandbox.cpu_s_max += (uint64_t)st.st_size / CPU_BYTES_PER_S;
    warm_up();

    err = pnd_sandbox_enter(&sandbox, &why);
    if (!err)
        err = pnd_check_file(PND_SANDBOX_DUMP_FD, NULL, NULL, &check, &why);
    pnd_answer_encode(err, &check, &why, answer);
    if (write(PND_SANDBOX_ANSWER_FD, answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        _exit(EXIT_FAILURE);
    _exit(EXIT_SUCCESS);
}

/* ---- the parent's side ---- */

int pnd_check_start(int fd, struct pnd_check_child *ret, struct pnd_why *why)
{
    char name[] = PND_CHECK_CHILD_NAME;
    char *argv[] = {name, NULL};
    struct pnd_spawn spawn;
    int err = pnd_spawn(argv, fd, &spawn, why);

    if (!err)
        *ret = (struct pnd_check_child){.pid = spawn.pid, .result_fd = spawn.result_fd};
    return err;
}

/* Reads until the pipe ends, the answer is too long, or its rest does not come in time.
 *   @return bytes in @p buf */
static size_t read_answer(int fd, uint8_t *buf, size_t cap)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    while (len < cap) {
        int ready = poll(&poller, 1, len ? ANSWER_WAIT_MS : -1);
        ssize_t n;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            break;
        n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

int pnd_check_collect(struct pnd_check_child *child, struct pnd_check *ret, struct pnd_why *why)
{
    struct pnd_spawn spawn = {.pid = child->pid, .result_fd = child->result_fd};
    uint8_t answer[PND_ANSWER_LEN + 1];
    size_t len = read_answer(child->result_fd, answer, sizeof(answer));
    /* One that has answered is gone or going; one that lingers has no business to. */
    int status = pnd_spawn_reap(&spawn);

    *child = (struct pnd_check_child){.pid = -1, .result_fd = -1};
    if (len == 0 && status >= 0)
        return pnd_spawn_died(status, "check", why);
    return pnd_answer_decode(answer, len, ret, why);
}
