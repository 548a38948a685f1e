/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The console of a crash kernel: nobody at its other end stops a dump. */
#include "capture/boot.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "tap.h"

enum { LINE = 100, LINES = 5000 };

/* @return the terminal; @p ret_other who looks at it */
static int open_terminal(int *ret_other)
{
    int other = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), fd = -1;

    if (other >= 0 && unlockpt(other) == 0)
        fd = open(ptsname(other), O_RDWR | O_NOCTTY | O_CLOEXEC);
    *ret_other = other;
    return fd;
}

/* Ends when a line would have to wait: then the alarm kills this program. */
static void say_much(int fd)
{
    FILE *file = fdopen(dup(fd), "w");

    setvbuf(file, NULL, _IOLBF, 0);
    alarm(20);
    for (unsigned i = 0; i < LINES; i++)
        fprintf(file, "%*u\n", LINE, i);
    fclose(file);
    alarm(0);
}

static void a_console_that_nobody_reads_does_not_stop_a_dump(void)
{
    int other, fd = open_terminal(&other);

    if (fd < 0)
        SKIP("no pseudo terminals here");
    pnd_boot_unstoppable(fd);
    say_much(fd);
    close(fd);
    close(other);
}

static void neither_does_one_that_was_stopped(void)
{
    char text[4096];
    struct termios termios;
    int other, fd = open_terminal(&other);

    if (fd < 0)
        SKIP("no pseudo terminals here");
    CHECK(tcgetattr(fd, &termios) == 0 && termios.c_iflag & IXON);
    CHECK_EQ(write(other, "\023", 1), 1); /* Ctrl-S, before */
    pnd_boot_unstoppable(fd);
    CHECK_EQ(write(other, "\023", 1), 1); /* and after */
    CHECK_EQ(write(fd, "here", 4), 4);
    fcntl(other, F_SETFL, O_NONBLOCK);
    for (unsigned i = 0; i < 100; i++)
        usleep(1000);
    CHECK(read(other, text, sizeof(text)) >= 4);
    say_much(fd);
    close(fd);
    close(other);
}

int main(void)
{
    RUN(a_console_that_nobody_reads_does_not_stop_a_dump);
    RUN(neither_does_one_that_was_stopped);
    return tap_done();
}
