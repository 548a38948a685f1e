/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl verify: is a dump whole, and as it was received? */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "view/encrypted.h"
#include "panicctl/print.h"
#include "panicctl/debug.h"
#include "panicctl/subject.h"
#include "store/catalog_facts.h"

static const char *const verdicts[] = {
    [PND_VERDICT_COMPLETE] = "complete",
    [PND_VERDICT_INCOMPLETE] = "incomplete",
    [PND_VERDICT_CORRUPT] = "corrupt",
};

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

/* As the server's checker would: what is known to be incomplete stays it. */
static void take_check(const struct pnd_check *check, struct pnd_dump *dump)
{
    if (dump->state != PND_DUMP_INCOMPLETE) {
        dump->state =
            check->verdict == PND_VERDICT_COMPLETE ? PND_DUMP_COMPLETE : PND_DUMP_INCOMPLETE;
        snprintf(dump->reason, sizeof(dump->reason), "%s", check->reason);
    }
    dump->checked = true;
    dump->bytes = check->bytes;
    snprintf(dump->format, sizeof(dump->format), "%s", check->format);
    snprintf(dump->sha256, sizeof(dump->sha256), "%s", check->sha256);
    if (dump->state == PND_DUMP_INCOMPLETE && pnd_dump_knows_holes(dump))
        return;
    dump->missing_count = check->missing_count;
    for (unsigned i = 0; i < check->missing_count; i++)
        dump->missing[i] =
            (struct pnd_dump_range){.start = check->missing[i].start, .end = check->missing[i].end};
    if (dump->state == PND_DUMP_INCOMPLETE && check->verdict == PND_VERDICT_COMPLETE) {
        dump->missing[0] = (struct pnd_dump_range){.start = check->bytes, .end = UINT64_MAX};
        dump->missing_count = 1;
    }
}

/* Without a server nobody else will: the verdict and the facts go into the catalog, if this user
 * may write there. Errors cost nothing, as the verdict is on the screen. */
static void settle_row(struct pnd_ctl *ctl, int fd, struct pnd_dump *dump,
                       const struct pnd_check *check, const struct pnd_facts *facts)
{
    struct pnd_spool locked;
    struct pnd_catalog *catalog = NULL;
    bool known = dump->state == PND_DUMP_INCOMPLETE;

    if (pnd_spool_open(&locked, ctl->spool.path, NULL))
        return; /* a server has come up meanwhile, or we may not */
    if (pnd_catalog_open(&locked, false, &catalog, NULL, NULL) == PND_OK) {
        take_check(check, dump);
        if (known || dump->state == PND_DUMP_COMPLETE ||
            pnd_spool_abandon(&locked, -1, true, dump->file, NULL) == PND_OK)
            pnd_catalog_conclude(catalog, dump, facts, NULL);
        pnd_catalog_label(fd, dump);
        pnd_spool_sync(&locked, NULL);
    }
    pnd_catalog_close(catalog);
    pnd_spool_close(&locked);
}

/* Facts that are lost or damaged are read again by this, if this user may write there. */
static void mend_facts(struct pnd_ctl *ctl, const struct pnd_dump *dump,
                       const struct pnd_facts *facts)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_facts known;
    int err = pnd_catalog_get_facts(ctl->catalog, dump->id, true, &known, NULL);

    pnd_facts_deinit(&known);
    if (err != PND_E_NOTFOUND || pnd_catalog_open(&ctl->spool, false, &catalog, NULL, NULL))
        return;
    pnd_catalog_conclude(catalog, dump, facts, NULL);
    pnd_catalog_close(catalog);
}

/* What of a dump is encrypted, and its name in a command. */
struct sealed {
    struct pnd_encrypted encrypted;
    char name[2 * PND_DEBUG_PATH_CAP];
};

static void find_sealed(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                        struct sealed *ret)
{
    char name[PND_DEBUG_PATH_CAP];

    pnd_subject_encrypted(ctl, subject, &ret->encrypted);
    pnd_subject_name(subject, name, sizeof(name));
    pnd_debug_quote(ret->name, sizeof(ret->name), name);
}

