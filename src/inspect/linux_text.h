/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the log of a Linux kernel says beyond what pnd_facts_from_linux_log() (reader.h) sets. */
#ifndef PND_INSPECT_LINUX_TEXT_H
#define PND_INSPECT_LINUX_TEXT_H

#include <stddef.h>

enum { PND_LINUX_LOG_SCAN = 4 << 20 }; /* bytes of the log's end that are looked through */

/* @return the CPU that says in the log that it panicked; -1: none does */
int pnd_linux_log_cpu(const char *log, size_t len);

#endif
