/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A capture that is killed is made once more, plainly. */
#include "capture/capture.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

/* What the processes of a run did. */
static struct seen {
    enum pnd_capture_how how[4];
    unsigned runs, deaths; /* that are still to come */
    int status;
} * seen;

static struct pnd_capture_options options;

static int run(const struct pnd_capture_options *given, enum pnd_capture_how how)
{
    if (given != &options)
        return 77;
    seen->how[seen->runs++] = how;
    if (seen->deaths > 0) {
        seen->deaths--;
        kill(getpid(), SIGKILL);
    }
    return seen->status;
}

static int guarded(unsigned deaths, int status)
{
    memset(seen, 0, sizeof(*seen));
    seen->deaths = deaths;
    seen->status = status;
    return pnd_capture_guarded(&options, run);
}

static void what_it_returns_is_passed_on(void)
{
    for (int status = 0; status < 3; status++) {
        CHECK_EQ(guarded(0, status), status);
        CHECK_EQ(seen->runs, 1);
        CHECK_EQ(seen->how[0], PND_CAPTURE_AS_INIT);
    }
}

static void one_that_is_killed_is_run_again_plainly(void)
{
    CHECK_EQ(guarded(1, 1), 1);
    CHECK_EQ(seen->runs, 2);
    CHECK_EQ(seen->how[1], PND_CAPTURE_PLAINLY);
}

static void but_only_once(void)
{
    CHECK_EQ(guarded(2, 0), PND_EXIT_CANNOT);
    CHECK_EQ(seen->runs, 2);
}

int main(void)
{
    seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED)
        return 1;
    RUN(what_it_returns_is_passed_on);
    RUN(one_that_is_killed_is_run_again_plainly);
    RUN(but_only_once);
    return tap_done();
}
