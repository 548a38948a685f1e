/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The child that does the check: it answers as this process would, and can do nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "inspect/answer.h"
#include "inspect/sandbox.h"
#include "unit/check_fixture.h"

static void answers_from_the_child_as_from_this_process(void)
{
    static uint8_t packed[PACKED_CAP];
    struct pnd_check here, there = {0};
    struct pnd_check_child child;
    struct pnd_why why = {0};
    uint8_t elf[ELF_LEN];
    size_t len;
    int fd;

    make_elf(elf);
    for (size_t cut = 0; cut <= ELF_LEN; cut += 0x800) {
        len = pack(elf, cut, packed);
        here = check_bytes(packed, len);
        fd = file_of(packed, len);
        CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
        CHECK_EQ(pnd_check_collect(&child, &there, &why), PND_OK);
        CHECK_STR(why.text, "");
        CHECK_EQ(there.verdict, here.verdict);
        CHECK_STR(there.format, here.format);
        CHECK_STR(there.reason, here.reason);
        CHECK_STR(there.sha256, here.sha256);
        CHECK_EQ(there.bytes, here.bytes);
        CHECK_EQ(there.content_bytes, here.content_bytes);
        CHECK_EQ(there.missing_count, here.missing_count);
        CHECK_MEM(there.missing, here.missing, sizeof(here.missing));
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), len); /* the progress, seen from here */
        close(fd);
    }
}

static void survives_a_bomb_in_the_child_within_its_memory(void)
{
    static uint8_t zeros[1 << 20], packed[PACKED_CAP];
    struct pnd_check_child child;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    size_t len = pack(zeros, sizeof(zeros), packed);
    int fd = memfd_create("bomb", MFD_CLOEXEC);

    for (int i = 0; i < 256; i++)
        CHECK_EQ(pwrite(fd, packed, len, (off_t)(len * (size_t)i)), len);
    CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
    CHECK_EQ(pnd_check_collect(&child, &check, &why), PND_OK);
    CHECK_EQ(check.content_bytes, UINT64_C(256) << 20);
    CHECK_EQ(check.verdict, PND_VERDICT_COMPLETE);
    close(fd);
}

static void survives_a_child_that_dies(void)
{
    struct pnd_check_child child;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = memfd_create("large", MFD_CLOEXEC);

    CHECK_EQ(ftruncate(fd, (off_t)64 << 30), 0);
    CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
    kill(child.pid, SIGSEGV);
    CHECK_EQ(pnd_check_collect(&child, &check, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "the check process ") != NULL);
    CHECK_EQ(child.result_fd, -1);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
    CHECK_EQ(errno, ECHILD);
    close(fd);
}

static void says_why_a_file_cannot_be_read_by_the_child(void)
{
    struct pnd_check_child child;
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK_EQ(pnd_check_start(fd, &child, &why), PND_OK);
    CHECK_EQ(pnd_check_collect(&child, &check, &why), PND_E_SYS);
    CHECK_STR(why.text, "read the dump at byte 0: Is a directory");
    close(fd);
}

/* A child that says @p len bytes at @p msg and then sleeps. */
static void speak(const void *msg, size_t len, struct pnd_check_child *ret)
{
    int pipes[2];

    if (pipe(pipes) != 0)
        abort();
    ret->pid = fork();
    if (ret->pid == 0) {
        if (write(pipes[1], msg, len) != (ssize_t)len)
            _exit(1);
        pause();
        _exit(0);
    }
    close(pipes[1]);
    ret->result_fd = pipes[0];
}

static void refuses_answers_without_sense(void)
{
    uint8_t good[PND_ANSWER_LEN], bad[PND_ANSWER_LEN + 1] = {0};
    struct pnd_check check = check_bytes("abc", 3), got;
    struct pnd_why none = {0}, why;
    struct pnd_check_child child;

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

    speak(bad, sizeof(bad), &child);
    CHECK_EQ(pnd_check_collect(&child, &got, &why), PND_E_FORMAT);
    CHECK_STR(why.text, "the check process gave no proper answer");
    speak(good, 100, &child);
    CHECK_EQ(pnd_check_collect(&child, &got, &why), PND_E_FORMAT);
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
    RUN(survives_a_bomb_in_the_child_within_its_memory);
    RUN(survives_a_child_that_dies);
    RUN(says_why_a_file_cannot_be_read_by_the_child);
    RUN(refuses_answers_without_sense);
    RUN(kills_a_child_that_tries_anything_but_reading_and_answering);
    return tap_done();
}
