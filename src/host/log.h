/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line per event on standard error: "event key=value ...". Under systemd (JOURNAL_STREAM is
 * set) with its "<6>" in front, else with the time. A line is one write(2), so that threads and
 * processes do not mix theirs. Only programs log. */
#ifndef PND_HOST_LOG_H
#define PND_HOST_LOG_H

enum pnd_log_level { /* the numbers of syslog(3) and sd-daemon(3) */
                     PND_ERR = 3,
                     PND_WARNING = 4,
                     PND_NOTICE = 5,
                     PND_INFO = 6,
                     PND_DEBUG = 7,
};

enum { PND_LOG_LINE_MAX = 2048 }; /* longer lines are cut and end in "..." */

/* Lines above @p most are dropped (at first: above PND_INFO). Reads JOURNAL_STREAM; call it before
 * the first thread. */
void pnd_log_init(enum pnd_log_level most);

/* @p event   lower-case words joined by "-", a literal
 * @p fmt     "key=%s key=\"%s\" ..."; "" for none. A value that came from outside has gone through
 *            pnd_text_escape() (host/text.h); line feeds in the result become blanks all the same.
 * errno stays as it is. */
__attribute__((format(printf, 3, 4))) void pnd_log(enum pnd_log_level level, const char *event,
                                                   const char *fmt, ...);

#endif
