/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LD_PRELOAD: the wall clock is as many seconds ahead as the file CLOCKSHIM says, if it is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    const char *path = getenv("CLOCKSHIM");
    char text[32];
    FILE *file;

    if (syscall(SYS_clock_gettime, clock, ret) != 0)
        return -1;
    file = clock == CLOCK_REALTIME && path ? fopen(path, "re") : NULL;
    if (file) {
        if (fgets(text, sizeof(text), file))
            ret->tv_sec += strtol(text, NULL, 10);
        fclose(file);
    }
    return 0;
}
