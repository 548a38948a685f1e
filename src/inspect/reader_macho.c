/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mach-O cores held to their load commands; what they say is in macho_facts.c.
 * @source PROTOCOL.md#kdp-6.1, #kdp-6.5 */
#include "inspect/reader.h"

#include <inttypes.h>
#include <stdio.h>

#include "image/macho.h"
#include "inspect/macho_core.h"
#include "inspect/core.h"

enum { PROT_READ_ONLY = 1 };

static bool is(const void *head, size_t len)
{
    uint32_t type;
    int err;

    if (!pnd_macho_is(head, len))
        return false;
    err = pnd_macho_filetype(head, len, &type);
    return err == PND_E_SHORT || (err == PND_OK && type == PND_MACHO_TYPE_CORE);
}

/* What the load commands say besides their promise. */
struct seen {
    bool thread;         /* an LC_THREAD: the sender's last command in old layouts */
    bool writable;       /* a segment that is not read-only: kernels up to 1699 */
    bool zero;           /* commands announced but never written */
    uint32_t zero_index; /* the first of them */
};

/* @return PND_OK to go on; anything else: the verdict stands */
static int walk(const struct pnd_reader_input *in, const struct pnd_macho *macho,
                struct pnd_check *check, struct pnd_promise *promise, struct seen *seen)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    int err;

    pnd_macho_walk_init(&walk, macho, in->content->head, in->content->head_len);
    while ((err = pnd_macho_walk_next(&walk, &cmd)) == PND_OK) {
        if (cmd.kind == PND_MACHO_ZERO) {
            seen->zero = true;
            seen->zero_index = cmd.index;
            continue;
        }
        seen->thread |= cmd.kind == PND_MACHO_THREAD;
        if (cmd.kind == PND_MACHO_SEGMENT)
            seen->writable |= cmd.maxprot != PROT_READ_ONLY;
        pnd_promise_add(check, promise, cmd.offset, cmd.size);
    }
    if (err == PND_E_FORMAT)
        pnd_check_corrupt(in, check, walk.at,
                          "Mach-O load command %" PRIu32 " has a size that cannot be", walk.index);
    if (err == PND_E_SHORT)
        pnd_check_note_unseen(check, walk.index, macho->ncmds);
    return err == PND_E_FORMAT ? err : PND_OK;
}

static void judge(const struct pnd_macho *macho, const struct seen *seen,
                  const struct pnd_promise *promise, struct pnd_check *check)
{
    if (seen->zero && !seen->thread) {
        check->verdict = PND_VERDICT_INCOMPLETE;
        snprintf(check->reason, sizeof(check->reason),
                 "the sender stopped after %" PRIu32 " of %" PRIu32
                 " load commands; those behind are zero",
                 seen->zero_index, macho->ncmds);
        pnd_check_add_missing(check, check->content_bytes, UINT64_MAX);
        return;
    }
    pnd_promise_judge(check, promise, "Mach-O");
    if (check->verdict == PND_VERDICT_INCOMPLETE && seen->writable)
        snprintf(check->note, sizeof(check->note),
                 "kernels up to xnu-1699 announce device memory that they never send; this may "
                 "be no more than that");
}

static int check_macho(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct pnd_promise promise = {.content_bytes = check->content_bytes};
    struct seen seen = {0};
    struct pnd_macho macho;
    int err = pnd_macho_parse(in->content->head, in->content->head_len, &macho);

    if (err == PND_E_SHORT || (!err && macho.commands_end > check->content_bytes)) {
        pnd_check_ends_in_headers(check, "Mach-O");
        return PND_OK;
    }
    if (err) {
        pnd_check_corrupt(in, check, 0, "the Mach-O header contradicts itself");
        return PND_OK;
    }
    if (walk(in, &macho, check, &promise, &seen) == PND_OK)
        judge(&macho, &seen, &promise, check);
    return PND_OK;
}

const struct pnd_reader pnd_reader_macho = {
    .format = "macho",
    .is = is,
    .check = check_macho,
    .facts = pnd_reader_macho_facts,
};
