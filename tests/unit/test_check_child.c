/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The child that does the check: it answers as this process would, and can do nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <zstd.h>

#include "inspect/child.h"
#include "inspect/sandbox.h"
#include "inspect/sanitizer.h"
#include "unit/check_fixture.h"
#include "wire/cursor.h"

/* As a program without an event loop: until the verdict. */
static int run(int fd, struct pnd_check *ret, struct pnd_facts *facts, struct pnd_why *why)
{
    return pnd_check_run(fd, NULL, NULL, ret, facts, why);
}

/* Waits for what the child says next, at most ten seconds. */
static int next(struct pnd_check_child *child, enum pnd_check_news *news, struct pnd_check *check,
                struct pnd_facts *facts, struct pnd_why *why)
{
    struct pollfd poller = {.fd = pnd_check_fd(child), .events = POLLIN};
    int err = PND_OK;

    *news = PND_CHECK_NOTHING;
    for (int i = 0; i < 1000 && !err && *news == PND_CHECK_NOTHING; i++) {
        poll(&poller, 1, 10);
        err = pnd_check_next(child, news, check, facts, why);
    }
    return err;
}

static void answers_from_the_child_as_from_this_process(void)
{
    static uint8_t packed[PACKED_CAP];
    struct pnd_check here, there = {0};
    struct pnd_why why = {0};
    uint8_t elf[ELF_LEN];
    size_t len;
    int fd;

    make_elf(elf);
    for (size_t cut = 0; cut <= ELF_LEN; cut += 0x800) {
        len = pack(elf, cut, packed);
        here = check_bytes(packed, len);
        fd = file_of(packed, len);
        CHECK_EQ(run(fd, &there, NULL, &why), PND_OK);
        CHECK_STR(why.text, "");
        CHECK_EQ(there.verdict, here.verdict);
        CHECK_STR(there.format, here.format);
        CHECK_STR(there.reason, here.reason);
        CHECK_STR(there.sha256, here.sha256);
        CHECK_EQ(there.bytes, here.bytes);
        CHECK_EQ(there.content_bytes, here.content_bytes);
        CHECK_EQ(there.missing_count, here.missing_count);
        CHECK_MEM(there.missing, here.missing, sizeof(here.missing));
        close(fd);
    }
}

static void tells_facts_before_the_verdict_and_how_far_it_is(void)
{
    struct pnd_check_child *child = NULL;
    enum pnd_check_news news;
    struct pnd_check check = {0};
    struct pnd_facts facts;
    struct pnd_why why = {0};
    uint8_t macho[MACHO_LEN];
    int fd;

    make_macho(macho);
    fd = file_of(macho, sizeof(macho));
    CHECK_EQ(pnd_check_start(fd, false, &child, &why), PND_OK);
    CHECK_EQ(next(child, &news, &check, &facts, &why), PND_OK);
    CHECK_EQ(news, PND_CHECK_FACTS);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_ARCH), "x86_64");
    CHECK_EQ(facts.range_count, 1);
    pnd_facts_deinit(&facts);
    CHECK_EQ(next(child, &news, &check, &facts, &why), PND_OK);
    CHECK_EQ(news, PND_CHECK_DONE);
    CHECK_EQ(pnd_check_done(child), MACHO_LEN);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    pnd_check_destroy(child);
    close(fd);
}

