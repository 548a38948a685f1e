/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Content that becomes something else on its way out; see reshape.h. */
#include "inspect/reshape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image/elf.h"
#include "image/macho.h"
#include "wire/cursor.h"

enum {
    SIGNATURE_LEN = 16,
    RECORD_LEN = 16,
    FLATTENED_TYPE = 1,
    HEAD_FIRST = 64, /* tells what it is, and where a Mach-O core's commands end */
    HEAD_STEP = 64 << 10,
    OSABI_AT = 7,
    OSABI_NONE = 0,
    OSABI_LINUX = 3, /* without it lldb does not know how to read a core */
};

static const char signature[SIGNATURE_LEN] = "makedumpfile";

enum stage {
    UNDECIDED, /* bytes are gathered in head until there are wanted */
    THROUGH,   /* what comes goes out */
    RECORDS,   /* flattened: at a record's header, or in its data */
    ENDED,     /* flattened: behind the last record */
};

struct pnd_reshape {
    enum pnd_unpack_form form;
    const struct pnd_unpack_sink *sink;
    struct pnd_why *why;
    enum stage stage;
    uint8_t *head;
    size_t len, cap, wanted;
    uint64_t out;               /* where the next byte goes */
    uint64_t record_left, skip; /* of a record's data; of the flattened header */
};

bool pnd_reshape_is_flattened(const void *head, size_t len)
{
    return len >= SIGNATURE_LEN && memcmp(head, signature, SIGNATURE_LEN) == 0;
}

int pnd_reshape_create(enum pnd_unpack_form form, const struct pnd_unpack_sink *sink,
                       struct pnd_why *why, struct pnd_reshape **ret)
{
    struct pnd_reshape *reshape = calloc(1, sizeof(*reshape));

    if (!reshape)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make room for another form");
    *reshape = (struct pnd_reshape){.form = form, .sink = sink, .why = why, .wanted = HEAD_FIRST};
    *ret = reshape;
    return PND_OK;
}

void pnd_reshape_destroy(struct pnd_reshape *reshape)
{
    if (reshape)
        free(reshape->head);
    free(reshape);
}

static int put(struct pnd_reshape *re, const uint8_t *data, size_t len, uint64_t done)
{
    while (len > 0) {
        size_t part = len < PND_UNPACK_PIECE_MAX ? len : PND_UNPACK_PIECE_MAX;
        int err = re->sink->write(re->sink->ctx, data, part, done);

        if (err)
            return err;
        data += part;
        len -= part;
        re->out += part;
    }
    return PND_OK;
}

static int keep(struct pnd_reshape *re, const uint8_t *data, size_t len)
{
    if (re->len + len > re->cap) {
        size_t cap = re->len + len + HEAD_STEP;
        uint8_t *grown = realloc(re->head, cap);

        if (!grown)
            return pnd_why(re->why, PND_E_SYS, ENOMEM, "make room for a core's header");
        re->head = grown;
        re->cap = cap;
    }
    memcpy(re->head + re->len, data, len);
    re->len += len;
    return PND_OK;
}

/* ---- flattened ---- */

/* The header of the next record is whole in head. */
static int begin_record(struct pnd_reshape *re, uint64_t done)
{
    struct pnd_rd rd = pnd_rd(re->head, RECORD_LEN);
    uint64_t offset = pnd_rd_be64(&rd), size = pnd_rd_be64(&rd);

    re->len = 0;
    if (offset == UINT64_MAX && size == UINT64_MAX) {
        re->stage = ENDED;
        return PND_OK;
    }
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return pnd_why(re->why, PND_E_FORMAT, 0,
                       "the flattened dump has a record of %" PRIu64 " bytes at %" PRIu64
                       ", which cannot be",
                       size, offset);
    re->record_left = size;
    if (offset == re->out)
        return PND_OK;
    re->out = offset;
    return re->sink->seek(re->sink->ctx, offset, done);
}

static int write_records(struct pnd_reshape *re, const uint8_t *data, size_t len, uint64_t done)
{
    while (len > 0 && re->stage == RECORDS) {
        size_t part = len;
        int err = PND_OK;

        if (re->skip > 0) {
            part = re->skip < part ? (size_t)re->skip : part;
            re->skip -= part;
        } else if (re->record_left > 0) {
            part = re->record_left < part ? (size_t)re->record_left : part;
            re->record_left -= part;
            err = put(re, data, part, done);
        } else {
            part = RECORD_LEN - re->len < part ? RECORD_LEN - re->len : part;
            err = keep(re, data, part);
            if (!err && re->len == RECORD_LEN)
                err = begin_record(re, done);
        }
        if (err)
            return err;
        data += part;
        len -= part;
    }
    return PND_OK; /* what follows the last record means nothing */
}

