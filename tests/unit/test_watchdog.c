/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a capture counts as hung, and what the machine's watchdog is told meanwhile. That a machine
 * really is reset, tests/linux/test_local.py shows. */
#include "capture/watchdog.h"

#include "unit/tmpdir.h"

static char path[300];

static struct pnd_watchdog make(void)
{
    tmp_make();
    snprintf(path, sizeof(path), "%s/watchdog", tmp_path);
    return (struct pnd_watchdog){.device = path, .patience_s = 10, .fd = -1};
}

static off_t kicks(void)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void a_capture_that_moves_is_left_alone(void)
{
    struct pnd_watchdog w = make();

    for (uint64_t i = 0; i < 100; i++)
        CHECK(!pnd_watchdog_turn(&w, i / 9, i * 1000)); /* something every 9 s */
    tmp_remove();
}

static void one_that_stands_still_for_its_patience_hangs(void)
{
    struct pnd_watchdog w = make();

    CHECK(!pnd_watchdog_turn(&w, 7, 5000));
    CHECK(!pnd_watchdog_turn(&w, 7, 14999));
    CHECK(pnd_watchdog_turn(&w, 7, 15000));
    CHECK(!pnd_watchdog_turn(&w, 8, 15000));
    CHECK(!pnd_watchdog_turn(&w, 8, 24999));
    CHECK(pnd_watchdog_turn(&w, 8, 25000));
    tmp_remove();
}

static void one_that_never_began_hangs_as_well(void)
{
    struct pnd_watchdog w = make();

    w.count_ms = 1000;
    CHECK(!pnd_watchdog_turn(&w, 0, 10999));
    CHECK(pnd_watchdog_turn(&w, 0, 11000));
    tmp_remove();
}

static void the_machines_own_is_told_as_soon_as_it_is_there(void)
{
    struct pnd_watchdog w = make();

    CHECK(!pnd_watchdog_turn(&w, 1, 0));
    CHECK_EQ(kicks(), -1);
    tmp_write("watchdog", "", 0);
    for (int i = 1; i <= 3; i++) {
        CHECK(!pnd_watchdog_turn(&w, 1, 0));
        CHECK_EQ(kicks(), i);
    }
    close(w.fd); /* its driver went away: the next turn finds the new one */
    CHECK(!pnd_watchdog_turn(&w, 1, 0));
    CHECK_EQ(w.fd, -1);
    CHECK(!pnd_watchdog_turn(&w, 1, 0));
    CHECK(w.fd >= 0);
    close(w.fd);
    tmp_remove();
}

static void one_that_cannot_be_put_to_sleep_wants_to_be_told_on(void)
{
    struct pnd_watchdog w = make();

    CHECK(pnd_watchdog_disarm(&w)); /* there is none */
    tmp_write("watchdog", "", 0);
    CHECK(!pnd_watchdog_turn(&w, 1, 0));
    CHECK(!pnd_watchdog_disarm(&w));  /* a file knows no such thing */
    CHECK(w.fd >= 0 && kicks() == 1); /* not even the V that would end it */
    close(w.fd);
    tmp_remove();
}

int main(void)
{
    RUN(a_capture_that_moves_is_left_alone);
    RUN(one_that_stands_still_for_its_patience_hangs);
    RUN(one_that_never_began_hangs_as_well);
    RUN(the_machines_own_is_told_as_soon_as_it_is_there);
    RUN(one_that_cannot_be_put_to_sleep_wants_to_be_told_on);
    return tap_done();
}
