/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The directory of dumps: links, two servers, full disks, old kernels. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "unit/spool_fixture.h"

/* ---- the directory ---- */

static void opening_makes_a_private_directory_and_says_where_it_is(void)
{
    struct stat st;
    char path[300];

    tmp_make();
    snprintf(path, sizeof(path), "%s/PanicDumps", tmp_path);
    CHECK_EQ(pnd_spool_open(&spool, path, &why), PND_OK);
    CHECK_STR(spool.path, path);
    CHECK(fstat(spool.dir_fd, &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(fstat(spool.state_fd, &st) == 0 && (st.st_mode & 07777) == 0700);
    CHECK(fstat(spool.lock_fd, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(fcntl(spool.dir_fd, F_GETFD) & fcntl(spool.state_fd, F_GETFD) &
          fcntl(spool.lock_fd, F_GETFD) & FD_CLOEXEC);
    teardown();
}

static void a_directory_without_parents_is_refused_with_what_to_type(void)
{
    CHECK_EQ(pnd_spool_open(&spool, "/nonexistent/a/b", &why), PND_E_SYS);
    CHECK(strstr(why.text, "type: mkdir -p /nonexistent/a/b") != NULL);
    CHECK_EQ(pnd_spool_open(&spool, "/dev/null", &why), PND_E_SYS);
    CHECK_STR(why.text, "open /dev/null: Not a directory");
}

static void a_state_directory_open_to_others_is_closed_and_a_link_refused(void)
{
    struct stat st;

    tmp_make();
    mkdir(tmp_file(".panicd"), 0700);
    chmod(tmp_file(".panicd"), 0777);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    CHECK(fstat(spool.state_fd, &st) == 0 && (st.st_mode & 07777) == 0700);
    teardown();

    tmp_make();
    CHECK_EQ(symlink("/tmp", tmp_file(".panicd")), 0);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_E_SYS);
    CHECK(!tmp_exists(".panicd/lock"));
    CHECK_EQ(pnd_spool_open_readonly(&spool, tmp_path, &why), PND_E_SYS);
    tmp_remove();
}

static void a_lock_that_is_a_link_is_refused(void)
{
    tmp_make();
    mkdir(tmp_file(".panicd"), 0700);
    tmp_write("precious", "kept", 4);
    CHECK_EQ(symlink("../precious", tmp_file(".panicd/lock")), 0);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_E_SYS);
    struct stat st;
    CHECK(stat(tmp_file("precious"), &st) == 0 && st.st_size == 4);
    tmp_remove();
}

static void reading_tools_create_nothing_and_take_no_lock(void)
{
    struct pnd_spool reader;

    tmp_make();
    CHECK_EQ(pnd_spool_open_readonly(&reader, tmp_path, &why), PND_E_NOTFOUND);
    CHECK(!tmp_exists(".panicd"));
    CHECK_EQ(pnd_spool_open_readonly(&reader, tmp_file("none"), &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "No such file") != NULL);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    CHECK_EQ(pnd_spool_open_readonly(&reader, tmp_path, &why), PND_OK);
    CHECK_EQ(reader.lock_fd, -1);
    pnd_spool_close(&reader);
    teardown();
}

/* @return the child's exit status: what a second server gets */
static int second_server(void)
{
    pid_t child = fork();

    if (child == 0) {
        struct pnd_spool second;
        char wanted[512];
        int err = pnd_spool_open(&second, tmp_path, &why);

        snprintf(wanted, sizeof(wanted),
                 "another panicd (pid %ld) serves %s: stop it or choose another directory",
                 (long)getppid(), tmp_path);
        if (err == PND_E_BUSY && strcmp(why.text, wanted) != 0)
            err = 1;
        _exit(-err);
    }
    return tmp_wait(child);
}

static void a_second_server_is_told_who_holds_the_directory(void)
{
    char text[32] = "";
    int fd;

    setup();
    CHECK_EQ(second_server(), -PND_E_BUSY);
    fd = open(tmp_file(".panicd/lock"), O_RDONLY);
    CHECK(read(fd, text, sizeof(text) - 1) > 0);
    CHECK_EQ(strtol(text, NULL, 10), getpid());
    close(fd); /* which gives the lock up: see the contract */
    CHECK_EQ(second_server(), 0);
    teardown();
}

static void a_killed_server_leaves_the_directory_free_though_a_child_of_it_lives_on(void)
{
    int ready[2] = {-1, -1}, hold[2] = {-1, -1};
    pid_t server, orphan = 0;

    tmp_make();
    CHECK(pipe(ready) == 0 && pipe(hold) == 0);
    server = fork();
    if (server == 0) {
        if (pnd_spool_open(&spool, tmp_path, &why))
            _exit(1);
        orphan = fork();
        if (orphan == 0) { /* keeps every descriptor until the test ends */
            char byte;

            close(hold[1]);
            _exit(read(hold[0], &byte, 1) < 0);
        }
        if (write(ready[1], &orphan, sizeof(orphan)) < 0)
            _exit(1);
        pause();
    }
    CHECK(read(ready[0], &orphan, sizeof(orphan)) == sizeof(orphan));
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    CHECK_EQ(kill(orphan, 0), 0);
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    close(hold[1]);
    close(hold[0]);
    close(ready[0]);
    close(ready[1]);
    teardown();
}

/* ---- the kernel says no ---- */

static void writes_go_where_they_should_and_limits_are_named(void)
{
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY}, old;
    char block[64];
    int fd, fds[2];

    setup();
    memset(block, 'b', sizeof(block));
    fd = begin("core", "");
    CHECK_EQ(pnd_spool_write(fd, block, 3, UINT64_C(5) << 30), PND_OK);
    CHECK_EQ(lseek(fd, 0, SEEK_END), (INT64_C(5) << 30) + 3);
    CHECK_EQ(pnd_spool_write(fd, block, 0, 0), PND_OK);
    CHECK_EQ(pnd_spool_write(fd, block, 1, UINT64_MAX), PND_E_RANGE);
    CHECK_EQ(pnd_spool_write(fd, block, 1, INT64_MAX), PND_E_RANGE);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &limit);
    CHECK_EQ(pnd_spool_write(fd, block, 64, 64), PND_E_RANGE);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(pnd_spool_write(fds[1], block, 1, 0), PND_E_SYS);
    CHECK_EQ(errno, ESPIPE);
    close(fds[0]);
    close(fds[1]);
    close(fd);
    teardown();
}