static void follows_a_file_that_grows_and_says_facts_on_the_way(void)
{
    static const char text[] = "\nDarwin Kernel Version 21.1.0: Wed; root:xnu-8019.41.5~1/R_X\n";
    static uint8_t page[256 << 10];
    struct pnd_check_child *child = NULL;
    enum pnd_check_news news;
    struct pnd_check check = {0};
    struct pnd_facts facts;
    struct pnd_why why = {0};
    int fd = memfd_create("grows", MFD_CLOEXEC);

    fill_noise(page, sizeof(page));
    memcpy(page + 1000, text, sizeof(text) - 1);
    CHECK_EQ(pnd_check_start(fd, true, &child, &why), PND_OK);
    CHECK_EQ(pwrite(fd, page, 2, 0), 2);
    CHECK_EQ(pnd_check_allow(child, 2, false), PND_OK);
    CHECK_EQ(pwrite(fd, page, sizeof(page), 0), sizeof(page));
    CHECK_EQ(pnd_check_allow(child, sizeof(page) - 7, false), PND_OK);
    CHECK_EQ(next(child, &news, &check, &facts, &why), PND_OK);
    CHECK_EQ(news, PND_CHECK_FACTS);
    CHECK_STR(pnd_facts_text(&facts, PND_FACT_KERNEL), "xnu-8019.41.5");
    pnd_facts_deinit(&facts);
    CHECK_EQ(pnd_check_allow(child, sizeof(page), false), PND_OK);
    CHECK_EQ(pnd_check_allow(child, sizeof(page), true), PND_OK);
    do {
        CHECK_EQ(next(child, &news, &check, &facts, &why), PND_OK);
        pnd_facts_deinit(&facts);
    } while (news == PND_CHECK_FACTS);
    CHECK_EQ(news, PND_CHECK_DONE);
    CHECK_EQ(check.bytes, sizeof(page));
    CHECK_STR(check.sha256, check_bytes(page, sizeof(page)).sha256);
    pnd_check_destroy(child);
    close(fd);
}

static void gets_more_processor_time_as_more_is_there_to_read(void)
{
    struct pnd_check_child *child = NULL;
    struct pnd_why why = {0};
    struct rlimit limit;
    int fd = memfd_create("grows", MFD_CLOEXEC);

    CHECK_EQ(pnd_check_start(fd, true, &child, &why), PND_OK);
    CHECK_EQ(prlimit(child->spawn.pid, RLIMIT_CPU, NULL, &limit), 0);
    CHECK_EQ(limit.rlim_cur, 60);
    CHECK_EQ(pnd_check_allow(child, UINT64_C(1) << 30, false), PND_OK);
    CHECK_EQ(prlimit(child->spawn.pid, RLIMIT_CPU, NULL, &limit), 0);
    CHECK_EQ(limit.rlim_cur, 60 + 8192);
    pnd_check_destroy(child);
    close(fd);
}

static void survives_a_bomb_in_the_child_within_its_memory(void)
{
    static uint8_t zeros[1 << 20], packed[PACKED_CAP];
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    size_t len = pack(zeros, sizeof(zeros), packed);
    int fd = memfd_create("bomb", MFD_CLOEXEC);

    for (int i = 0; i < 256; i++)
        CHECK_EQ(pwrite(fd, packed, len, (off_t)(len * (size_t)i)), len);
    CHECK_EQ(run(fd, &check, NULL, &why), PND_OK);
    CHECK_EQ(check.content_bytes, UINT64_C(256) << 20);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    close(fd);
}

/* The most memory that a child ever had, in KiB, this one or one before; at first it shares its
 * parent's. */
static long memory_of_children(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_CHILDREN, &usage) == 0 ? usage.ru_maxrss : 0;
}

static void needs_less_than_64_mib_however_large_the_dump(void)
{
    static uint8_t zeros[1 << 20], packed[PACKED_CAP];
    struct pnd_check check = {0};
    uint8_t macho[MACHO_LEN];
    struct pnd_why why = {0};
    long kib;
    size_t len;
    int fd = memfd_create("sparse", MFD_CLOEXEC);

    make_macho(macho);
    CHECK_EQ(pwrite(fd, macho, sizeof(macho), 0), sizeof(macho));
    for (int i = 1; i < 16; i++)
        CHECK_EQ(pwrite(fd, "panic(cpu 0 caller", 18, (off_t)i * 33333333), 18);
    CHECK_EQ(ftruncate(fd, (off_t)1 << 30), 0);
    CHECK_EQ(run(fd, &check, NULL, &why), PND_OK);
    kib = memory_of_children();
    CHECK_EQ(check.bytes, UINT64_C(1) << 30);
    CHECK_STR(check.format, "macho");
    CHECK(PND_SANITIZED || (kib > 1000 && kib < 64 << 10));
    close(fd);

    fd = memfd_create("packed", MFD_CLOEXEC); /* enough to fill the index */
    memcpy(zeros + 777, macho, sizeof(macho));
    len = pack(zeros, sizeof(zeros), packed);
    for (int i = 0; i < 600; i++)
        CHECK_EQ(pwrite(fd, packed, len, (off_t)(len * (size_t)i)), len);
    CHECK_EQ(run(fd, &check, NULL, &why), PND_OK);
    kib = memory_of_children();
    CHECK_EQ(check.content_bytes, UINT64_C(600) << 20);
    CHECK(PND_SANITIZED || (kib > 1000 && kib < 64 << 10));
    close(fd);
}

