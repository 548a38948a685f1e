/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Progress on a terminal or in a log: see progress.h. */
#include "host/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/text.h"

enum { BAR_MIN = 10, BAR_MAX = 40, COLUMNS_DEFAULT = 80 };

static bool is_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term && term[0] && strcmp(term, "dumb") != 0;
}

unsigned pnd_progress_columns(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS_DEFAULT;
}

void pnd_progress_init(struct pnd_progress *progress, const char *label, uint64_t total, bool quiet)
{
    uint64_t now = pnd_clock_ms();

    *progress = (struct pnd_progress){
        .label = label, .total = total, .quiet = quiet, .terminal = is_terminal()};
    progress->start_ms = now;
    progress->next_ms = now + (progress->terminal ? 0 : PND_PROGRESS_LINE_MS);
}

/* What stands behind the bar: percentage, bytes, rate, time left. */
static void format_numbers(char *dst, size_t cap, uint64_t total, uint64_t done,
                           uint64_t elapsed_ms)
{
    char bytes[PND_TEXT_BYTES_CAP], rate[PND_TEXT_BYTES_CAP], left[PND_TEXT_TIME_CAP] = "";
    double per_s = elapsed_ms ? (double)done * 1000 / (double)elapsed_ms : 0;

    pnd_text_bytes(bytes, sizeof(bytes), done);
    pnd_text_bytes(rate, sizeof(rate), (uint64_t)per_s);
    if (!total) {
        snprintf(dst, cap, " %s  %s/s", bytes, rate);
        return;
    }
    if (done > total)
        done = total;
    if (per_s >= 1)
        pnd_text_duration(left, sizeof(left), (uint64_t)((double)(total - done) / per_s));
    snprintf(dst, cap, " %3u %%  %s  %s/s%s%s%s", (unsigned)((double)done * 100 / (double)total),
             bytes, rate, left[0] ? "  " : "", left, left[0] ? " left" : "");
}

const char *pnd_progress_format(char *dst, unsigned columns, const struct pnd_progress *progress,
                                uint64_t done, uint64_t elapsed_ms)
{
    char numbers[128], bar[BAR_MAX + 4] = "";
    unsigned cap = columns < PND_PROGRESS_LINE_CAP ? columns + 1 : PND_PROGRESS_LINE_CAP;
    size_t used, room;

    format_numbers(numbers, sizeof(numbers), progress->total, done, elapsed_ms);
    used = strlen(progress->label) + 2 + strlen(numbers);
    room = used < cap ? cap - 1 - used : 0;
    if (progress->total && room >= BAR_MIN + 2) {
        size_t width = room - 2 < BAR_MAX ? room - 2 : BAR_MAX;
        uint64_t part = done < progress->total ? done : progress->total;
        size_t filled = (size_t)((double)part * (double)width / (double)progress->total);

        bar[0] = '[';
        memset(bar + 1, '#', filled);
        memset(bar + 1 + filled, ' ', width - filled);
        bar[width + 1] = ']';
    }
    snprintf(dst, cap, "%s  %s%s", progress->label, bar, numbers);
    return dst;
}

void pnd_progress_update(struct pnd_progress *progress, uint64_t done)
{
    char line[PND_PROGRESS_LINE_CAP];
    uint64_t now;

    if (progress->quiet)
        return;
    now = pnd_clock_ms();
    if (now < progress->next_ms)
        return;
    progress->next_ms = now + (progress->terminal ? PND_PROGRESS_REDRAW_MS : PND_PROGRESS_LINE_MS);
    pnd_progress_format(
        line, progress->terminal ? pnd_progress_columns(STDERR_FILENO) - 1 : COLUMNS_DEFAULT,
        progress, done, now - progress->start_ms);
    fprintf(stderr, progress->terminal ? "\r%s\x1b[K" : "%s\n", line);
    fflush(stderr);
    progress->drawn = progress->terminal;
}

void pnd_progress_clear(struct pnd_progress *progress)
{
    if (progress->drawn)
        fputs("\r\x1b[K", stderr);
    progress->drawn = false;
}