/* ---- which it is ---- */

static int go_through(struct pnd_reshape *re, uint64_t done)
{
    size_t len = re->len;

    re->stage = THROUGH;
    re->len = 0;
    return put(re, re->head, len, done);
}

static int begin_flattened(struct pnd_reshape *re, uint64_t done)
{
    size_t len = re->len;
    uint8_t first[HEAD_FIRST];
    struct pnd_rd rd = pnd_rd(re->head + SIGNATURE_LEN, re->len - SIGNATURE_LEN);

    if (pnd_rd_be64(&rd) != FLATTENED_TYPE)
        return pnd_why(re->why, PND_E_FORMAT, 0,
                       "a flattened dump of a type that is not known here");
    memcpy(first, re->head, len);
    re->stage = RECORDS;
    re->len = 0;
    re->skip = PND_RESHAPE_FLATTENED_HEADER;
    return write_records(re, first, len, done);
}

static int begin_elf(struct pnd_reshape *re, uint64_t done)
{
    uint16_t type;

    if (pnd_elf_type(re->head, re->len, &type) != PND_OK || type != PND_ELF_TYPE_CORE)
        return pnd_why(re->why, PND_E_TYPE, 0, "it is an ELF file, but no core");
    if (re->head[OSABI_AT] == OSABI_NONE)
        re->head[OSABI_AT] = OSABI_LINUX;
    return go_through(re, done);
}

/* @param ret_decided  false: re->wanted more bytes first */
static int begin_macho(struct pnd_reshape *re, uint64_t done, bool *ret_decided)
{
    struct pnd_macho macho;
    uint8_t *elf;
    size_t elf_len;
    int err = pnd_macho_parse(re->head, re->len, &macho);

    *ret_decided = err != PND_E_SHORT;
    if (err == PND_E_SHORT)
        return PND_OK; /* only when nothing more comes: HEAD_FIRST bytes are enough */
    if (err)
        return pnd_why(re->why, PND_E_FORMAT, 0, "the header of the Mach-O core cannot be");
    if (macho.commands_end > PND_RESHAPE_HEAD_MAX)
        return pnd_why(re->why, PND_E_RANGE, 0,
                       "the Mach-O core has %" PRIu64 " bytes of commands, more than %d",
                       macho.commands_end, PND_RESHAPE_HEAD_MAX);
    if (re->len < macho.commands_end) {
        re->wanted = (size_t)macho.commands_end;
        *ret_decided = false;
        return PND_OK;
    }
    err = pnd_reshape_elf_head(re->head, re->len, &elf, &elf_len, re->why);
    if (err)
        return err;
    err = put(re, elf, elf_len, done);
    free(elf);
    return err ? err : go_through(re, done);
}

/* @param final  no more will come */
static int decide(struct pnd_reshape *re, bool final, uint64_t done)
{
    bool decided;
    int err;

    if (re->form == PND_UNPACK_ARRANGED)
        return pnd_reshape_is_flattened(re->head, re->len) && re->len >= HEAD_FIRST
                   ? begin_flattened(re, done)
                   : go_through(re, done);
    if (pnd_elf_is(re->head, re->len))
        return begin_elf(re, done);
    if (!pnd_macho_is(re->head, re->len))
        return pnd_why(re->why, PND_E_TYPE, 0, "it is no Mach-O core, so no ELF core can be made");
    err = begin_macho(re, done, &decided);
    if (!err && !decided && final)
        return pnd_why(re->why, PND_E_SHORT, 0, "the core ends within its header");
    return err;
}

int pnd_reshape_write(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct pnd_reshape *re = ctx;
    const uint8_t *at = data;

    while (re->stage == UNDECIDED && len > 0) {
        size_t part = re->wanted - re->len < len ? re->wanted - re->len : len;
        int err = keep(re, at, part);

        at += part;
        len -= part;
        if (!err && re->len == re->wanted)
            err = decide(re, false, done);
        if (err)
            return err;
    }
    if (re->stage == RECORDS)
        return write_records(re, at, len, done);
    return re->stage == THROUGH ? put(re, at, len, done) : PND_OK;
}

int pnd_reshape_finish(struct pnd_reshape *re, uint64_t done)
{
    if (re->stage == UNDECIDED)
        return re->len || re->form == PND_UNPACK_ELF ? decide(re, true, done) : PND_OK;
    if (re->stage == RECORDS)
        return pnd_why(re->why, PND_E_SHORT, 0, "the flattened dump ends before its last record");
    return PND_OK;
}
