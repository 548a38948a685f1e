/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program of the site's that runs beside ours: as this user, in a process group of its own,
 * without descriptors but its standard files, with the environment that it is given. What it prints
 * comes by line; one that takes too long is ended, with all that it has started in its group. */
#ifndef PND_HOST_RUN_H
#define PND_HOST_RUN_H

#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/why.h"

enum {
    PND_RUN_GRACE_MS = 5000, /* between SIGTERM and SIGKILL for one that takes too long */
    PND_RUN_STOP_MS = 1000,  /* the same when we end ourselves */
    PND_RUN_LINES_MAX = 100, /* that one may print; the rest is counted */
    PND_RUN_LINE_CAP = 512,  /* bytes of a line; the rest of it is the next one */
    PND_RUN_POLL_MS = 100,   /* how soon an end is noticed, when asked this often */
};

struct pnd_run {
    pid_t pid;  /* leads a group of the same number until it is reaped; 0: nothing runs */
    int out_fd; /* what it prints, not blocking; -1: nobody prints any more */
    uint64_t started_ms, term_ms, kill_ms;
    bool exited, termed, killed;
    unsigned lines, lines_dropped;
    size_t len; /* of line, not said yet */
    char line[PND_RUN_LINE_CAP];
    void (*say)(const char *line, size_t len, void *ctx);
    void *ctx;
};

/* How it ended. */
struct pnd_run_end {
    int status, signal; /* one of them; signal 0: none */
    bool late;          /* it was ended, because it took too long */
    unsigned lines_dropped;
    uint64_t took_ms;
};

/* @param dir_fd  where it runs   @param in_fd  its standard input, the caller's; -1: none
 * @param say     for each line that it prints, of any bytes
 * @return PND_OK; PND_E_SYS */
int pnd_run_start(char *const argv[], char *const env[], int dir_fd, int in_fd,
                  uint64_t patience_ms, void (*say)(const char *line, size_t len, void *ctx),
                  void *ctx, struct pnd_run *ret, struct pnd_why *why);

/* Takes one piece of what it has printed, so that one that prints without end holds up nobody.
 * When out_fd is readable. */
void pnd_run_hear(struct pnd_run *run);

/* Ends it when it is late. @return it is over: pnd_run_finish() has the rest */
bool pnd_run_look(struct pnd_run *run);

/* We end: it is told so, and killed at @p until_ms (pnd_clock_ms()). Then it is over. */
void pnd_run_term(struct pnd_run *run);
void pnd_run_kill(struct pnd_run *run, uint64_t until_ms);

/* It has printed its last, and is reaped here and nowhere else: until then its group's number is
 * nobody else's. @p run is empty then. */
void pnd_run_finish(struct pnd_run *run, struct pnd_run_end *ret);

/* For who starts a program otherwise: no signal is blocked or ignored there.
 *   @param leads  a process group of its own, so that a terminal's Ctrl-C is not for it
 *   @return 0, or an errno */
int pnd_run_spawn(const char *path, const posix_spawn_file_actions_t *actions, bool leads,
                  char *const argv[], char *const env[], pid_t *ret);

#endif