static void unpacks_the_largest_zstd_window_within_its_memory(void)
{
    uint8_t noise[2000], *packed = malloc(1 << 16);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_inBuffer in = {.src = noise, .size = sizeof(noise)};
    ZSTD_outBuffer out = {.dst = packed, .size = 1 << 16};
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd;

    fill_noise(noise, sizeof(noise));
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 27);
    ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush); /* of unknown size: all of the window */
    CHECK_EQ(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
    ZSTD_freeCCtx(zstd);
    fd = file_of(packed, out.pos);
    CHECK_EQ(run(fd, &check, NULL, &why), PND_OK);
    CHECK_STR(why.text, "");
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    CHECK_STR(check.note, "");
    CHECK_EQ(check.content_bytes, sizeof(noise));
    close(fd);
    free(packed);
}

static void survives_a_child_that_dies(void)
{
    struct pnd_check_child *child = NULL;
    enum pnd_check_news news;
    struct pnd_check check = {0};
    struct pnd_facts facts;
    struct pnd_why why = {0};
    int fd = memfd_create("large", MFD_CLOEXEC);

    CHECK_EQ(ftruncate(fd, (off_t)64 << 30), 0);
    CHECK_EQ(pnd_check_start(fd, false, &child, &why), PND_OK);
    kill(child->spawn.pid, SIGSEGV);
    CHECK_EQ(next(child, &news, &check, &facts, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "the check process ") != NULL);
    CHECK_EQ(pnd_check_next(child, &news, &check, &facts, &why), PND_OK); /* nothing more */
    CHECK_EQ(news, PND_CHECK_NOTHING);
    pnd_check_destroy(child);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
    CHECK_EQ(errno, ECHILD);
    close(fd);
}

static bool at_once(uint64_t done, void *ctx)
{
    (void)done;
    ++*(int *)ctx;
    return true;
}

static void ends_when_it_is_told_to(void)
{
    struct pnd_facts facts = {0};
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = memfd_create("large", MFD_CLOEXEC), asked = 0;

    CHECK_EQ(ftruncate(fd, (off_t)64 << 30), 0);
    CHECK_EQ(pnd_check_run(fd, at_once, &asked, &check, &facts, &why), PND_E_ABORTED);
    CHECK_EQ(asked, 1);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    close(fd);
}

static void says_why_a_file_cannot_be_read_by_the_child(void)
{
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK_EQ(run(fd, &check, NULL, &why), PND_E_SYS);
    CHECK_STR(why.text, "read the dump at byte 0: Is a directory");
    close(fd);
}

/* A child that says @p len bytes at @p msg, and then ends, or sleeps. */
static struct pnd_check_child *speak(const void *msg, size_t len, bool sleeps)
{
    struct pnd_spawn spawn = {.go_fd = -1};
    struct pnd_check_child *child = NULL;
    struct pnd_why why;
    int pipes[2];

    fflush(stdout);
    if (pipe(pipes) != 0)
        abort();
    spawn.pid = fork();
    if (spawn.pid == 0) {
        close(pipes[0]);
        if (write(pipes[1], msg, len) != (ssize_t)len)
            _exit(1);
        if (sleeps)
            pause();
        _exit(0);
    }
    close(pipes[1]);
    spawn.result_fd = pipes[0];
    if (pnd_check_adopt(&spawn, &child, &why))
        abort();
    child->patience_ms = 50;
    return child;
}

static size_t put_message(uint8_t *at, uint32_t kind, const void *body, size_t len)
{
    struct pnd_wr wr = pnd_wr(at, 8);

    pnd_wr_be32(&wr, kind);
    pnd_wr_be32(&wr, (uint32_t)len);
    if (len)
        memcpy(at + 8, body, len);
    return 8 + len;
}

