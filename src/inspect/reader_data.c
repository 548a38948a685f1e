/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Content of no known format, such as the plain memory of a machine: what the texts in it tell. */
#include <stdio.h>
#include <string.h>

#include "inspect/reader.h"

enum { LINE_CAP = 1024 };

static bool is(const void *head, size_t len)
{
    (void)head;
    (void)len;
    return true;
}

/* The line at the first place of a text. @return its length; 0: none */
static size_t first_line(const struct pnd_reader_input *in, enum pnd_scan_text text,
                         char ret[LINE_CAP])
{
    for (unsigned i = 0; i < in->scan->count[text]; i++) {
        size_t len = pnd_reader_line(in, in->scan->at[text][i], ret, LINE_CAP);

        if (len)
            return len;
    }
    return 0;
}

/* "Linux version 6.1.0-18-amd64 (debian-kernel@...) (gcc ...) #1 SMP ..." */
static bool linux_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    static const char version[] = "Linux version ", panic[] = "Kernel panic - not syncing: ";
    char line[LINE_CAP];
    size_t len = first_line(in, PND_SCAN_LINUX_VERSION, line);

    if (len) {
        pnd_facts_set(facts, PND_FACT_OS, "Linux", strlen("Linux"));
        pnd_facts_set(facts, PND_FACT_KERNEL_VERSION, line, len);
        pnd_facts_set(facts, PND_FACT_KERNEL, line + strlen(version),
                      strcspn(line + strlen(version), " "));
    }
    if (len && first_line(in, PND_SCAN_LINUX_PANIC, line))
        pnd_facts_set(facts, PND_FACT_PANIC, line + strlen(panic), strlen(line + strlen(panic)));
    return len > 0;
}

/* "FreeBSD 14.1-RELEASE releng/14.1-n267679-... GENERIC"; what its log says wins. */
static void freebsd_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    static const char name[] = "FreeBSD ";
    char line[LINE_CAP];
    size_t len = first_line(in, PND_SCAN_BSD_VERSION, line);

    if (len == 0)
        return;
    pnd_facts_set(facts, PND_FACT_OS, "FreeBSD", strlen("FreeBSD"));
    pnd_facts_set(facts, PND_FACT_KERNEL_VERSION, line, len);
    pnd_facts_set(facts, PND_FACT_OS_VERSION, line + strlen(name),
                  strcspn(line + strlen(name), " #"));
    pnd_reader_freebsd_log(in, facts);
}

static int data_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    pnd_reader_xnu_version_found(in, facts);
    if (pnd_reader_xnu_log(in, facts) || facts->text[PND_FACT_OS])
        return PND_OK;
    if (!linux_facts(in, facts))
        freebsd_facts(in, facts);
    return PND_OK;
}

const struct pnd_reader pnd_reader_data = {
    .format = "data",
    .is = is,
    .facts = data_facts,
};
