/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The program that is called for a dump: how, how long, how often, and what it leaves behind. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "host/clock.h"
#include "host/log.h"
#include "panicd/hook.h"
#include "panicd/hook_call.h"
#include "unit/spool_fixture.h"

enum { PATIENCE_MS = 20000, SOON_MS = 10000 };

static struct pnd_hook *hook;
static char script[sizeof(tmp_path) + 16];

static void sleep_ms(long ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
}

static void write_script(const char *text)
{
    int fd;

    snprintf(script, sizeof(script), "%s/.script", tmp_path);
    fd = open(script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* A spool with a dump, and a script. */
static void begin_with(const char *text)
{
    setup();
    tmp_write("vmcore.h.0", "core", 4);
    write_script(text);
}

static void start(uint64_t patience_ms)
{
    CHECK_EQ(pnd_hook_start(&spool, script, patience_ms, &hook, &why), PND_OK);
}

static void stop(void)
{
    pnd_hook_stop(hook);
    hook = NULL;
}

static struct pnd_hook_call a_call(uint64_t id)
{
    return (struct pnd_hook_call){.id = id,
                                  .reason = "success",
                                  .address = "10.0.40.7",
                                  .host = "h",
                                  .info = "info.h.0",
                                  .core = "vmcore.h.0"};
}

static void queue(uint64_t id)
{
    struct pnd_hook_call call = a_call(id);

    CHECK_EQ(pnd_hook_queue(hook, &call, &why), PND_OK);
    pnd_hook_go(hook);
}

static bool waits(uint64_t id)
{
    char file[64];

    snprintf(file, sizeof(file), ".panicd/hook-%" PRIu64, id);
    return tmp_exists(file);
}

/* @return whether the call has been made within SOON_MS */
static bool made(uint64_t id)
{
    uint64_t end_ms = pnd_clock_ms() + SOON_MS;

    while (waits(id) && pnd_clock_ms() < end_ms)
        sleep_ms(10);
    return !waits(id);
}

static bool appears(const char *file)
{
    uint64_t end_ms = pnd_clock_ms() + SOON_MS;

    while (!tmp_exists(file) && pnd_clock_ms() < end_ms)
        sleep_ms(10);
    return tmp_exists(file);
}

static const char *text_of(const char *file)
{
    static char text[8192];
    int fd = open(tmp_file(file), O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

static pid_t pid_in(const char *file)
{
    return (pid_t)strtol(text_of(file), NULL, 10);
}

static bool dies(pid_t pid)
{
    uint64_t end_ms = pnd_clock_ms() + SOON_MS;

    while (pid > 0 && kill(pid, 0) == 0 && pnd_clock_ms() < end_ms)
        sleep_ms(10);
    return pid > 0 && kill(pid, 0) < 0;
}

/* ---- how ---- */

static void it_gets_netdumpds_arguments_and_nothing_else(void)
{
    char want[4 * sizeof(spool.path)];

    begin_with("#!/bin/sh\n"
               "/usr/bin/printf '%s\\n' \"$#\" \"$@\" >out\n"
               "/bin/pwd >>out\n"
               "/usr/bin/env -u PWD -u OLDPWD -u SHLVL -u _ >env\n"
               "/bin/ls -l /proc/$$/fd | /usr/bin/awk 'NR > 1 && $9 != 10 && $9 != 255 {print $9}'"
               " >fds\n"
               "read x && echo read >>out\n"
               "exit 0\n");
    start(PATIENCE_MS);
    queue(7);
    CHECK(made(7));
    snprintf(want, sizeof(want), "5\nsuccess\n10.0.40.7\nh\n%s/info.h.0\n%s/vmcore.h.0\n%s\n",
             spool.path, spool.path, spool.path);
    CHECK_STR(text_of("out"), want);
    CHECK_STR(text_of("env"), "");
    CHECK_STR(text_of("fds"), "0\n1\n2\n");
    stop();
    teardown();
}

static void it_has_a_group_and_signals_of_its_own(void)
{
    sigset_t set, old;

    begin_with("#!/bin/sh\n"
               "read _ _ _ _ group _ </proc/self/stat; echo $group >group; echo $$ >pid\n"
               "/usr/bin/awk '/SigBlk|SigIgn/ {print $2}' /proc/self/status >mask\n");
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    start(PATIENCE_MS);
    queue(1);
    CHECK(made(1));
    stop();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CHECK_EQ(pid_in("group"), pid_in("pid"));
    CHECK_EQ(strtoull(text_of("mask"), NULL, 16), 0);
    CHECK_EQ(strtoull(text_of("mask") + 17, NULL, 16) & UINT64_C(0x7fffffff), 0); /* but libc's */
    teardown();
}

static void without_an_info_its_argument_is_empty(void)
{
    struct pnd_hook_call call = a_call(1);

    begin_with("#!/bin/sh\necho \"$1,$4,$5\" >out\n");
    start(PATIENCE_MS);
    snprintf(call.reason, sizeof(call.reason), "error");
    call.info[0] = '\0';
    CHECK_EQ(pnd_hook_queue(hook, &call, &why), PND_OK);
    pnd_hook_go(hook);
    CHECK(made(1));
    CHECK(strncmp(text_of("out"), "error,,/", 8) == 0);
    stop();
    teardown();
}

/* ---- how often ---- */

static void it_is_not_called_before_the_word_is_given(void)
{
    struct pnd_hook_call call = a_call(1);

    begin_with("#!/bin/sh\necho x >>out\n");
    start(PATIENCE_MS);
    queue(9);
    CHECK(made(9));
    unlink(tmp_file("out"));
    CHECK_EQ(pnd_hook_queue(hook, &call, &why), PND_OK);
    CHECK(waits(1)); /* on the disk by now */
    sleep_ms(300);
    CHECK(!tmp_exists("out"));
    pnd_hook_go(hook);
    CHECK(made(1));
    CHECK_STR(text_of("out"), "x\n");
    stop();
    teardown();
}

static void what_an_earlier_server_has_left_is_called_again(void)
{
    struct pnd_hook_call call = a_call(3);

    begin_with("#!/bin/sh\necho x >>out\n");
    CHECK_EQ(pnd_hook_call_write(&spool, &call, &why), PND_OK);
    tmp_write(".panicd/hook-4", "half", 4);
    tmp_write(".panicd/hook.new", "half", 4);
    start(PATIENCE_MS);
    CHECK(made(3) && made(4));
    CHECK_STR(text_of("out"), "x\n");
    stop();
    teardown();
}

static void one_that_runs_when_the_server_ends_is_called_again(void)
{
    begin_with("#!/bin/sh\necho x >>out; trap '' TERM; echo $$ >pid; /bin/sleep 60\n");
    start(PATIENCE_MS);
    queue(1);
    CHECK(appears("pid"));
    sleep_ms(100);
    stop();
    CHECK(dies(pid_in("pid")));
    CHECK(waits(1));
    write_script("#!/bin/sh\necho y >>out\n");
    start(PATIENCE_MS);
    CHECK(made(1));
    CHECK_STR(text_of("out"), "x\ny\n");
    stop();
    teardown();
}

static void a_second_call_for_a_dump_is_not_lost_behind_the_first(void)
{
    struct pnd_hook_call call = a_call(1);

    begin_with("#!/bin/sh\necho $1 >>out; test $1 = timeout && /bin/sleep 1\nexit 0\n");
    start(PATIENCE_MS);
    snprintf(call.reason, sizeof(call.reason), "timeout");
    CHECK_EQ(pnd_hook_queue(hook, &call, &why), PND_OK);
    pnd_hook_go(hook);
    CHECK(appears("out"));
    queue(1);
    CHECK(made(1));
    CHECK_STR(text_of("out"), "timeout\nsuccess\n");
    stop();
    teardown();
}

static void a_few_run_at_a_time_and_none_is_forgotten(void)
{
    enum { CALLS = 12 };
    unsigned most = 0, lines = 0;

    begin_with(
        "#!/bin/sh\n"
        "echo $$ >.run.$$; set -- .run.*; echo $# >>counts; /bin/sleep 0.2; /bin/rm .run.$$\n");
    start(PATIENCE_MS);
    for (uint64_t id = 1; id <= CALLS; id++)
        queue(id);
    for (uint64_t id = 1; id <= CALLS; id++)
        CHECK(made(id));
    for (const char *at = text_of("counts"); *at; at = strchr(at, '\n') + 1) {
        unsigned count = (unsigned)strtoul(at, NULL, 10);

        most = count > most ? count : most;
        lines++;
    }
    CHECK_EQ(lines, CALLS);
    CHECK(most > 1 && most <= PND_HOOK_RUNNING_MAX);
    stop();
    teardown();
}

static void a_dump_that_is_gone_is_not_told_of(void)
{
    begin_with("#!/bin/sh\necho x >>out\n");
    unlink(tmp_file("vmcore.h.0"));
    start(PATIENCE_MS);
    queue(1);
    CHECK(made(1));
    CHECK(!tmp_exists("out"));
    stop();
    teardown();
}

static void without_a_hook_what_waits_is_forgotten(void)
{
    struct pnd_hook_call call = a_call(3);

    begin_with("");
    CHECK_EQ(pnd_hook_call_write(&spool, &call, &why), PND_OK);
    call.id = 5;
    CHECK_EQ(pnd_hook_call_write(&spool, &call, &why), PND_OK);
    tmp_write(".panicd/hook-x", "", 0);
    pnd_hook_forget(&spool);
    CHECK(!waits(3) && !waits(5) && tmp_exists(".panicd/hook-x"));
    teardown();
}

/* ---- what goes wrong ---- */

static void one_that_takes_too_long_is_ended_with_its_children(void)
{
    begin_with("#!/bin/sh\n/bin/sleep 60 &\necho $! >child; echo $$ >pid; wait\n");
    start(1000);
    queue(1);
    CHECK(made(1));
    CHECK(dies(pid_in("pid")) && dies(pid_in("child")));
    stop();
    teardown();
}

static void one_that_does_not_want_to_end_is_killed(void)
{
    begin_with("#!/bin/sh\ntrap '' TERM\necho $$ >pid\nwhile :; do /bin/sleep 1; done\n");
    start(500);
    queue(1);
    CHECK(made(1));
    CHECK(dies(pid_in("pid")));
    stop();
    teardown();
}

static void what_it_leaves_in_the_background_ends_with_its_time(void)
{
    begin_with("#!/bin/sh\n/bin/sleep 60 &\necho $! >child\n");
    start(1000);
    queue(1);
    CHECK(appears("child"));
    CHECK(waits(1)); /* somebody still has its output */
    CHECK(made(1));
    CHECK(dies(pid_in("child")));
    stop();
    teardown();
}

static void one_that_cannot_be_started_holds_up_nobody(void)
{
    begin_with("#!/nonexistent/shell\n");
    start(PATIENCE_MS);
    queue(1);
    CHECK(made(1));
    write_script("#!/bin/sh\necho x >>out; exit 3\n");
    queue(2);
    CHECK(made(2));
    CHECK_STR(text_of("out"), "x\n");
    stop();
    teardown();
}

static void a_call_that_is_cut_or_damaged_is_no_call(void)
{
    struct pnd_hook_call call = a_call(1), got;
    char whole[8192];
    ino_t file;
    size_t len;

    begin_with("");
    CHECK_EQ(pnd_hook_call_write(&spool, &call, &why), PND_OK);
    CHECK_EQ(pnd_hook_call_read(&spool, 1, &got, &file, &why), PND_OK);
    CHECK(file != 0);
    CHECK_STR(got.reason, call.reason);
    CHECK_STR(got.address, call.address);
    CHECK_STR(got.host, call.host);
    CHECK_STR(got.info, call.info);
    CHECK_STR(got.core, call.core);
    len = strlen("success") + strlen("10.0.40.7") + strlen("h") + strlen("info.h.0") +
          strlen("vmcore.h.0") + 5;
    memcpy(whole, text_of(".panicd/hook-1"), len);
    for (size_t cut = 0; cut < len; cut++) {
        tmp_write(".panicd/hook-1", whole, cut);
        CHECK_EQ(pnd_hook_call_read(&spool, 1, &got, &file, &why), PND_E_FORMAT);
    }
    whole[len] = '\0';
    tmp_write(".panicd/hook-1", whole, len + 1);
    CHECK_EQ(pnd_hook_call_read(&spool, 1, &got, &file, &why), PND_E_FORMAT);
    memset(whole, 'x', sizeof(whole));
    tmp_write(".panicd/hook-1", whole, sizeof(whole));
    CHECK_EQ(pnd_hook_call_read(&spool, 1, &got, &file, &why), PND_E_FORMAT);
    CHECK_EQ(pnd_hook_call_read(&spool, 2, &got, &file, &why), PND_E_NOTFOUND);
    teardown();
}

/* ---- what it says ---- */

/* What the log says while @p run goes on. */
static const char *log_of(void (*run)(void))
{
    int saved = dup(STDERR_FILENO), fd = open(tmp_file("log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    dup2(fd, STDERR_FILENO);
    close(fd);
    run();
    dup2(saved, STDERR_FILENO);
    close(saved);
    return text_of("log");
}

static void call_once(void)
{
    start(PATIENCE_MS);
    queue(1);
    CHECK(made(1));
    stop();
}

static void what_it_prints_is_logged_escaped_and_bounded(void)
{
    const char *log;
    unsigned lines = 0;

    begin_with("#!/bin/sh\n/usr/bin/printf 'a \"b\" \\033[2J\\n\\n' >&2\nexit 7\n");
    log = log_of(call_once);
    CHECK(strstr(log, "hook-says id=1 text=\"a \\\"b\\\" \\x1b[2J\"\n"));
    CHECK(strstr(log, "hook-ended id=1 status=7 late=0"));
    unlink(tmp_file("log"));
    write_script("#!/bin/sh\ni=0; while [ $i -lt 150 ]; do echo; echo l; i=$((i+1)); done\n");
    log = log_of(call_once);
    for (const char *at = log; (at = strstr(at, "hook-says id=")); at++)
        lines++;
    CHECK_EQ(lines, PND_RUN_LINES_MAX);
    CHECK(strstr(log_of(call_once), "hook-says"));
    teardown();
}

static void what_has_no_end_of_line_is_cut(void)
{
    const char *log;

    begin_with("#!/bin/sh\n/usr/bin/printf '%0700d' 0\n");
    log = log_of(call_once);
    CHECK(strstr(log, "text=\"0000") && strstr(strstr(log, "text=\"0000") + 10, "text=\"0000"));
    CHECK(strstr(log, "hook-ended id=1 status=0"));
    teardown();
}

static unsigned times(const char *text, const char *words)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void let_it_run(void)
{
    start(PATIENCE_MS);
    sleep_ms(500);
    stop();
}

/* The directory stands for a file system that is read-only by now. */
static void a_call_that_cannot_be_removed_is_not_made_without_end(void)
{
    struct pnd_hook_call call = a_call(6);
    const char *log;

    begin_with("#!/bin/sh\necho x >>out\n");
    CHECK_EQ(mkdir(tmp_file(".panicd/hook-5"), 0700), 0);
    CHECK_EQ(pnd_hook_call_write(&spool, &call, &why), PND_OK);
    log = log_of(let_it_run);
    CHECK_EQ(times(log, "hook-failed id=5"), 1);
    CHECK_EQ(times(log, "hook-stuck id=5"), 1);
    CHECK(waits(6)); /* for a server that can remove it */
    pnd_hook_forget(&spool);
    CHECK_EQ(rmdir(tmp_file(".panicd/hook-5")), 0);
    log_of(let_it_run);
    CHECK_STR(text_of("out"), "x\n");
    teardown();
}

static void a_file_that_is_not_called_as_calls_are_is_left_alone(void)
{
    const char *log;

    begin_with("#!/bin/sh\necho x >>out\n");
    tmp_write(".panicd/hook-007", "", 0);
    log = log_of(let_it_run);
    CHECK_EQ(times(log, "hook-"), 0);
    CHECK(tmp_exists(".panicd/hook-007") && !tmp_exists("out"));
    teardown();
}

int main(void)
{
    pnd_log_init(PND_INFO);
    RUN(it_gets_netdumpds_arguments_and_nothing_else);
    RUN(it_has_a_group_and_signals_of_its_own);
    RUN(without_an_info_its_argument_is_empty);
    RUN(it_is_not_called_before_the_word_is_given);
    RUN(what_an_earlier_server_has_left_is_called_again);
    RUN(one_that_runs_when_the_server_ends_is_called_again);
    RUN(a_second_call_for_a_dump_is_not_lost_behind_the_first);
    RUN(a_few_run_at_a_time_and_none_is_forgotten);
    RUN(a_dump_that_is_gone_is_not_told_of);
    RUN(without_a_hook_what_waits_is_forgotten);
    RUN(one_that_takes_too_long_is_ended_with_its_children);
    RUN(one_that_does_not_want_to_end_is_killed);
    RUN(what_it_leaves_in_the_background_ends_with_its_time);
    RUN(one_that_cannot_be_started_holds_up_nobody);
    RUN(a_call_that_is_cut_or_damaged_is_no_call);
    RUN(what_it_prints_is_logged_escaped_and_bounded);
    RUN(what_has_no_end_of_line_is_cut);
    RUN(a_call_that_cannot_be_removed_is_not_made_without_end);
    RUN(a_file_that_is_not_called_as_calls_are_is_left_alone);
    return tap_done();
}