static void refuses_answers_without_sense(void)
{
    uint8_t good[PND_ANSWER_LEN], bad[PND_ANSWER_LEN + 1] = {0};
    struct pnd_check check = check_bytes("abc", 3), got;
    struct pnd_why none = {0}, why;

    pnd_answer_encode(PND_OK, &check, &none, good);
    CHECK_EQ(pnd_answer_decode(good, sizeof(good), &got, &why), PND_OK);
    for (size_t len = 0; len < sizeof(good); len += 7)
        CHECK_EQ(pnd_answer_decode(good, len, &got, &why), PND_E_FORMAT);
    memcpy(bad, good, sizeof(good));
    CHECK_EQ(pnd_answer_decode(bad, sizeof(bad), &got, &why), PND_E_FORMAT);
    for (size_t i = 0; i < 40; i++) { /* the numbers in front of the texts */
        memcpy(bad, good, sizeof(good));
        bad[i] ^= 0x40;
        CHECK(pnd_answer_decode(bad, sizeof(good), &got, &why) != PND_OK || (i >= 12 && i < 36));
    }
    memcpy(bad, good, sizeof(good));
    bad[40] = '\x1b'; /* into the format */
    CHECK_EQ(pnd_answer_decode(bad, sizeof(good), &got, &why), PND_E_FORMAT);
}

/* What one child says, and what becomes of it. */
static void expect_nonsense(const void *msg, size_t len, bool sleeps)
{
    struct pnd_check_child *child = speak(msg, len, sleeps);
    enum pnd_check_news news;
    struct pnd_check got;
    struct pnd_facts facts;
    struct pnd_why why = {0};
    int err;

    do {
        err = next(child, &news, &got, &facts, &why);
        pnd_facts_deinit(&facts);
    } while (!err && news != PND_CHECK_NOTHING);
    CHECK_EQ(err, PND_E_FORMAT);
    CHECK(why.text[0] != '\0');
    pnd_check_destroy(child);
}

static void refuses_messages_without_sense(void)
{
    static uint8_t msg[64 << 10];
    static char commas[20000];

    expect_nonsense("garbage that is long enough", 27, true);
    expect_nonsense(msg, put_message(msg, 99, "x", 1), true);
    expect_nonsense(msg, put_message(msg, PND_MESSAGE_DONE, "x", 1), true);
    expect_nonsense(msg, put_message(msg, PND_MESSAGE_FACTS_END, "", 0), true);
    expect_nonsense(msg, put_message(msg, PND_MESSAGE_VERDICT, "x", 1), true);
    memset(commas, '[', sizeof(commas));
    put_message(msg, PND_MESSAGE_FACTS, commas, sizeof(commas));
    expect_nonsense(msg,
                    8 + sizeof(commas) +
                        put_message(msg + 8 + sizeof(commas), PND_MESSAGE_FACTS_END, "", 0),
                    true);
    for (size_t len = 1; len < 16; len++) { /* cut off, or never going on */
        put_message(msg, PND_MESSAGE_DONE, "12345678", 8);
        expect_nonsense(msg, len, false);
        expect_nonsense(msg, len, true);
    }
}

static void keeps_the_verdict_of_a_child_that_fails_over_the_facts(void)
{
    static uint8_t msg[PND_ANSWER_LEN + 64];
    struct pnd_check check = check_bytes("abc", 3), got;
    uint8_t answer[PND_ANSWER_LEN];
    struct pnd_why none = {0}, why = {0};
    size_t len;

    pnd_answer_encode(PND_OK, &check, &none, answer);
    for (int lies = 0; lies < 2; lies++) {
        struct pnd_check_child *child;
        enum pnd_check_news news;
        struct pnd_facts facts;

        len = put_message(msg, PND_MESSAGE_CHECKED, answer, sizeof(answer));
        if (lies)
            len += put_message(msg + len, PND_MESSAGE_FACTS_END, "", 0);
        child = speak(msg, len, lies);
        CHECK_EQ(next(child, &news, &got, &facts, &why), PND_OK);
        CHECK_EQ(news, PND_CHECK_DONE);
        CHECK_EQ(got.verdict, PND_VERDICT_COMPLETE);
        CHECK_STR(got.sha256, check.sha256);
        CHECK(strstr(got.note, "what it says was not read: the check process ") != NULL);
        pnd_check_destroy(child);
    }
    memset(answer, 0x80, sizeof(answer));
    expect_nonsense(msg, put_message(msg, PND_MESSAGE_CHECKED, answer, sizeof(answer)), true);
}

