/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl verify: is a dump whole, and as it was received? */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/progress.h"
#include "host/text.h"
#include "inspect/check.h"
#include "panicctl/print.h"
#include "panicctl/view.h"

struct subject {
    bool row; /* from the catalog: view is filled in */
    struct pnd_view view;
    const char *path; /* a FILE */
    int fd;
    char received[65]; /* SHA-256 of when it was received; "" none */
};

static const char *const verdicts[] = {
    [PND_VERDICT_COMPLETE] = "complete",
    [PND_VERDICT_INCOMPLETE] = "incomplete",
    [PND_VERDICT_CORRUPT] = "corrupt",
};

static int open_path(const char *path, struct subject *ret, struct pnd_why *why)
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

/* An ID of the directory, or else a file. */
static int find_subject(struct pnd_ctl *ctl, const char *what, struct subject *ret,
                        struct pnd_why *why)
{
    struct pnd_why other;
    int err;

    if (strchr(what, '/'))
        return open_path(what, ret, why);
    err = pnd_ctl_open(ctl, false, why);
    if (!err)
        err = pnd_view_find(ctl, what, &ret->view, why);
    if (err && access(what, F_OK) == 0)
        return open_path(what, ret, &other) ? pnd_why(why, PND_E_SYS, 0, "%s", other.text) : PND_OK;
    if (err)
        return err;
    ret->row = true;
    memcpy(ret->received, ret->view.dump.sha256, sizeof(ret->received));
    ret->fd = pnd_spool_open_file(&ctl->spool, ret->view.dump.file);
    if (ret->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s/%s", ctl->spool.path, ret->view.dump.file);
    return PND_OK;
}

static bool show_progress(uint64_t done, void *ctx)
{
    if (done > 0)
        pnd_progress_update(ctx, done);
    return false;
}

static int run_check(int fd, bool quiet, struct pnd_check *ret, struct pnd_why *why)
{
    struct pnd_progress progress;
    struct stat st;
    int err;

    if (fstat(fd, &st) != 0)
        st.st_size = 0;
    pnd_progress_init(&progress, "verify", (uint64_t)st.st_size,
                      quiet || isatty(STDERR_FILENO) != 1);
    err = pnd_check_run(fd, show_progress, &progress, ret, NULL, why);
    pnd_progress_clear(&progress);
    return err;
}

/* The file against what the catalog says of it. */
static void compare_with_row(const struct pnd_dump *dump, struct pnd_check *check,
                             bool *ret_offset_known)
{
    if (dump->sha256[0] && strcmp(dump->sha256, check->sha256) != 0) {
        check->verdict = PND_VERDICT_CORRUPT;
        check->missing_count = 0;
        *ret_offset_known = false;
        snprintf(check->reason, sizeof(check->reason),
                 "the file differs from what was received: its SHA-256 then was %s", dump->sha256);
        return;
    }
    if (dump->state != PND_DUMP_INCOMPLETE)
        return;
    /* What the receiver knows it never got does not heal by looking sound. */
    check->verdict = PND_VERDICT_INCOMPLETE;
    if (dump->reason[0])
        snprintf(check->reason, sizeof(check->reason), "%s", dump->reason);
    if (dump->missing_count) {
        check->missing_count = dump->missing_count;
        for (unsigned i = 0; i < dump->missing_count; i++)
            check->missing[i] = (struct pnd_check_range){.start = dump->missing[i].start,
                                                         .end = dump->missing[i].end};
    }
}

_Static_assert((int)PND_DUMP_MISSING_CAP == (int)PND_CHECK_MISSING_CAP, "ranges fit both ways");

/* Without a server nobody else will: the verdict goes into the catalog, if this user may write
 * there. Errors cost nothing, as the verdict is on the screen. */
static void settle_row(struct pnd_ctl *ctl, int fd, struct pnd_dump *dump,
                       const struct pnd_check *check)
{
    struct pnd_spool locked;
    struct pnd_catalog *catalog = NULL;
    bool fresh = false;

    if (pnd_spool_open(&locked, ctl->spool.path, NULL))
        return; /* a server has come up meanwhile, or we may not */
    if (pnd_catalog_open(&locked, false, &catalog, &fresh, NULL) == PND_OK) {
        dump->state =
            check->verdict == PND_VERDICT_COMPLETE ? PND_DUMP_COMPLETE : PND_DUMP_INCOMPLETE;
        dump->checked = true;
        dump->bytes = check->bytes;
        snprintf(dump->reason, sizeof(dump->reason), "%s", check->reason);
        snprintf(dump->format, sizeof(dump->format), "%s", check->format);
        snprintf(dump->sha256, sizeof(dump->sha256), "%s", check->sha256);
        dump->missing_count = check->missing_count;
        for (unsigned i = 0; i < check->missing_count; i++)
            dump->missing[i] = (struct pnd_dump_range){.start = check->missing[i].start,
                                                       .end = check->missing[i].end};
        if (dump->state == PND_DUMP_COMPLETE ||
            pnd_spool_abandon(&locked, -1, true, dump->file, NULL) == PND_OK)
            pnd_catalog_put(catalog, dump, 1, NULL);
        pnd_catalog_label(fd, dump);
        pnd_spool_sync(&locked, NULL);
    }
    pnd_catalog_close(catalog);
    pnd_spool_close(&locked);
}

static int print_result_json(const struct pnd_ctl *ctl, const struct subject *subject,
                             const struct pnd_check *check, bool offset_known)
{
    const struct pnd_dump *dump = &subject->view.dump;
    struct pnd_dump_range ranges[PND_CHECK_MISSING_CAP];
    char path[sizeof(ctl->spool.path) + PND_SPOOL_NAME_CAP + 1];
    bool corrupt = check->verdict == PND_VERDICT_CORRUPT && offset_known;

    for (unsigned i = 0; i < check->missing_count; i++)
        ranges[i] =
            (struct pnd_dump_range){.start = check->missing[i].start, .end = check->missing[i].end};
    if (subject->row)
        snprintf(path, sizeof(path), "%s/%s", ctl->spool.path, dump->file);
    return pnd_print_json(
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:s, s:s?}", "id",
                  subject->row ? json_integer((json_int_t)dump->id) : json_null(), "path",
                  pnd_print_json_text(subject->row ? path : subject->path), "verdict",
                  verdicts[check->verdict], "reason", check->reason, "note", check->note, "format",
                  check->format, "bytes", (json_int_t)check->bytes, "content_bytes",
                  (json_int_t)check->content_bytes, "offset",
                  corrupt ? json_integer((json_int_t)check->offset) : json_null(), "missing",
                  pnd_print_json_ranges(ranges, check->missing_count), "sha256", check->sha256,
                  "sha256_received", subject->received[0] ? subject->received : NULL));
}

