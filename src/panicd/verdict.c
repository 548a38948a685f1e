/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/log.h"
#include "inspect/freebsd_text.h"
#include "store/beside.h"

static void take_missing(const struct pnd_check *check, struct pnd_dump *dump)
{
    dump->missing_count = 0;
    for (unsigned i = 0; i < check->missing_count && i < PND_DUMP_MISSING_CAP; i++) {
        dump->missing[i].start = check->missing[i].start;
        dump->missing[i].end = check->missing[i].end;
        dump->missing_count++;
    }
}

/* The file's name says that it is not whole after all. */
static void mark(const struct pnd_spool *spool, struct pnd_dump *dump, const char *reason)
{
    struct pnd_why why;

    dump->state = PND_DUMP_INCOMPLETE;
    snprintf(dump->reason, sizeof(dump->reason), "%s", reason);
    if (pnd_spool_abandon(spool, -1, true, dump->file, &why) || pnd_spool_sync(spool, &why))
        pnd_log(PND_ERR, "mark-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
}

static void take_verdict(const struct pnd_spool *spool, int fd, const struct pnd_check *check,
                         struct pnd_dump *dump)
{
    struct stat st;

    snprintf(dump->sha256, sizeof(dump->sha256), "%s", check->sha256);
    snprintf(dump->format, sizeof(dump->format), "%s", check->format);
    if (fstat(fd, &st) == 0) /* which the sums are made of: not by hearsay */
        dump->bytes = (uint64_t)st.st_size;
    if (dump->state != PND_DUMP_INCOMPLETE || !pnd_dump_knows_holes(dump))
        take_missing(check, dump);
    if (dump->state == PND_DUMP_INCOMPLETE) {
        /* What the container lacks is known better than what the sender left out. */
        if (dump->missing_count == 0) {
            dump->missing[0].start = check->bytes;
            dump->missing[0].end = UINT64_MAX;
            dump->missing_count = 1;
        }
    } else if (check->verdict == PND_VERDICT_COMPLETE) {
        dump->state = PND_DUMP_COMPLETE;
    } else {
        mark(spool, dump, check->reason);
    }
}

void pnd_verdict_judge(const struct pnd_spool *spool, int fd, int err,
                       const struct pnd_check *check, const struct pnd_why *why,
                       struct pnd_dump *dump)
{
    char reason[sizeof(dump->reason)];

    dump->checked = true;
    if (err && dump->state != PND_DUMP_INCOMPLETE) {
        snprintf(reason, sizeof(reason), "could not be checked: %.200s", why->text);
        mark(spool, dump, reason);
    } else if (!err) {
        take_verdict(spool, fd, check, dump);
    }
}

void pnd_verdict_add_header(const struct pnd_spool *spool, const char *file,
                            struct pnd_facts *facts)
{
    uint8_t header[PND_KDH_BYTES];
    size_t len;

    if (pnd_beside_read(spool, file, PND_BESIDE_HEADER, header, sizeof(header), &len) == PND_OK)
        (void)pnd_facts_from_kdh_bytes(header, len, facts);
}