static void refuses_facts_that_would_take_more_memory_than_facts_can(void)
{
    size_t len = 8 << 20;
    char *json = malloc(len);
    struct pnd_facts facts;

    if (!json)
        abort();
    memset(json, ',', len);
    for (size_t i = 1; i < len; i += 2)
        json[i] = '1';
    json[0] = '[';
    json[len - 1] = ']';
    CHECK_EQ(pnd_child_parse_facts(json, len, &facts), PND_E_FORMAT);
    memset(json, 'x', len); /* one long text is no such thing */
    put_text(json, "{\"log\":\",,,,");
    put_text(json + len - 2, "\"}");
    CHECK_EQ(pnd_child_parse_facts(json, len, &facts), PND_OK);
    CHECK(facts.log != NULL);
    pnd_facts_deinit(&facts);
    free(json);
}

/* In a forked child: into the sandbox, and then what is given. @return the wait status */
static int confined(void (*act)(void))
{
    struct pnd_sandbox sandbox = {.memory_max = PND_CHECK_MEMORY_MAX, .cpu_s_max = 5};
    struct pnd_why why = {0};
    int status = 0, fd = file_of("abc", 3), pipes[2];
    pid_t pid;

    fflush(stdout);
    if (pipe(pipes) != 0)
        abort();
    pid = fork();
    if (pid == 0) {
        int dump = fcntl(fd, F_DUPFD, 10), answer = fcntl(pipes[1], F_DUPFD, 10);

        dup2(dump, PND_SANDBOX_DUMP_FD);
        dup2(answer, PND_SANDBOX_ANSWER_FD);
        if (pnd_sandbox_enter(&sandbox, &why))
            _exit(9);
        act();
        _exit(0);
    }
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    waitpid(pid, &status, 0);
    return status;
}

static void act_harmless(void)
{
    char byte;

    if (read(PND_SANDBOX_DUMP_FD, &byte, 1) != 1 || byte != 'a')
        _exit(1);
}

static void act_open(void)
{
    open("/etc/passwd", O_RDONLY);
}

static void act_fork(void)
{
    fork();
}

static void act_write_elsewhere(void)
{
    if (write(STDERR_FILENO + 7, "x", 1) != 1)
        _exit(0);
}

static void act_exec_memory(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void act_signal(void)
{
    kill(getppid(), SIGTERM);
}

static void kills_a_child_that_tries_anything_but_reading_and_answering(void)
{
    static void (*const acts[])(void) = {act_open, act_fork, act_write_elsewhere, act_exec_memory,
                                         act_signal};
    int status = confined(act_harmless);

    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 0);
    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
        status = confined(acts[i]);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), SIGSYS);
    }
}

int main(int argc, char **argv)
{
    pnd_check_child_main(argc, argv);
    RUN(answers_from_the_child_as_from_this_process);
    RUN(tells_facts_before_the_verdict_and_how_far_it_is);
    RUN(follows_a_file_that_grows_and_says_facts_on_the_way);
    RUN(gets_more_processor_time_as_more_is_there_to_read);
    RUN(survives_a_bomb_in_the_child_within_its_memory);
    RUN(needs_less_than_64_mib_however_large_the_dump);
    RUN(unpacks_the_largest_zstd_window_within_its_memory);
    RUN(survives_a_child_that_dies);
    RUN(ends_when_it_is_told_to);
    RUN(says_why_a_file_cannot_be_read_by_the_child);
    RUN(refuses_answers_without_sense);
    RUN(refuses_messages_without_sense);
    RUN(keeps_the_verdict_of_a_child_that_fails_over_the_facts);
    RUN(refuses_facts_that_would_take_more_memory_than_facts_can);
    RUN(kills_a_child_that_tries_anything_but_reading_and_answering);
    return tap_done();
}
