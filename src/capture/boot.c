/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The init of a crash kernel: see boot.h. */
#include "capture/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "capture/complain.h"
#include "capture/watchdog.h"
#include "host/guard.h"

enum { SYNC_WAIT_S = 5 };

static const char modules_path[] = "/lib/panicd/modules";

static void mount_at(const char *type, const char *where)
{
    mkdir(where, 0755);
    /* EBUSY: an initramfs of another make has done it */
    if (mount(type, where, type, MS_NOSUID, NULL) < 0 && errno != EBUSY)
        pnd_complain(0, "mount %s on %s: %s", type, where, strerror(errno));
}

static void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void pnd_boot_unstoppable(int fd)
{
    struct termios termios;

    set_nonblocking(fd, true);
    if (tcgetattr(fd, &termios) < 0)
        return;
    termios.c_iflag &= ~(tcflag_t)(IXON | IXOFF);
    termios.c_cflag &= ~(tcflag_t)CRTSCTS;
    tcsetattr(fd, TCSANOW, &termios); /* this starts one that stands still */
}

void pnd_boot_init(void)
{
    int fd;

    mount_at("devtmpfs", "/dev");
    fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0)
        fd = open("/dev/kmsg", O_WRONLY);
    if (fd >= 0) {
        pnd_boot_unstoppable(fd);
        for (int to = STDIN_FILENO; to <= STDERR_FILENO; to++)
            dup2(fd, to);
        if (fd > STDERR_FILENO)
            close(fd);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stderr, NULL, _IOLBF, 0);
    mount_at("proc", "/proc");
    mount_at("sysfs", "/sys");
    setenv("TERM", "dumb", 1); /* a console may be a serial line that somebody records */
}

static void load_module(char *line)
{
    char *params = line + strcspn(line, " \t");
    PND_AUTO_CLOSE int fd = -1;

    if (*params)
        *params++ = '\0';
    fd = open(line, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        pnd_complain(0, "module %s: %s", line, strerror(errno));
    else if (syscall(SYS_finit_module, fd, params, 0) < 0 && errno != EEXIST)
        pnd_complain(0, "load module %s: %s", line, strerror(errno));
}

void pnd_boot_modules(void)
{
    PND_AUTO_FCLOSE FILE *list = fopen(modules_path, "re");
    char line[1024];

    if (!list) {
        if (errno != ENOENT)
            pnd_complain(0, "read %s: %s", modules_path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), list)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] && line[0] != '#')
            load_module(line);
        pnd_watchdog_alive(); /* some wait for their hardware for half a minute */
    }
}

/* What is on its way to a disk gets there, unless it is the disk that hangs. */
static void sync_for_a_while(void)
{
    pid_t child = fork();

    if (child == 0) {
        sync();
        _exit(EXIT_SUCCESS);
    }
    for (int i = 0; child > 0 && i < SYNC_WAIT_S * 10 && waitpid(child, NULL, WNOHANG) == 0; i++)
        usleep(100 * 1000);
}

void pnd_boot_end_now(enum pnd_after after)
{
    fflush(NULL);
    sync_for_a_while();
    reboot(after == PND_AFTER_POWEROFF ? RB_POWER_OFF : RB_AUTOBOOT);
    for (;;)
        pause();
}

/* A shell that has the console as its terminal. @return it ended; false: there is none */
static bool run_shell(void)
{
    pid_t pid;

    if (access("/bin/sh", X_OK) < 0) {
        pnd_complain(0, "there is no /bin/sh in this initramfs: standing still");
        return false;
    }
    pid = fork();
    if (pid == 0) {
        set_nonblocking(STDIN_FILENO, false); /* and what is the same console */
        setsid();
        (void)ioctl(STDIN_FILENO, TIOCSCTTY, 0);
        execl("/bin/sh", "sh", (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return pid > 0;
}

void pnd_boot_end(enum pnd_after after)
{
    static const int commands[] = {
        [PND_AFTER_REBOOT] = RB_AUTOBOOT,
        [PND_AFTER_POWEROFF] = RB_POWER_OFF,
        [PND_AFTER_HALT] = RB_HALT_SYSTEM,
    };

    if (after != PND_AFTER_REBOOT && after != PND_AFTER_POWEROFF)
        pnd_watchdog_stop(); /* or it would not stay so */
    fflush(NULL);
    if (after == PND_AFTER_SHELL)
        after = run_shell() ? PND_AFTER_REBOOT : PND_AFTER_WAIT;
    if (after != PND_AFTER_WAIT) {
        sync();
        reboot(commands[after]);
        pnd_complain(0, "cannot end this kernel: %s", strerror(errno));
    }
    for (;;)
        pause();
}
