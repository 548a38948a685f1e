/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stream's bytes at their places in a file; see stream.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "inspect/reshape.h"
#include "panicctl/sparse.h"
#include "panicctl/stream.h"

enum {
    HEAD_LEN = 64, /* as much as reshape.h wants before it says what it is */
    TYPE_AT = 16,  /* of what makedumpfile has flattened */
    TYPE_LEN = 8,
    FLATTENED_TYPE = 1,
};

struct pnd_stream_file {
    struct pnd_sparse to;
    struct pnd_stream_room room;
    uint64_t bytes_max, floor_bytes;
    uint64_t highest; /* the end of what was written */
    uint64_t leased;  /* bytes until the room is looked at again */
    bool as_it_came, decided;
    uint8_t head[HEAD_LEN];
    size_t head_len;
    struct pnd_reshape *reshape; /* NULL: as it comes */
    struct pnd_unpack_sink sink;
    struct pnd_why *why; /* of the call that is under way */
    struct pnd_why reshape_why;
};

/* Room is leased; what is left of a lease stands for what others take meanwhile. */
static int lease_room(struct pnd_stream_file *file, size_t len)
{
    char room_text[PND_TEXT_BYTES_CAP], floor_text[PND_TEXT_BYTES_CAP];
    uint64_t room, usable;

    if (!file->room.free_bytes)
        return PND_OK;
    if (file->leased < len) {
        room = file->room.free_bytes(file->room.ctx);
        usable = room > file->floor_bytes ? room - file->floor_bytes : 0;
        if (usable < len)
            return pnd_why(file->why, PND_E_NOSPACE, 0,
                           "the disk has %s free, and %s are to stay so (--floor)",
                           pnd_text_bytes(room_text, sizeof(room_text), room),
                           pnd_text_bytes(floor_text, sizeof(floor_text), file->floor_bytes));
        file->leased = usable < PND_STREAM_LEASE ? usable : PND_STREAM_LEASE;
    }
    file->leased -= len;
    return PND_OK;
}

static int too_long(const struct pnd_stream_file *file)
{
    return pnd_why(file->why, PND_E_RANGE, 0, "it has more than %" PRIu64 " bytes (--dump-bytes)",
                   file->bytes_max);
}

/* Where something was written before, zeros are written, too. */
static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct pnd_stream_file *file = ctx;
    int err;

    (void)done;
    if (file->to.at > file->bytes_max || len > file->bytes_max - file->to.at)
        return too_long(file);
    err = lease_room(file, len);
    if (err)
        return err;
    err = file->to.at < file->highest ? pnd_sparse_write_all(&file->to, data, len, file->why)
                                      : pnd_sparse_write(&file->to, data, len, file->why);
    file->highest = file->to.at > file->highest ? file->to.at : file->highest;
    return err;
}

static int go_to(void *ctx, uint64_t at, uint64_t done)
{
    struct pnd_stream_file *file = ctx;

    (void)done;
    if (at > file->bytes_max)
        return too_long(file);
    file->to.at = at;
    return PND_OK;
}

int pnd_stream_file_create(int fd, bool as_it_came, uint64_t bytes_max, uint64_t floor_bytes,
                           const struct pnd_stream_room *room, struct pnd_stream_file **ret)
{
    struct pnd_stream_file *file = calloc(1, sizeof(*file));

    if (!file)
        return PND_E_SYS;
    *file = (struct pnd_stream_file){.to = {.fd = fd, .holes = true},
                                     .bytes_max = bytes_max,
                                     .floor_bytes = floor_bytes,
                                     .as_it_came = as_it_came};
    if (room)
        file->room = *room;
    *ret = file;
    return PND_OK;
}

void pnd_stream_file_destroy(struct pnd_stream_file *file)
{
    if (file)
        pnd_reshape_destroy(file->reshape);
    free(file);
}

static bool flattened(const struct pnd_stream_file *file)
{
    uint64_t type = 0;

    if (file->head_len < TYPE_AT + TYPE_LEN || !pnd_reshape_is_flattened(file->head, TYPE_AT))
        return false;
    for (unsigned i = TYPE_AT; i < TYPE_AT + TYPE_LEN; i++)
        type = type << 8 | file->head[i];
    return type == FLATTENED_TYPE;
}

static int put(struct pnd_stream_file *file, const void *data, size_t len)
{
    int err;

    if (len == 0)
        return PND_OK;
    if (!file->reshape)
        return take(file, data, len, 0);
    file->reshape_why.text[0] = '\0';
    err = pnd_reshape_write(file->reshape, data, len, 0);
    if (file->reshape_why.text[0]) /* else take() has said why */
        pnd_why(file->why, err, 0, "%s", file->reshape_why.text);
    return err;
}

/* @param final  no more will come */
static int decide(struct pnd_stream_file *file, bool final)
{
    int err = PND_OK;

    file->decided = true;
    if (!file->as_it_came && flattened(file) && final) {
        err = put(file, file->head, file->head_len);
        return err ? err
                   : pnd_why(file->why, PND_E_SHORT, 0, "the flattened dump ends in its header");
    }
    if (!file->as_it_came && flattened(file)) {
        file->sink = (struct pnd_unpack_sink){.ctx = file, .write = take, .seek = go_to};
        err = pnd_reshape_create(PND_UNPACK_ARRANGED, &file->sink, &file->reshape_why,
                                 &file->reshape);
        if (err)
            return pnd_why(file->why, err, 0, "%s", file->reshape_why.text);
    }
    return put(file, file->head, file->head_len);
}

int pnd_stream_file_write(struct pnd_stream_file *file, const void *data, size_t len,
                          struct pnd_why *why)
{
    const uint8_t *at = data;
    size_t part;
    int err = PND_OK;

    file->why = why;
    if (!file->decided) {
        part = HEAD_LEN - file->head_len < len ? HEAD_LEN - file->head_len : len;
        memcpy(file->head + file->head_len, at, part);
        file->head_len += part;
        at += part;
        len -= part;
        if (file->head_len == HEAD_LEN)
            err = decide(file, false);
    }
    return err ? err : put(file, at, len);
}

int pnd_stream_file_finish(struct pnd_stream_file *file, uint64_t *ret_bytes, struct pnd_why *why)
{
    int err = PND_OK, end;

    file->why = why;
    if (!file->decided)
        err = decide(file, true);
    if (!err && file->reshape) {
        file->reshape_why.text[0] = '\0';
        err = pnd_reshape_finish(file->reshape, 0);
        if (file->reshape_why.text[0])
            pnd_why(why, err, 0, "%s", file->reshape_why.text);
    }
    file->to.at = file->highest;
    *ret_bytes = file->highest;
    end = pnd_sparse_finish(&file->to, ret_bytes, err ? NULL : why);
    return err ? err : end;
}
