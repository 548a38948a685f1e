/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The log of a program: a line, a write. */
#include "host/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/text.h"

static enum pnd_log_level log_most = PND_INFO;
static bool log_to_journal;

static const char *level_text(enum pnd_log_level level)
{
    switch (level) {
    case PND_ERR:
        return "error";
    case PND_WARNING:
        return "warning";
    case PND_NOTICE:
        return "notice";
    case PND_INFO:
        return "info";
    case PND_DEBUG:
        return "debug";
    }
    return "?";
}

/* JOURNAL_STREAM names the socket it means: a program whose standard error was sent elsewhere
 * inherits the variable all the same. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char ours[64];
    struct stat st;

    if (!stream || fstat(STDERR_FILENO, &st) < 0)
        return false;
    snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(stream, ours) == 0;
}

void pnd_log_init(enum pnd_log_level most)
{
    log_most = most;
    log_to_journal = stderr_is_journal();
}

static size_t line_start(char *line, size_t cap, enum pnd_log_level level, const char *event)
{
    char when[PND_TEXT_TIME_CAP];
    struct timespec now;

    if (log_to_journal) {
        snprintf(line, cap, "<%d>%s", (int)level, event);
    } else {
        clock_gettime(CLOCK_REALTIME, &now);
        pnd_text_time_utc(when, sizeof(when),
                          (int64_t)now.tv_sec * 1000 + (int64_t)(now.tv_nsec / 1000000));
        snprintf(line, cap, "%s %s %s", when, level_text(level), event);
    }
    return strlen(line);
}

void pnd_log(enum pnd_log_level level, const char *event, const char *fmt, ...)
{
    static const char cut[] = "...";
    char line[PND_LOG_LINE_MAX + 1]; /* and the line feed */
    int saved = errno, wanted;
    size_t len;
    va_list ap;

    if (level > log_most)
        return;
    len = line_start(line, PND_LOG_LINE_MAX, level, event);
    if (*fmt && len < PND_LOG_LINE_MAX - 1) {
        line[len++] = ' ';
        va_start(ap, fmt);
        wanted = vsnprintf(line + len, PND_LOG_LINE_MAX - len, fmt, ap);
        va_end(ap);
        if (wanted > 0 && (size_t)wanted >= PND_LOG_LINE_MAX - len)
            memcpy(line + PND_LOG_LINE_MAX - sizeof(cut), cut, sizeof(cut));
        len += strlen(line + len);
    }
    for (size_t i = 0; i < len; i++)
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        errno = 0; /* nowhere left to say it */
    errno = saved;
}
