/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump or a file, and what is known of it; see subject.h. */
#include "panicctl/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/progress.h"
#include "inspect/freebsd_text.h"
#include "store/beside.h"
#include "store/catalog_facts.h"

static int open_path(const char *path, struct pnd_subject *ret, struct pnd_why *why)
{
    struct stat st;

    ret->path = path;
    ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (ret->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    if (fstat(ret->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return pnd_why(why, PND_E_SYS, 0, "%s is not a regular file", path);
    return PND_OK;
}

int pnd_subject_find(struct pnd_ctl *ctl, const char *what, struct pnd_subject *ret,
                     struct pnd_why *why)
{
    struct pnd_why other;
    int err;

    *ret = (struct pnd_subject){.fd = -1};
    if (strchr(what, '/'))
        return open_path(what, ret, why);
    err = pnd_ctl_open(ctl, false, why);
    if (!err)
        err = pnd_view_find(&ctl->spool, ctl->catalog, what, PND_VIEW_WAIT_MS, &ret->view, why);
    if (err && access(what, F_OK) == 0)
        return open_path(what, ret, &other) ? pnd_why(why, PND_E_SYS, 0, "%s", other.text) : PND_OK;
    if (err)
        return err;
    ret->row = true;
    ret->fd = pnd_spool_open_file(&ctl->spool, ret->view.dump.file);
    if (ret->fd < 0 && !ret->view.arriving) /* that one gets its name when it has ended */
        return pnd_why(why, PND_E_SYS, errno, "open %s/%s", ctl->spool.path, ret->view.dump.file);
    return PND_OK;
}

void pnd_subject_deinit(struct pnd_subject *subject)
{
    pnd_guard_close(&subject->fd);
    subject->fd = -1;
}

void pnd_subject_path(const struct pnd_ctl *ctl, const struct pnd_subject *subject, char *ret,
                      size_t cap)
{
    if (subject->row)
        snprintf(ret, cap, "%s/%s", ctl->spool.path, subject->view.dump.file);
    else
        snprintf(ret, cap, "%s", subject->path);
}

void pnd_subject_name(const struct pnd_subject *subject, char *ret, size_t cap)
{
    if (subject->row && subject->view.dump.id)
        snprintf(ret, cap, "%" PRIu64, subject->view.dump.id);
    else
        snprintf(ret, cap, "%s", subject->row ? subject->view.dump.name : subject->path);
}

static bool draw(uint64_t done, void *ctx)
{
    pnd_progress_update(ctx, done);
    return false;
}

int pnd_subject_check(const struct pnd_subject *subject, const char *label, bool quiet,
                      struct pnd_check *ret, struct pnd_facts *facts, struct pnd_why *why)
{
    struct pnd_progress progress;
    struct stat st;
    int err;

    if (fstat(subject->fd, &st) != 0)
        st.st_size = 0;
    pnd_progress_init(&progress, label, (uint64_t)st.st_size, quiet || isatty(STDERR_FILENO) != 1);
    err = pnd_check_run(subject->fd, draw, &progress, ret, facts, why);
    pnd_progress_clear(&progress);
    return err;
}

int pnd_subject_facts(struct pnd_ctl *ctl, const struct pnd_subject *subject, bool with_log,
                      struct pnd_facts *ret, struct pnd_check *ret_check, struct pnd_why *why)
{
    struct pnd_check check = {0};
    int err = PND_E_NOTFOUND;

    *ret = (struct pnd_facts){0};
    if (ret_check)
        *ret_check = check;
    if (subject->row && subject->view.dump.id)
        err = pnd_catalog_get_facts(ctl->catalog, subject->view.dump.id, with_log, ret, why);
    if (err != PND_E_NOTFOUND)
        return err;
    if (subject->row && subject->view.arriving)
        return PND_OK;
    err = pnd_subject_check(subject, "read", ctl->json, &check, ret, why);
    if (!err && ret_check)
        *ret_check = check;
    if (!err)
        pnd_subject_add_header(ctl, subject, ret);
    return err;
}

void pnd_subject_add_header(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                            struct pnd_facts *facts)
{
    uint8_t header[PND_KDH_BYTES];
    size_t len;

    if (subject->row && pnd_beside_read(&ctl->spool, subject->view.dump.file, PND_BESIDE_HEADER,
                                        header, sizeof(header), &len) == PND_OK)
        (void)pnd_facts_from_kdh_bytes(header, len, facts);
}

void pnd_subject_encrypted(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                           struct pnd_encrypted *ret)
{
    char path[sizeof(ctl->spool.path) + PND_SPOOL_NAME_CAP + 1];

    pnd_subject_path(ctl, subject, path, sizeof(path));
    pnd_encrypted_find(path, subject->fd, ret);
}

const char *pnd_subject_format(const struct pnd_subject *subject, const struct pnd_check *check)
{
    return subject->row && subject->view.dump.format[0] ? subject->view.dump.format : check->format;
}
