/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The directory of dumps: names, links, full disks, two servers. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "store/spool.h"
#include "tmpdir.h"

static struct pnd_spool spool;
static struct pnd_why why;
static char name[PND_SPOOL_NAME_CAP];

static void setup(void)
{
    tmp_make();
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
}

static void teardown(void)
{
    pnd_spool_close(&spool);
    tmp_remove();
}

static const char *pick(const char *wanted)
{
    name[0] = '\0';
    CHECK_EQ(pnd_spool_pick(&spool, wanted, "10.0.40.7", 1795329000, name, &why), PND_OK);
    return name;
}

/* A dump that was picked, created, and has @p content. */
static int begin(const char *wanted, const char *content)
{
    int fd = -1;

    CHECK_EQ(pnd_spool_create(&spool, pick(wanted), false, &fd, &why), PND_OK);
    CHECK_EQ(pnd_spool_write(fd, content, strlen(content), 0), PND_OK);
    return fd;
}

static bool holds(const char *file, const char *content)
{
    char got[256] = "";
    int fd = pnd_spool_open_file(&spool, file);
    ssize_t len = fd >= 0 ? read(fd, got, sizeof(got)) : -1;

    if (fd >= 0)
        close(fd);
    return len == (ssize_t)strlen(content) && memcmp(got, content, (size_t)len) == 0;
}

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

/* ---- names ---- */

static void a_safe_name_is_what_apple_and_freebsd_senders_use_and_nothing_else(void)
{
    char long_name[202];

    CHECK(pnd_spool_name_safe("core-xnu-10063.141.1-10.0.40.7-1a2b3c4d.gz"));
    CHECK(pnd_spool_name_safe("paniclog"));
    CHECK(pnd_spool_name_safe("a,b:c@d=e_f+g"));
    CHECK(!pnd_spool_name_safe(""));
    CHECK(!pnd_spool_name_safe("."));
    CHECK(!pnd_spool_name_safe(".."));
    CHECK(!pnd_spool_name_safe(".panicd"));
    CHECK(!pnd_spool_name_safe("-rf"));
    CHECK(!pnd_spool_name_safe("a/b"));
    CHECK(!pnd_spool_name_safe("../etc/passwd"));
    CHECK(!pnd_spool_name_safe("a b"));
    CHECK(!pnd_spool_name_safe("a\nb"));
    CHECK(!pnd_spool_name_safe("a\xc3\xa4"));
    CHECK(!pnd_spool_name_safe("core.part"));
    CHECK(!pnd_spool_name_safe("core.incomplete"));
    CHECK(pnd_spool_name_safe("part"));
    memset(long_name, 'a', sizeof(long_name));
    long_name[201] = '\0';
    CHECK(!pnd_spool_name_safe(long_name));
    long_name[200] = '\0';
    CHECK(pnd_spool_name_safe(long_name));
    for (int c = 1; c < 256; c++) {
        const char one[] = {'x', (char)c, '\0'};

        CHECK_EQ(pnd_spool_name_safe(one),
                 (c < 128 && (strchr("._+,:@=-", c) || (c >= '0' && c <= '9') ||
                              (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))));
    }
}

static void an_unsafe_name_is_replaced_by_peer_and_time(void)
{
    setup();
    CHECK_STR(pick("core.gz"), "core.gz");
    CHECK_STR(pick("../../etc/passwd"), "unnamed-10.0.40.7-20261122T063000Z");
    CHECK_STR(pick(""), "unnamed-10.0.40.7-20261122T063000Z");
    close(begin("/", "x"));
    CHECK_STR(pick("/"), "unnamed-10.0.40.7-20261122T063000Z.1");
    CHECK_EQ(pnd_spool_pick(&spool, "", "fe80::1%e/n0 \n", 0, name, &why), PND_OK);
    CHECK_STR(name, "unnamed-fe80::1_e_n0__-19700101T000000Z");
    teardown();
}

static void a_taken_name_gets_a_number_before_its_gz(void)
{
    static const char *const forms[] = {"", ".part", ".incomplete"};

    for (size_t i = 0; i < 3; i++) {
        char file[64];

        setup();
        snprintf(file, sizeof(file), "core.gz%s", forms[i]);
        tmp_write(file, "", 0);
        CHECK_STR(pick("core.gz"), "core.1.gz");
        snprintf(file, sizeof(file), "core.1.gz%s", forms[(i + 1) % 3]);
        tmp_write(file, "", 0);
        CHECK_STR(pick("core.gz"), "core.2.gz");
        CHECK_STR(pick("core"), "core");
        tmp_write("core", "", 0);
        CHECK_STR(pick("core"), "core.1");
        tmp_write("gz.gz.gz", "", 0);
        CHECK_STR(pick("gz.gz.gz"), "gz.gz.1.gz");
        teardown();
    }
}

