/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a process that takes a dump of a sender can do, and what it dies of. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/landlock.h"
#include "panicctl/cage.h"
#include "tap.h"
#include "tmpdir.h"

static struct pnd_spool spool;
static int connection = -1; /* in the child: a connection of TCP */

static int connected(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), moved;

    if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) != 0 ||
        connect(fd, (struct sockaddr *)&at, len) != 0)
        abort();
    moved = fcntl(fd, F_DUPFD, PND_CAGE_SENDER_FD);
    close(fd);
    close(listener);
    return moved;
}

/* In a forked child: into the cage, and then what is given. @return the wait status */
static int caged(void (*act)(void))
{
    struct pnd_why why = {0};
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        connection = connected();
        if (pnd_cage_enter(&spool, connection, &why))
            _exit(9);
        act();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    return status;
}

static bool dies_of(void (*act)(void))
{
    int status = caged(act);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool lives_with(void (*act)(void))
{
    int status = caged(act);

    if (!WIFEXITED(status) || WEXITSTATUS(status))
        printf("# status %#x\n", (unsigned)status);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#define DO(what)                                                                                   \
    do {                                                                                           \
        if (!(what))                                                                               \
            _exit(1 + __LINE__ % 100);                                                             \
    } while (0)

/* ---- what it is for ---- */

static void act_dump(void)
{
    char path[64], byte;
    int fd = openat(spool.dir_fd, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600), lock;

    DO(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    DO(pwrite(fd, "dump", 4, 0) == 4 && ftruncate(fd, 4) == 0 && fsync(fd) == 0);
    DO(linkat(AT_FDCWD, path, spool.dir_fd, "hidden", AT_SYMLINK_FOLLOW) == 0);
    DO(renameat2(spool.dir_fd, "hidden", spool.dir_fd, "dump", RENAME_NOREPLACE) == 0);
    DO(pread(fd, &byte, 1, 3) == 1 && byte == 'p');
    lock = openat(spool.state_fd, "file", O_RDWR | O_CREAT, 0600);
    DO(lock >= 0 && write(lock, "x", 1) == 1);
    DO(fcntl(lock, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET}) == 0);
    DO(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, lock, 0) != MAP_FAILED);
    DO(unlinkat(spool.state_fd, "file", 0) == 0);
}

static void act_ask(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/control", spool.state_fd);
    DO(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    DO(write(fd, "status\n", 7) == 7);
}

static void act_answer(void)
{
    /* Nobody reads it, but it goes. */
    DO(send(connection, "dump 1\n", 7, MSG_NOSIGNAL) == 7 || errno == EPIPE || errno == ECONNRESET);
}

static void it_can_write_a_dump_and_ask_for_its_row(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/control", spool.state_fd);
    CHECK(bind(server, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(server, 1) == 0);
    CHECK(lives_with(act_dump));
    CHECK(lives_with(act_ask));
    CHECK(lives_with(act_answer));
    close(server);
}

/* ---- what it dies of ---- */

static void act_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void act_fork(void)
{
    fork();
}

static void act_inet(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void act_netlink(void)
{
    socket(AF_NETLINK, SOCK_RAW, 0);
}

static void act_packet(void)
{
    socket(AF_PACKET, SOCK_RAW, 0);
}

/* The lower half of the argument is AF_INET. */
static void act_wide_inet(void)
{
    syscall(SYS_socket, (1L << 32) | AF_INET, SOCK_STREAM, 0);
}

static void act_reconnect(void)
{
    (void)connect(connection, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
}

static void act_wide_reconnect(void)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};

    syscall(SYS_connect, (1L << 32) | connection, &none, sizeof(none));
}

static void act_dup(void)
{
    dup2(connection, 5);
}

static void act_signal(void)
{
    kill(getpid(), SIGCONT);
}

static void act_listen(void)
{
    listen(connection, 1);
}

static void act_trace(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void act_user(void)
{
    if (setuid(0) != 0)
        _exit(0);
}

static void act_ring(void)
{
    char room[128] = {0};

    syscall(SYS_io_uring_setup, 1, room);
}

static void it_dies_of_what_no_dump_takes(void)
{
    CHECK(dies_of(act_exec));
    CHECK(dies_of(act_fork));
    CHECK(dies_of(act_inet));
    CHECK(dies_of(act_netlink));
    CHECK(dies_of(act_packet));
    CHECK(dies_of(act_wide_inet));
    CHECK(dies_of(act_reconnect));
    CHECK(dies_of(act_wide_reconnect));
    CHECK(dies_of(act_dup));
    CHECK(dies_of(act_signal));
    CHECK(dies_of(act_listen));
    CHECK(dies_of(act_trace));
    CHECK(dies_of(act_user));
    CHECK(dies_of(act_ring));
}

/* ---- what fails ---- */

static void act_copy(void)
{
    DO(fcntl(connection, F_DUPFD, 5) == -1 && errno == EPERM);
    DO(fcntl(connection, F_SETOWN, getpid()) == -1 && errno == EPERM);
    DO(syscall(SYS_fcntl, connection, (1L << 32) | F_DUPFD, 5) == -1 && errno == EPERM);
}

static void act_type(void)
{
    DO(ioctl(0, TIOCSTI, "x") == -1 && errno == EPERM);
}

static void act_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    DO(page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == -1);
    DO(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

static void act_unknown(void)
{
    DO(syscall(SYS_sethostname, "x", 1) == -1 && errno == EPERM);
    DO(syscall(SYS_memfd_create, "x", 0) == -1 && errno == EPERM);
    DO(syscall(SYS_symlinkat, "/etc", spool.dir_fd, "x") == -1 && errno == EPERM);
}

static void what_it_need_not_do_fails(void)
{
    CHECK(lives_with(act_copy));
    CHECK(lives_with(act_type));
    CHECK(lives_with(act_code));
    CHECK(lives_with(act_unknown));
}

static void act_files(void)
{
    DO(open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES);
    DO(open("/", O_RDONLY | O_DIRECTORY) == -1 && errno == EACCES);
    DO(openat(spool.dir_fd, "../other", O_RDONLY) == -1 && errno == EACCES);
    DO(openat(spool.dir_fd, "../new", O_RDWR | O_CREAT, 0600) == -1 && errno == EACCES);
    DO(openat(spool.dir_fd, "way-out", O_RDONLY) == -1 && errno == EACCES);
    DO(unlinkat(spool.dir_fd, "../other", 0) == -1 && errno == EACCES);
    DO(mkdirat(spool.dir_fd, "directory", 0700) == -1 && errno == EACCES);
    DO(linkat(AT_FDCWD, "/etc/passwd", spool.dir_fd, "stolen", 0) == -1);
    DO(renameat(spool.dir_fd, "../other", spool.dir_fd, "stolen") == -1);
}

static void no_file_is_there_but_beneath_the_directory(void)
{
    if (!pnd_landlock_known()) {
        printf("# no Landlock in this kernel\n");
        return;
    }
    CHECK(lives_with(act_files));
}

int main(void)
{
    struct pnd_why why = {0};
    int fd;

    tmp_make();
    if (mkdir(tmp_file("spool"), 0700) != 0 || symlink("../other", tmp_file("spool/way-out")) != 0)
        abort();
    fd = open(tmp_file("other"), O_WRONLY | O_CREAT, 0600);
    close(fd);
    if (fd < 0 || pnd_spool_open(&spool, tmp_file("spool"), &why))
        abort();
    RUN(it_can_write_a_dump_and_ask_for_its_row);
    RUN(it_dies_of_what_no_dump_takes);
    RUN(what_it_need_not_do_fails);
    RUN(no_file_is_there_but_beneath_the_directory);
    pnd_spool_close(&spool);
    tmp_remove();
    return tap_done();
}
