/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A process of ours that may be silent for minutes, since it has much to do: is it at work, or does
 * it hang? Work is time on a processor; that has a bound as well. While it is at work, the
 * watchdog is told that all is well. */
#ifndef PND_CAPTURE_CHILD_H
#define PND_CAPTURE_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "panicd/err.h"

enum {
    PND_CHILD_STILL_MS = 60000, /* without any time on a processor: it hangs */
    PND_CHILD_LOOK_MS = 100,
};

struct pnd_child {
    pid_t pid;
    uint64_t silent_max_ms; /* without a word, though it is at work */
    uint64_t ticks, moved_ms, heard_ms;
};

/* @param silent_max_ms  after its start, or the last pnd_child_heard() */
void pnd_child_watch(struct pnd_child *child, pid_t pid, uint64_t silent_max_ms);
void pnd_child_heard(struct pnd_child *child);

/* To be called at least once a second in a wait for it. @return it hangs */
bool pnd_child_hangs(struct pnd_child *child);

/* Waits for its end. One that hangs, or whose end nobody wants to wait for any more, is killed; and
 * left alone if not even that ends it, because a disk does not answer it.
 *   @param ret_status  as of waitpid()
 *   @return PND_OK; PND_E_TIMEOUT it hangs; PND_E_ABORTED somebody asked to stop */
int pnd_child_wait(struct pnd_child *child, int *ret_status);

/* Kills it, and waits a little. @param ret_status  0 when even that did not end it */
void pnd_child_kill(const struct pnd_child *child, int *ret_status);

/* The same as pnd_child_hangs() with a time and a number of ticks, for tests. */
bool pnd_child_hangs_at(struct pnd_child *child, uint64_t ticks, uint64_t now_ms);

/* Of the processor, in which it ran so far. 0 when /proc does not tell. @source proc(5), stat */
uint64_t pnd_child_ticks(pid_t pid);

#endif