static void a_dangling_link_takes_a_name_too(void)
{
    setup();
    CHECK_EQ(symlink("/nonexistent", tmp_file("core.part")), 0);
    CHECK_STR(pick("core"), "core.1");
    teardown();
}

static void when_every_number_is_taken_the_answer_says_so(void)
{
    setup();
    tmp_write("core", "", 0);
    for (int i = 1; i <= PND_SPOOL_TRIES_MAX; i++) {
        char file[32];

        snprintf(file, sizeof(file), "core.%d", i);
        tmp_write(file, "", 0);
    }
    CHECK_EQ(pnd_spool_pick(&spool, "core", "x", 0, name, &why), PND_E_EXISTS);
    CHECK(strstr(why.text, "core and its 1000 numbered names are taken") != NULL);
    unlink(tmp_file("core.1000"));
    CHECK_STR(pick("core"), "core.1000");
    teardown();
}

/* ---- files ---- */

static void a_dump_is_part_until_it_is_finished(void)
{
    struct stat st;
    int fd;

    setup();
    fd = begin("core.gz", "hello");
    CHECK(tmp_exists("core.gz.part") && !tmp_exists("core.gz"));
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    CHECK_EQ(pnd_spool_sync(&spool, &why), PND_OK);
    CHECK_STR(name, "core.gz");
    CHECK(!tmp_exists("core.gz.part") && holds("core.gz", "hello"));
    close(fd);
    teardown();
}

static void finishing_never_replaces_a_file(void)
{
    int fd;

    setup();
    fd = begin("core.gz", "new");
    tmp_write("core.gz", "old", 3);
    tmp_write("core.1.gz", "old", 3);
    tmp_write("core.2.gz.part", "other", 5);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    CHECK_STR(name, "core.3.gz");
    CHECK(holds("core.gz", "old") && holds("core.1.gz", "old") && holds("core.3.gz", "new"));
    CHECK(!tmp_exists("core.gz.part"));
    close(fd);
    teardown();
}

static void an_abandoned_dump_is_kept_as_incomplete(void)
{
    int fd;

    setup();
    fd = begin("core.gz", "half");
    strcpy(why.text, "old");
    CHECK_EQ(pnd_spool_abandon(&spool, fd, false, name, &why), PND_OK);
    CHECK_STR(why.text, "");
    CHECK_STR(name, "core.gz.incomplete");
    CHECK(holds("core.gz.incomplete", "half") && !tmp_exists("core.gz.part"));
    close(fd);
    fd = begin("other", "half");
    tmp_write("other.incomplete", "old", 3);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, false, name, &why), PND_OK);
    CHECK_STR(name, "other.1.incomplete");
    CHECK(holds("other.incomplete", "old") && holds("other.1.incomplete", "half"));
    close(fd);
    teardown();
}

static void a_whole_dump_can_turn_out_incomplete(void)
{
    setup();
    tmp_write("core.gz", "x", 1);
    strcpy(name, "core.gz");
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_STR(name, "core.gz.incomplete");
    strcpy(name, "core.gz");
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_E_SYS);
    CHECK_STR(name, "core.gz");
    teardown();
}

static void a_file_that_cannot_be_synced_is_not_finished_but_still_abandoned(void)
{
    int fds[2];

    setup();
    close(begin("core", "x"));
    CHECK_EQ(pipe(fds), 0); /* fsync says EINVAL */
    CHECK_EQ(pnd_spool_finish(&spool, fds[1], name, &why), PND_E_SYS);
    CHECK_STR(why.text, "write core.part to the disk: Invalid argument");
    CHECK_STR(name, "core");
    CHECK(tmp_exists("core.part") && !tmp_exists("core"));
    CHECK_EQ(pnd_spool_abandon(&spool, fds[1], false, name, &why), PND_OK);
    CHECK_STR(why.text, "write core to the disk: Invalid argument");
    CHECK_STR(name, "core.incomplete");
    close(fds[0]);
    close(fds[1]);
    teardown();
}