static int print_result_json(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                             const struct pnd_check *check, bool offset_known, const char *received)
{
    struct sealed sealed;
    const struct pnd_dump *dump = &subject->view.dump;
    struct pnd_dump_range ranges[PND_CHECK_MISSING_CAP];
    char path[sizeof(ctl->spool.path) + PND_SPOOL_NAME_CAP + 1];
    bool corrupt = check->verdict == PND_VERDICT_CORRUPT && offset_known;

    for (unsigned i = 0; i < check->missing_count; i++)
        ranges[i] =
            (struct pnd_dump_range){.start = check->missing[i].start, .end = check->missing[i].end};
    if (subject->row)
        snprintf(path, sizeof(path), "%s/%s", ctl->spool.path, dump->file);
    find_sealed(ctl, subject, &sealed);
    return pnd_print_json(
        json_pack("{s:o, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:s, s:s?, s:o}", "id",
                  subject->row ? json_integer((json_int_t)dump->id) : json_null(), "path",
                  pnd_print_json_text(subject->row ? path : subject->path), "verdict",
                  verdicts[check->verdict], "reason", check->reason, "note", check->note, "format",
                  check->format, "bytes", (json_int_t)check->bytes, "content_bytes",
                  (json_int_t)check->content_bytes, "offset",
                  corrupt ? json_integer((json_int_t)check->offset) : json_null(), "missing",
                  pnd_print_json_ranges(ranges, check->missing_count), "sha256", check->sha256,
                  "sha256_received", received[0] ? received : NULL, "encrypted",
                  pnd_encrypted_json(&sealed.encrypted, sealed.name)));
}

static void print_result(const struct pnd_ctl *ctl, const struct pnd_subject *subject,
                         const struct pnd_check *check, bool offset_known, const char *received)
{
    char name[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];
    const struct pnd_dump *dump = &subject->view.dump;
    struct sealed sealed;

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
           strcmp(received, check->sha256) == 0 ? ", as received" : "");
    find_sealed(ctl, subject, &sealed);
    pnd_encrypted_print(&sealed.encrypted, sealed.name);
}

static int verify(struct pnd_ctl *ctl, struct pnd_subject *subject)
{
    struct pnd_check check = {0};
    struct pnd_facts facts = {0};
    struct pnd_why why = {0};
    struct pnd_dump *dump = &subject->view.dump;
    bool offset_known = true, compare = dump->checked || dump->state == PND_DUMP_INCOMPLETE;
    char received[65]; /* the SHA-256 that it had then; "" none */
    int err = pnd_subject_check(subject, "verify", ctl->json, &check, &facts, &why);

    if (err)
        return pnd_ctl_fail("%s", why.text);
    pnd_subject_add_header(ctl, subject, &facts);
    snprintf(received, sizeof(received), "%s", dump->sha256);
    if (subject->row && !dump->checked)
        settle_row(ctl, subject->fd, dump, &check, &facts);
    if (subject->row && compare)
        compare_with_row(dump, &check, &offset_known);
    if (subject->row && strcmp(received, check.sha256) == 0)
        mend_facts(ctl, dump, &facts);
    pnd_facts_deinit(&facts);
    if (ctl->json)
        err = print_result_json(ctl, subject, &check, offset_known, received);
    else
        print_result(ctl, subject, &check, offset_known, received);
    if (err)
        return err;
    return check.verdict == PND_VERDICT_COMPLETE ? PND_EXIT_OK : PND_EXIT_NO;
}

int pnd_verb_verify(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct pnd_subject subject;
    struct pnd_why why = {0};
    int option, code;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (argc - optind != 1)
        return pnd_ctl_misused(argv[0], "verify takes one ID or FILE");

    if (pnd_subject_find(ctl, argv[optind], &subject, &why))
        code = pnd_ctl_fail("%s", why.text);
    else if (subject.row && subject.view.arriving)
        code =
            pnd_ctl_fail("%s is still arriving; type \"panicctl watch\" to see it", argv[optind]);
    else
        code = verify(ctl, &subject);
    pnd_subject_deinit(&subject);
    return code;
}
