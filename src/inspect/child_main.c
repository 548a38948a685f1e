/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The checking child itself; see check.h and message.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "inspect/message.h"
#include "host/io.h"
#include "inspect/pass.h"
#include "inspect/sandbox.h"
#include "wire/cursor.h"

enum {
    STEP = 4 << 20,   /* bytes of the file between looks at the clock */
    TELL_MS = 250,    /* between words of how far it is */
    FACTS_SHARE = 10, /* facts on the way take at most a tenth of the time */
    NICENESS = 10,
    IOPRIO_LOWEST = 2 << 13 | 7, /* best effort, last. @source ioprio_set(2) */
    IOPRIO_PROCESS = 1,
    SORT_LEN = 4096,
};

struct child {
    struct pnd_pass *pass;
    int64_t told_ms, facts_next_ms;
    unsigned news;         /* that facts were said for */
    uint64_t facts_digest; /* of what was said last */
    bool facts_said;
    uint8_t piece[PND_MESSAGE_PIECE_MAX];
    size_t piece_len;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int compare_bytes(const void *a, const void *b)
{
    return *(const uint8_t *)a - *(const uint8_t *)b;
}

/* Libraries find what they need when they are first used, which needs more system calls than the
 * sandbox leaves: libcrypto its algorithms, jansson its seed, glibc the time zone and how much it
 * may sort in memory. */
static void warm_up(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint8_t *bytes = calloc(1, SORT_LEN);

    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    EVP_Digest("", 0, digest, NULL, EVP_sha256(), NULL);
    json_object_seed(0);
    tzset();
    if (bytes)
        qsort(bytes, SORT_LEN, 1, compare_bytes);
    free(bytes);
}

/* Everybody else's work comes first. None of it is worth failing for. */
static void give_way(void)
{
    struct sched_param param = {0};

    if (setpriority(PRIO_PROCESS, 0, NICENESS) != 0)
        errno = 0;
    if (sched_setscheduler(0, SCHED_BATCH, &param) != 0)
        errno = 0;
    syscall(SYS_ioprio_set, IOPRIO_PROCESS, 0, IOPRIO_LOWEST);
}

/* ---- saying ---- */

static void say_bytes(const void *data, size_t len)
{
    if (pnd_io_write(PND_SANDBOX_ANSWER_FD, data, len))
        _exit(EXIT_FAILURE); /* nobody listens any more */
}

static void say(enum pnd_message_kind kind, const void *body, size_t len)
{
    uint8_t header[PND_MESSAGE_HEADER_LEN];
    struct pnd_wr wr = pnd_wr(header, sizeof(header));

    pnd_wr_be32(&wr, kind);
    pnd_wr_be32(&wr, (uint32_t)len);
    say_bytes(header, sizeof(header));
    say_bytes(body, len);
}

static void say_verdict(enum pnd_message_kind kind, int err, const struct pnd_check *check,
                        const struct pnd_why *why)
{
    uint8_t answer[PND_ANSWER_LEN];

    pnd_answer_encode(err, check, why, answer);
    say(kind, answer, sizeof(answer));
}

static void say_done(struct child *child, bool at_once)
{
    int64_t now = now_ms();
    uint8_t body[PND_MESSAGE_DONE_LEN];
    struct pnd_wr wr = pnd_wr(body, sizeof(body));

    if (!at_once && now - child->told_ms < TELL_MS)
        return;
    child->told_ms = now;
    pnd_wr_be64(&wr, pnd_pass_done(child->pass));
    say(PND_MESSAGE_DONE, body, sizeof(body));
}

/* FNV-1a */
static int digest_json(const char *data, size_t len, void *ctx)
{
    uint64_t *digest = ctx;

    for (size_t i = 0; i < len; i++)
        *digest = (*digest ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
    return 0;
}

static int say_json(const char *data, size_t len, void *ctx)
{
    struct child *child = ctx;

    while (len > 0) {
        size_t room = sizeof(child->piece) - child->piece_len, part = len < room ? len : room;

        memcpy(child->piece + child->piece_len, data, part);
        child->piece_len += part;
        data += part;
        len -= part;
        if (child->piece_len == sizeof(child->piece)) {
            say(PND_MESSAGE_FACTS, child->piece, child->piece_len);
            child->piece_len = 0;
        }
    }
    return 0;
}

/* Unless they are what was said last. */
static void say_facts(struct child *child, const struct pnd_facts *facts)
{
    json_t *json = pnd_facts_to_json(facts, true);
    uint64_t digest = UINT64_C(0xcbf29ce484222325);

    if (!json)
        return;
    if (json_dump_callback(json, digest_json, &digest, JSON_COMPACT) == 0 &&
        (!child->facts_said || digest != child->facts_digest)) {
        child->piece_len = 0;
        json_dump_callback(json, say_json, child, JSON_COMPACT);
        say(PND_MESSAGE_FACTS, child->piece, child->piece_len);
        say(PND_MESSAGE_FACTS_END, NULL, 0);
        child->facts_said = true;
        child->facts_digest = digest;
    }
    json_decref(json);
}

enum moment {
    BUSY, /* there is more to read: facts take their share of the time, no more */
    IDLE, /* nothing is held up */
    LAST, /* all has come: whatever it costs, and whether there is news or not */
};

/* Facts that cannot be had, for want of memory, cost nothing else: the verdict is still to come.
 * @return PND_OK; as pnd_pass_facts() */
static int tell_facts(struct child *child, enum moment moment, struct pnd_why *why)
{
    unsigned news = pnd_pass_news(child->pass);
    int64_t start = now_ms();
    struct pnd_facts facts;
    int err;

    if (moment != LAST && news == child->news)
        return PND_OK;
    if (moment == BUSY && start < child->facts_next_ms)
        return PND_OK;
    child->news = news;
    err = pnd_pass_facts(child->pass, &facts, why);
    if (!err) {
        say_facts(child, &facts);
        pnd_facts_deinit(&facts);
    }
    child->facts_next_ms = now_ms() + (now_ms() - start) * (FACTS_SHARE - 1);
    if (child->facts_next_ms < start + TELL_MS)
        child->facts_next_ms = start + TELL_MS; /* those who listen have other things to do */
    return err;
}

/* ---- reading ---- */

/* Waits for the next word of the parent's. */
static void hear(uint64_t *ret_bytes, bool *ret_final)
{
    uint8_t go[PND_MESSAGE_GO_LEN] = {0};
    struct pnd_rd rd = pnd_rd(go, sizeof(go));
    ssize_t n;

    do
        n = read(PND_SANDBOX_GO_FD, go, sizeof(go));
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof(go))
        _exit(EXIT_FAILURE); /* the parent is gone */
    *ret_bytes = pnd_rd_be64(&rd);
    *ret_final = pnd_rd_u8(&rd) != 0;
}

/* Reads what is there by now of the first @p bytes. With all of them there the verdict is what is
 * waited for, and facts come when that is known. */
static int go_on(struct child *child, uint64_t bytes, bool final, struct pnd_why *why)
{
    struct pnd_why facts_why;
    uint64_t before = 0;
    int err = PND_OK;

    do {
        uint64_t end = before = pnd_pass_done(child->pass);

        end = bytes - end < STEP ? bytes : end + STEP;
        err = pnd_pass_advance(child->pass, end, false, NULL, NULL, why);
        if (!err) {
            say_done(child, false);
            if (!final)
                tell_facts(child, BUSY, &facts_why);
        }
    } while (!err && pnd_pass_done(child->pass) > before && pnd_pass_done(child->pass) < bytes);
    return err;
}

static int check_all(struct child *child, struct pnd_check *ret, struct pnd_why *why)
{
    int err = pnd_pass_create(PND_SANDBOX_DUMP_FD, &child->pass, why);
    struct pnd_why facts_why = {0};
    bool final = false;
    uint64_t bytes;

    while (!err && !final) {
        hear(&bytes, &final);
        err = bytes > pnd_pass_done(child->pass) ? go_on(child, bytes, final, why) : PND_OK;
        if (!err && final)
            err = pnd_pass_advance(child->pass, bytes, true, NULL, NULL, why);
        if (!err)
            say_done(child, true);
        if (!err && !final)
            tell_facts(child, IDLE, &facts_why);
    }
    if (!err)
        err = pnd_pass_check(child->pass, ret, why);
    if (err)
        return err;
    say_verdict(PND_MESSAGE_CHECKED, PND_OK, ret, why);
    if (tell_facts(child, LAST, &facts_why) && ret->note[0] == '\0')
        snprintf(ret->note, sizeof(ret->note), "what it says was not read: %.90s", facts_why.text);
    return PND_OK;
}

void pnd_check_child_main(int argc, char **argv)
{
    /* its processor time is the parent's business, who knows how much there is to read */
    struct pnd_sandbox sandbox = {.memory_max = PND_CHECK_MEMORY_MAX, .go = true};
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    struct child *child;
    int err;

    if (argc < 1 || strcmp(argv[0], PND_CHECK_CHILD_NAME) != 0)
        return;
    if (fcntl(PND_SANDBOX_DUMP_FD, F_GETFD) < 0 || fcntl(PND_SANDBOX_ANSWER_FD, F_GETFD) < 0 ||
        fcntl(PND_SANDBOX_GO_FD, F_GETFD) < 0)
        _exit(EXIT_FAILURE); /* started by hand */
    child = calloc(1, sizeof(*child));
    if (!child)
        _exit(EXIT_FAILURE);
    warm_up();
    give_way();

    err = pnd_sandbox_enter(&sandbox, &why);
    if (!err)
        err = check_all(child, &check, &why);
    say_verdict(PND_MESSAGE_VERDICT, err, &check, &why);
    _exit(EXIT_SUCCESS);
}