static void print_result(const struct pnd_ctl *ctl, const struct subject *subject,
                         const struct pnd_check *check, bool offset_known)
{
    char name[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];
    const struct pnd_dump *dump = &subject->view.dump;

    printf("%s: ", pnd_print_name(name, subject->row ? dump->file : subject->path));
    pnd_print_state(ctl, verdicts[check->verdict]);
    putchar('\n');
    if (check->reason[0])
        printf("  reason     %s\n", pnd_print_name(name, check->reason));
    if (check->verdict == PND_VERDICT_CORRUPT && offset_known)
        printf("  damaged    at byte %" PRIu64 " of the file\n", check->offset);
    for (unsigned i = 0; i < check->missing_count; i++) {
        if (check->missing[i].end == UINT64_MAX)
            printf("  missing    from byte %" PRIu64 " on\n", check->missing[i].start);
        else
            printf("  missing    bytes %" PRIu64 " to %" PRIu64 "\n", check->missing[i].start,
                   check->missing[i].end - 1);
    }
    if (check->note[0])
        printf("  note       %s\n", check->note);
    printf("  format     %s\n", check->format);
    printf("  size       %s (%" PRIu64 " bytes)\n",
           pnd_text_bytes(bytes, sizeof(bytes), check->bytes), check->bytes);
    if (check->content_bytes != check->bytes)
        printf("  unpacked   %s (%" PRIu64 " bytes)\n",
               pnd_text_bytes(bytes, sizeof(bytes), check->content_bytes), check->content_bytes);
    printf("  SHA-256    %s%s\n", check->sha256,
           strcmp(subject->received, check->sha256) == 0 ? ", as received" : "");
}

static int verify(struct pnd_ctl *ctl, struct subject *subject)
{
    struct pnd_check check = {0};
    struct pnd_why why = {0};
    bool offset_known = true;
    int err = run_check(subject->fd, ctl->json, &check, &why);

    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (subject->row && subject->view.dump.state == PND_DUMP_RECEIVING)
        settle_row(ctl, subject->fd, &subject->view.dump, &check);
    else if (subject->row)
        compare_with_row(&subject->view.dump, &check, &offset_known);
    if (ctl->json)
        err = print_result_json(ctl, subject, &check, offset_known);
    else
        print_result(ctl, subject, &check, offset_known);
    if (err)
        return err;
    return check.verdict == PND_VERDICT_COMPLETE ? PND_EXIT_OK : PND_EXIT_NO;
}

int pnd_verb_verify(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct subject subject = {.fd = -1};
    struct pnd_why why = {0};
    int option, code;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (argc - optind != 1)
        return pnd_ctl_misused(argv[0], "verify takes one ID or FILE");

    if (find_subject(ctl, argv[optind], &subject, &why))
        code = pnd_ctl_fail("%s", why.text);
    else if (subject.row && subject.view.arriving)
        code =
            pnd_ctl_fail("%s is still arriving; type \"panicctl watch\" to see it", argv[optind]);
    else
        code = verify(ctl, &subject);
    pnd_guard_close(&subject.fd);
    return code;
}
