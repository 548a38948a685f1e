/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A spool in a directory of its own, and a dump in it. */
#ifndef PND_TESTS_SPOOL_FIXTURE_H
#define PND_TESTS_SPOOL_FIXTURE_H

#include "store/spool.h"
#include "unit/tmpdir.h"

static struct pnd_spool spool;
static struct pnd_why why;
static char name[PND_SPOOL_NAME_CAP];

static inline void setup(void)
{
    tmp_make();
    CHECK_EQ(pnd_spool_open(&spool, tmp_path, &why), PND_OK);
}

static inline void teardown(void)
{
    pnd_spool_close(&spool);
    tmp_remove();
}

static inline const char *pick(const char *wanted)
{
    name[0] = '\0';
    CHECK_EQ(pnd_spool_pick(&spool, wanted, "10.0.40.7", 1795329000, name, &why), PND_OK);
    return name;
}

/* A dump that was picked, created, and has @p content. */
static inline int begin(const char *wanted, const char *content)
{
    int fd = -1;

    CHECK_EQ(pnd_spool_create(&spool, pick(wanted), false, &fd, &why), PND_OK);
    CHECK_EQ(pnd_spool_write(fd, content, strlen(content), 0), PND_OK);
    return fd;
}

static inline bool holds(const char *file, const char *content)
{
    char got[256] = "";
    int fd = pnd_spool_open_file(&spool, file);
    ssize_t len = fd >= 0 ? read(fd, got, sizeof(got)) : -1;

    if (fd >= 0)
        close(fd);
    return len == (ssize_t)strlen(content) && memcmp(got, content, (size_t)len) == 0;
}

#endif