static void names_of_255_bytes_are_cut_to_make_room(void)
{
    char file[PND_SPOOL_NAME_CAP];
    int fd = -1;

    setup();
    memset(file, 'n', 255);
    file[255] = '\0';
    memcpy(file + 252, ".gz", 3);
    tmp_write(file, "x", 1);
    snprintf(name, sizeof(name), "%s", file);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 255);
    CHECK_STR(name + 255 - 15, "n.gz.incomplete");
    CHECK(tmp_exists(name));
    tmp_write(file, "y", 1);
    snprintf(name, sizeof(name), "%s", file);
    CHECK_EQ(pnd_spool_abandon(&spool, -1, true, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 255);
    CHECK_STR(name + 255 - 17, "n.1.gz.incomplete");
    CHECK_EQ(pnd_spool_create(&spool, file, false, &fd, &why), PND_E_SYS);
    CHECK_EQ(errno, ENAMETOOLONG);
    file[250] = '\0';
    CHECK_EQ(pnd_spool_create(&spool, file, false, &fd, &why), PND_OK);
    snprintf(name, sizeof(name), "%s", file);
    CHECK_EQ(pnd_spool_finish(&spool, fd, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 244);
    close(fd);
    teardown();
}

static void the_longest_safe_name_can_take_every_suffix(void)
{
    char wanted[201];
    int fd;

    setup();
    memset(wanted, 'w', 200);
    wanted[200] = '\0';
    tmp_write(wanted, "", 0);
    fd = begin(wanted, "x");
    CHECK_EQ(strlen(name), 202);
    CHECK_EQ(pnd_spool_abandon(&spool, fd, false, name, &why), PND_OK);
    CHECK_EQ(strlen(name), 213);
    close(fd);
    teardown();
}

static void resuming_opens_what_is_there_and_creates_what_is_not(void)
{
    int fd;

    setup();
    close(begin("core", "hello"));
    CHECK_EQ(pnd_spool_create(&spool, "core", false, &fd, &why), PND_E_EXISTS);
    CHECK_EQ(pnd_spool_create(&spool, "core", true, &fd, &why), PND_OK);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 5);
    close(fd);
    CHECK_EQ(pnd_spool_create(&spool, "new", true, &fd, &why), PND_OK);
    CHECK(tmp_exists("new.part"));
    close(fd);
    teardown();
}

static void links_and_paths_lead_nowhere(void)
{
    int fd = -1;

    setup();
    tmp_write("precious", "kept", 4);
    CHECK_EQ(symlink("precious", tmp_file("core.part")), 0);
    CHECK_EQ(symlink("/etc/passwd", tmp_file("link")), 0);
    CHECK_EQ(mkfifo(tmp_file("fifo.part"), 0600), 0);
    CHECK_EQ(mkdir(tmp_file("dir.part"), 0700), 0);
    CHECK_EQ(pnd_spool_create(&spool, "core", false, &fd, &why), PND_E_EXISTS);
    CHECK_EQ(pnd_spool_create(&spool, "core", true, &fd, &why), PND_E_SYS);
    CHECK_EQ(pnd_spool_create(&spool, "fifo", true, &fd, &why), PND_E_EXISTS);
    CHECK(pnd_spool_create(&spool, "dir", true, &fd, &why) != PND_OK);
    CHECK(pnd_spool_create(&spool, "../core", false, &fd, &why) != PND_OK);
    CHECK(pnd_spool_create(&spool, ".panicd/x", false, &fd, &why) != PND_OK);
    CHECK_EQ(fd, -1);
    CHECK_EQ(pnd_spool_open_file(&spool, "link"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, "fifo.part"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ".panicd"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ".panicd/lock"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ".."), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, "/etc/passwd"), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, ""), PND_E_NOTFOUND);
    CHECK_EQ(pnd_spool_open_file(&spool, "none"), PND_E_NOTFOUND);
    CHECK(holds("precious", "kept"));
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
    RUN(a_safe_name_is_what_apple_and_freebsd_senders_use_and_nothing_else);
    RUN(an_unsafe_name_is_replaced_by_peer_and_time);
    RUN(a_taken_name_gets_a_number_before_its_gz);
    RUN(a_dangling_link_takes_a_name_too);
    RUN(when_every_number_is_taken_the_answer_says_so);
    RUN(a_dump_is_part_until_it_is_finished);
    RUN(finishing_never_replaces_a_file);
    RUN(an_abandoned_dump_is_kept_as_incomplete);
    RUN(a_whole_dump_can_turn_out_incomplete);
    RUN(a_file_that_cannot_be_synced_is_not_finished_but_still_abandoned);
    RUN(names_of_255_bytes_are_cut_to_make_room);
    RUN(the_longest_safe_name_can_take_every_suffix);
    RUN(resuming_opens_what_is_there_and_creates_what_is_not);
    RUN(links_and_paths_lead_nowhere);
    RUN(writes_go_where_they_should_and_limits_are_named);
    RUN(a_full_disk_is_no_space_and_the_dump_goes_on_when_there_is_room);
    RUN(a_disk_too_full_for_a_pid_still_serves_and_one_too_full_for_a_lock_says_so);
    RUN(old_kernels_without_openat2_and_renameat2_serve_as_well);
    return tap_done();
}
