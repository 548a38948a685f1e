/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A capture in a process of its own: see capture.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/watchdog.h"

int pnd_capture_guarded(const struct pnd_capture_options *options,
                        int (*run)(const struct pnd_capture_options *options,
                                   enum pnd_capture_how how))
{
    for (enum pnd_capture_how how = PND_CAPTURE_AS_INIT;; how = PND_CAPTURE_PLAINLY) {
        int status = 0;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        if (pid < 0) /* then without that guard */
            return run(options, how);
        if (pid == 0) {
            status = run(options, how);
            fflush(NULL);
            _exit(status);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        pnd_watchdog_alive();
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (how == PND_CAPTURE_PLAINLY)
            return pnd_complain(PND_EXIT_CANNOT, "the capture was ended again, by signal %d (%s)",
                                WTERMSIG(status), strsignal(WTERMSIG(status)));
        pnd_complain(0,
                     "the capture was ended by signal %d (%s): once more, everything as it stands",
                     WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
}