static void a_full_disk_is_no_space_and_the_dump_goes_on_when_there_is_room(void)
{
    static char block[65536];
    uint64_t room, total;
    int fd;

    tmp_make();
    if (!tmp_mount("size=1m,nr_inodes=16")) {
        tmp_remove();
        SKIP("needs root to mount a small file system");
    }
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    fd = begin("core", "x");
    tmp_fill();
    CHECK_EQ(pnd_spool_room(&spool, &room, &total), PND_OK);
    CHECK_EQ(room, 0);
    CHECK_EQ(total, 1 << 20);
    CHECK_EQ(pnd_spool_write(fd, block, sizeof(block), 0), PND_E_NOSPACE);
    CHECK_EQ(errno, ENOSPC);
    unlink(tmp_file("filler"));
    CHECK_EQ(pnd_spool_write(fd, block, sizeof(block), 0), PND_OK);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    close(fd);
    for (int i = 0; i < 16; i++) {
        char file[32];

        snprintf(file, sizeof(file), "f%d", i);
        fd = open(tmp_file(file), O_CREAT | O_WRONLY, 0600);
        if (fd >= 0)
            close(fd);
    }
    CHECK_EQ(pnd_spool_create(&spool, "last", false, &fd, &why), PND_E_NOSPACE);
    CHECK_STR(why.text, "create last.part: No space left on device");
    pnd_spool_close(&spool);
    tmp_unmount();
    tmp_remove();
}

static void a_disk_too_full_for_a_pid_still_serves_and_one_too_full_for_a_lock_says_so(void)
{
    tmp_make();
    if (!tmp_mount("size=64k,nr_inodes=3")) { /* the root, .panicd, and a filler */
        tmp_remove();
        SKIP("needs root to mount a small file system");
    }
    tmp_fill();
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_E_NOSPACE);
    CHECK(strstr(why.text, "/.panicd/lock: No space left on device") != NULL);
    tmp_unmount();
    CHECK(tmp_mount("size=64k,nr_inodes=5"));
    tmp_fill();
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
    pnd_spool_close(&spool);
    tmp_unmount();
    tmp_remove();
}

static void deny(unsigned number, int errnum)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)errnum),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(77);
}

static void old_kernels_without_openat2_and_renameat2_serve_as_well(void)
{
    int status;
    pid_t child;

    tmp_make();
    child = fork();
    if (child == 0) {
        int fd;

        deny(SYS_openat2, ENOSYS);
        deny(SYS_renameat2, EINVAL);
        tap_ok = true;
        CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
        CHECK_EQ(symlink("/etc/passwd", tmp_file("link.part")), 0);
        CHECK_EQ(pnd_spool_create(&spool, "link", true, &fd, &why), PND_E_SYS);
        CHECK(pnd_spool_create(&spool, "../x", false, &fd, &why) != PND_OK);
        fd = begin("core", "new");
        tmp_write("core", "old", 3);
        CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
        CHECK_STR(name, "core.1");
        CHECK(holds("core", "old") && holds("core.1", "new") && !tmp_exists("core.part"));
        fflush(stdout);
        _exit(!tap_ok);
    }
    status = tmp_wait(child);
    tmp_remove();
    if (status == 77)
        SKIP("this kernel has no seccomp");
    CHECK_EQ(status, 0);
}

int main(void)
{
    RUN(opening_makes_a_private_directory_and_says_where_it_is);
    RUN(a_directory_without_parents_is_refused_with_what_to_type);
    RUN(a_state_directory_open_to_others_is_closed_and_a_link_refused);
    RUN(a_lock_that_is_a_link_is_refused);
    RUN(reading_tools_create_nothing_and_take_no_lock);
    RUN(a_second_server_is_told_who_holds_the_directory);
    RUN(a_killed_server_leaves_the_directory_free_though_a_child_of_it_lives_on);
    RUN(writes_go_where_they_should_and_limits_are_named);
    RUN(a_full_disk_is_no_space_and_the_dump_goes_on_when_there_is_room);
    RUN(a_disk_too_full_for_a_pid_still_serves_and_one_too_full_for_a_lock_says_so);
    RUN(old_kernels_without_openat2_and_renameat2_serve_as_well);
    return tap_done();
}
