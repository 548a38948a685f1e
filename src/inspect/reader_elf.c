/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF cores held to their program headers. @source PROTOCOL.md#kdp-6.7 */
#include "inspect/reader.h"

#include <inttypes.h>

#include "image/elf.h"
#include "inspect/core.h"

static bool is(const void *head, size_t len)
{
    uint16_t type;
    int err;

    if (!pnd_elf_is(head, len))
        return false;
    err = pnd_elf_type(head, len, &type);
    return err == PND_E_SHORT || (err == PND_OK && type == PND_ELF_TYPE_CORE);
}

/* @return PND_OK to go on; anything else: the verdict stands */
static int walk(const struct pnd_reader_input *in, const struct pnd_elf *elf,
                struct pnd_check *check, struct pnd_promise *promise)
{
    struct pnd_elf_segment seg;

    for (uint32_t i = 0; i < elf->phnum; i++) {
        int err = pnd_elf_segment(elf, in->content->head, in->content->head_len, i, &seg);

        if (err == PND_E_SHORT) {
            pnd_check_note_unseen(check, i, elf->phnum);
            break;
        }
        if (err) {
            pnd_check_corrupt(
                in, check, elf->phoff + (uint64_t)i * elf->phentsize,
                "ELF program header %" PRIu32 " names an offset and size that cannot be", i);
            return err;
        }
        if (seg.type == PND_ELF_PT_LOAD || seg.type == PND_ELF_PT_NOTE)
            pnd_promise_add(check, promise, seg.offset, seg.filesz);
    }
    return PND_OK;
}

static int check_elf(const struct pnd_reader_input *in, struct pnd_check *check)
{
    struct pnd_promise promise = {.content_bytes = check->content_bytes};
    size_t len = in->content->head_len;
    struct pnd_elf elf;
    int err = pnd_elf_parse(in->content->head, len, &elf);

    if (err == PND_E_SHORT) {
        pnd_check_ends_in_headers(check, "ELF");
        return PND_OK;
    }
    if (err) {
        pnd_check_corrupt(in, check, 0, "the ELF header contradicts itself");
        return PND_OK;
    }
    if (elf.phnum_unknown && check->content_bytes > len)
        pnd_check_note_unseen(check, PND_ELF_XNUM, UINT32_MAX);
    if (elf.table_end > check->content_bytes ||
        (elf.phnum_unknown && check->content_bytes == len)) {
        pnd_check_ends_in_headers(check, "ELF");
        return PND_OK;
    }
    if (walk(in, &elf, check, &promise) == PND_OK)
        pnd_promise_judge(check, &promise, "ELF");
    return PND_OK;
}

const struct pnd_reader pnd_reader_elf = {
    .format = "elf",
    .is = is,
    .check = check_elf,
    .facts = pnd_reader_elf_facts,
};
