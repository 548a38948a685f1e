/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parent of a checking child; see check.h and message.h. Nothing that the child says is
 * trusted. */
#include "inspect/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inspect/sanitizer.h"
#include "wire/cursor.h"

enum {
    CPU_S_BASE = 60,
    CPU_BYTES_PER_S = 128 << 10, /* deflate packs 1032 to 1 at most: 129 MiB of zeros a second */
    READS_MAX = 64,              /* at a time: the caller has other things to do */
    PATIENCE_MS = 60000,         /* it gives way to all other work */
    ASK_MS = 100,
    JSON_VALUES_MAX = 1 << 18, /* twice what facts can have */
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- coming and going ---- */

int pnd_check_adopt(const struct pnd_spawn *spawn, struct pnd_check_child **ret,
                    struct pnd_why *why)
{
    struct pnd_check_child *child = calloc(1, sizeof(*child));

    if (!child || fcntl(spawn->result_fd, F_SETFL, O_NONBLOCK) != 0) {
        free(child);
        pnd_why(why, PND_E_SYS, errno, "listen to the check process");
        return PND_E_SYS; /* said plainly, for the analyzer */
    }
    child->spawn = *spawn;
    child->patience_ms = PATIENCE_MS;
    *ret = child;
    return PND_OK;
}

/* Processor time for a file of so many bytes. */
static int limit_cpu(const struct pnd_check_child *child, uint64_t bytes, struct pnd_why *why)
{
    struct rlimit limit;

    if (prlimit(child->spawn.pid, RLIMIT_CPU, NULL, &limit) == 0) {
        limit.rlim_cur = CPU_S_BASE + bytes / CPU_BYTES_PER_S;
        if (limit.rlim_max < limit.rlim_cur)
            limit.rlim_cur = limit.rlim_max; /* never up: that would need a privilege */
        if (prlimit(child->spawn.pid, RLIMIT_CPU, &limit, NULL) == 0)
            return PND_OK;
    }
    return pnd_why(why, PND_E_SYS, errno, "limit the processor time of the check process");
}

int pnd_check_start(int fd, bool follow, struct pnd_check_child **ret, struct pnd_why *why)
{
    char name[] = PND_CHECK_CHILD_NAME;
    char *argv[] = {name, NULL};
    struct pnd_check_child *child = NULL;
    struct pnd_spawn spawn;
    struct stat st;
    int err;

    if (fstat(fd, &st) != 0)
        return pnd_why(why, PND_E_SYS, errno, "look at the dump");
    err = pnd_spawn(argv, fd, true, &spawn, why);
    if (err)
        return err;
    err = pnd_check_adopt(&spawn, &child, why);
    if (err) {
        pnd_spawn_reap(&spawn);
        return err;
    }
    child->follow = follow;
    err = limit_cpu(child, follow || st.st_size < 0 ? 0 : (uint64_t)st.st_size, why);
    if (!err && !follow && pnd_check_allow(child, UINT64_MAX, true))
        err = pnd_why(why, PND_E_SYS, errno, "talk to the check process");
    if (err)
        pnd_check_destroy(child);
    else
        *ret = child;
    return err;
}

void pnd_check_destroy(struct pnd_check_child *child)
{
    if (!child)
        return;
    pnd_spawn_reap(&child->spawn);
    free(child->facts);
    free(child);
}

int pnd_check_fd(const struct pnd_check_child *child)
{
    return child->spawn.result_fd;
}

uint64_t pnd_check_done(const struct pnd_check_child *child)
{
    return child->done;
}

/* ---- speaking ---- */

/* Sends what it was not told yet. One that does not listen at the moment is told later. */
static int tell(struct pnd_check_child *child)
{
    uint8_t go[PND_MESSAGE_GO_LEN];
    struct pnd_wr wr = pnd_wr(go, sizeof(go));

    if (child->spawn.go_fd < 0 ||
        (child->told == child->allowed && child->final_told == child->final))
        return PND_OK;
    pnd_wr_be64(&wr, child->allowed);
    pnd_wr_u8(&wr, child->final);
    if (send(child->spawn.go_fd, go, sizeof(go), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return errno == EAGAIN || errno == EINTR ? PND_OK : PND_E_SYS;
    child->told = child->allowed;
    child->final_told = child->final;
    return PND_OK;
}

int pnd_check_allow(struct pnd_check_child *child, uint64_t bytes, bool final)
{
    int err = PND_OK;

    if (child->ended || child->final)
        return PND_OK;
    if (bytes > child->allowed)
        child->allowed = bytes;
    child->final = final;
    if (child->follow)
        err = limit_cpu(child, child->allowed, NULL);
    return err ? err : tell(child);
}

/* ---- listening ---- */

/* Values in JSON, without building them: a document of nothing but commas is small, and what it
 * would be parsed to is not. */
static bool has_few_values(const uint8_t *json, size_t len)
{
    size_t values = 0;
    bool text = false;

    for (size_t i = 0; i < len; i++) {
        if (text && json[i] == '\\')
            i++;
        else if (json[i] == '"')
            text = !text;
        else if (!text)
            values += json[i] == ',' || json[i] == ':' || json[i] == '[' || json[i] == '{';
    }
    return values <= JSON_VALUES_MAX;
}

int pnd_child_parse_facts(const void *json, size_t len, struct pnd_facts *ret)
{
    json_t *root;
    int err;

    *ret = (struct pnd_facts){0};
    if (!has_few_values(json, len))
        return PND_E_FORMAT;
    root = json_loadb(json, len, 0, NULL);
    if (!root)
        return PND_E_FORMAT;
    err = pnd_facts_from_json(root, ret);
    json_decref(root);
    return err;
}

static int no_sense(struct pnd_check_child *child, struct pnd_why *why)
{
    child->ended = true;
    return pnd_why(why, PND_E_FORMAT, 0, "the check process gave no proper answer");
}

static int add_facts(struct pnd_check_child *child, const uint8_t *body, size_t len)
{
    size_t cap = child->facts_cap ? child->facts_cap : PND_MESSAGE_PIECE_MAX;
    uint8_t *grown;

    if (len > PND_FACT_JSON_MAX - child->facts_len)
        return PND_E_FORMAT;
    while (cap < child->facts_len + len)
        cap *= 2;
    if (cap != child->facts_cap) {
        grown = realloc(child->facts, cap);
        if (!grown)
            return PND_E_SYS;
        child->facts = grown;
        child->facts_cap = cap;
    }
    if (len)
        memcpy(child->facts + child->facts_len, body, len);
    child->facts_len += len;
    return PND_OK;
}

/* All pieces are there. */
static int take_facts(struct pnd_check_child *child, struct pnd_facts *ret)
{
    int err = child->facts_len ? pnd_child_parse_facts(child->facts, child->facts_len, ret)
                               : PND_E_FORMAT;

    free(child->facts);
    child->facts = NULL;
    child->facts_len = child->facts_cap = 0;
    return err;
}

/* One that has answered is gone or going; one that lingers has no business to. */
static int take_verdict(struct pnd_check_child *child, const uint8_t *body, size_t len,
                        struct pnd_check *check, struct pnd_why *why)
{
    child->ended = true;
    return pnd_answer_decode(body, len, check, why);
}

/* One message. @return as pnd_check_next() */
static int take_message(struct pnd_check_child *child, uint32_t kind, const uint8_t *body,
                        size_t len, enum pnd_check_news *ret, struct pnd_check *check,
                        struct pnd_facts *facts, struct pnd_why *why)
{
    struct pnd_rd rd = pnd_rd(body, len);
    int err = PND_OK;

    switch (kind) {
    case PND_MESSAGE_DONE:
        child->done = pnd_rd_be64(&rd);
        err = len == PND_MESSAGE_DONE_LEN ? PND_OK : PND_E_FORMAT;
        break;
    case PND_MESSAGE_FACTS:
        err = add_facts(child, body, len);
        break;
    case PND_MESSAGE_FACTS_END:
        err = len == 0 ? take_facts(child, facts) : PND_E_FORMAT;
        *ret = PND_CHECK_FACTS;
        break;
    case PND_MESSAGE_CHECKED:
        err = pnd_answer_decode(body, len, &child->verdict, why) ? PND_E_FORMAT : PND_OK;
        child->checked = !err;
        break;
    case PND_MESSAGE_VERDICT:
        *ret = PND_CHECK_DONE;
        return take_verdict(child, body, len, check, why);
    default:
        err = PND_E_FORMAT;
    }
    if (err == PND_E_SYS)
        return pnd_why(why, PND_E_SYS, ENOMEM, "take the facts of the check process");
    return err ? no_sense(child, why) : PND_OK;
}

/* Takes the first message of what was heard, if all of it is there. */
static int take_first(struct pnd_check_child *child, bool *ret_any, enum pnd_check_news *ret,
                      struct pnd_check *check, struct pnd_facts *facts, struct pnd_why *why)
{
    struct pnd_rd rd = pnd_rd(child->in, child->in_len);
    uint32_t kind = pnd_rd_be32(&rd), len = pnd_rd_be32(&rd);
    size_t all;
    int err;

    *ret_any = false;
    if (!pnd_rd_ok(&rd))
        return PND_OK;
    if (len > PND_MESSAGE_BODY_MAX)
        return no_sense(child, why);
    all = PND_MESSAGE_HEADER_LEN + len;
    if (child->in_len < all)
        return PND_OK;
    *ret_any = true;
    err =
        take_message(child, kind, child->in + PND_MESSAGE_HEADER_LEN, len, ret, check, facts, why);
    child->in_len -= all;
    memmove(child->in, child->in + all, child->in_len);
    return err;
}

/* @return PND_OK there may be more; PND_E_NOTFOUND nothing at the moment; PND_E_FORMAT it died */
static int hear(struct pnd_check_child *child, struct pnd_why *why)
{
    ssize_t n =
        read(child->spawn.result_fd, child->in + child->in_len, sizeof(child->in) - child->in_len);
    int status;

    if (n < 0 && errno == EINTR)
        return PND_OK;
    if (n < 0 && errno == EAGAIN) {
        if (child->in_len && now_ms() - child->heard_ms > child->patience_ms)
            return no_sense(child, why);
        return PND_E_NOTFOUND;
    }
    if (n > 0) {
        child->in_len += (size_t)n;
        child->heard_ms = now_ms();
        return PND_OK;
    }
    child->ended = true;
    status = pnd_spawn_wait(&child->spawn);
    if (status < 0 || (status == 0 && child->in_len))
        return no_sense(child, why);
    return pnd_spawn_died(status, "check", why);
}

/* It failed over the facts: the verdict that it gave before stands. */
static void take_checked(const struct pnd_check_child *child, struct pnd_check *check,
                         struct pnd_why *why)
{
    *check = child->verdict;
    if (why && check->note[0] == '\0')
        snprintf(check->note, sizeof(check->note), "what it says was not read: %.90s", why->text);
}

int pnd_check_next(struct pnd_check_child *child, enum pnd_check_news *ret, struct pnd_check *check,
                   struct pnd_facts *facts, struct pnd_why *why)
{
    enum pnd_check_news news = PND_CHECK_NOTHING;
    int err = PND_OK;
    bool any = true;

    *facts = (struct pnd_facts){0};
    *ret = PND_CHECK_NOTHING;
    if (child->ended)
        return PND_OK;
    if (tell(child))
        errno = 0; /* it is gone: what it said last is still there, and how it ended */
    for (unsigned i = 0; i < READS_MAX; i++) {
        do
            err = take_first(child, &any, &news, check, facts, why);
        while (!err && any && news == PND_CHECK_NOTHING);
        if (err || news != PND_CHECK_NOTHING)
            break;
        err = hear(child, why);
        if (err == PND_E_NOTFOUND)
            return PND_OK;
        if (err)
            break;
    }
    if (err == PND_E_FORMAT && child->checked) {
        take_checked(child, check, why);
        err = PND_OK;
        news = PND_CHECK_DONE;
    }
    if (!err)
        *ret = news;
    return err;
}

/* ---- start, wait, collect ---- */

/* Takes what came. @return PND_OK with @p ret_done; or an error */
static int collect(struct pnd_check_child *child, bool *ret_done, struct pnd_check *ret,
                   struct pnd_facts *facts, struct pnd_why *why)
{
    enum pnd_check_news news;
    struct pnd_facts newer;
    int err;

    do {
        err = pnd_check_next(child, &news, ret, &newer, why);
        if (err || news != PND_CHECK_FACTS)
            continue;
        pnd_facts_deinit(facts);
        *facts = newer;
    } while (!err && news == PND_CHECK_FACTS);
    *ret_done = !err && news == PND_CHECK_DONE;
    return err;
}

int pnd_check_run(int fd, bool (*ended)(uint64_t done, void *ctx), void *ctx, struct pnd_check *ret,
                  struct pnd_facts *facts, struct pnd_why *why)
{
    struct pnd_check_child *child = NULL;
    struct pnd_facts last = {0};
    bool done = false;
    int err = pnd_check_start(fd, false, &child, why);

    while (child && !err && !done) {
        struct pollfd poller = {.fd = pnd_check_fd(child), .events = POLLIN};

        if (poll(&poller, 1, ASK_MS) > 0)
            err = collect(child, &done, ret, &last, why);
        if (!err && !done && ended && ended(pnd_check_done(child), ctx))
            err = pnd_why(why, PND_E_ABORTED, 0, "the check was ended");
    }
    pnd_check_destroy(child);
    if (!err && facts)
        *facts = last;
    else
        pnd_facts_deinit(&last);
    if (err && facts)
        *facts = (struct pnd_facts){0};
    return err;
}
