/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mach-O core headers; see macho.h. */
#include "image/macho.h"

#include "wire/cursor.h"

enum {
    HEADER_LEN_32 = 28,
    HEADER_LEN_64 = 32,
    COMMAND_LEN_MIN = 8,
    SEGMENT_LEN_32 = 56,
    SEGMENT_LEN_64 = 72,
    NOTE_LEN = 40,
    NAME_LEN = 16,
};

#define MAGIC_32 UINT32_C(0xfeedface)
#define MAGIC_64 UINT32_C(0xfeedfacf)

static bool read_magic(const void *head, size_t len, bool *ret_is64, bool *ret_big)
{
    struct pnd_rd be = pnd_rd(head, len), le = be;
    uint32_t as_be = pnd_rd_be32(&be), as_le = pnd_rd_le32(&le);

    *ret_big = as_be == MAGIC_32 || as_be == MAGIC_64;
    *ret_is64 = as_be == MAGIC_64 || as_le == MAGIC_64;
    return *ret_big || *ret_is64 || as_le == MAGIC_32;
}

bool pnd_macho_is(const void *head, size_t len)
{
    bool is64, big;

    return read_magic(head, len, &is64, &big);
}

static uint64_t field(struct pnd_rd *rd, const struct pnd_macho *macho, size_t size)
{
    return macho->big ? pnd_rd_be(rd, size) : pnd_rd_le(rd, size);
}

static uint32_t word32(struct pnd_rd *rd, const struct pnd_macho *macho)
{
    return (uint32_t)field(rd, macho, 4);
}

int pnd_macho_filetype(const void *head, size_t len, uint32_t *ret)
{
    struct pnd_rd rd = pnd_rd(head, len);
    struct pnd_macho macho = {0};
    uint32_t filetype;

    if (!read_magic(head, len, &macho.is64, &macho.big))
        return PND_E_TYPE;
    pnd_rd_bytes(&rd, 12); /* magic, CPU type and subtype */
    filetype = word32(&rd, &macho);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    *ret = filetype;
    return PND_OK;
}

int pnd_macho_parse(const void *head, size_t len, struct pnd_macho *ret)
{
    struct pnd_rd rd = pnd_rd(head, len);
    struct pnd_macho macho = {0};

    if (!read_magic(head, len, &macho.is64, &macho.big))
        return PND_E_TYPE;
    word32(&rd, &macho); /* magic */
    macho.cputype = word32(&rd, &macho);
    macho.cpusubtype = word32(&rd, &macho);
    macho.filetype = word32(&rd, &macho);
    macho.ncmds = word32(&rd, &macho);
    macho.sizeofcmds = word32(&rd, &macho);
    word32(&rd, &macho); /* flags */
    if (macho.is64)
        word32(&rd, &macho); /* reserved */
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;

    if (macho.ncmds > PND_MACHO_COMMANDS_MAX)
        return PND_E_RANGE;
    if (macho.sizeofcmds / COMMAND_LEN_MIN < macho.ncmds)
        return PND_E_FORMAT;
    macho.commands_at = macho.is64 ? HEADER_LEN_64 : HEADER_LEN_32;
    macho.commands_end = (uint64_t)macho.commands_at + macho.sizeofcmds;
    *ret = macho;
    return PND_OK;
}

void pnd_macho_walk_init(struct pnd_macho_walk *walk, const struct pnd_macho *macho,
                         const void *head, size_t len)
{
    *walk =
        (struct pnd_macho_walk){.macho = macho, .head = head, .len = len, .at = macho->commands_at};
}

static void read_segment(struct pnd_rd *rd, const struct pnd_macho *macho, size_t size,
                         struct pnd_macho_cmd *cmd)
{
    pnd_rd_bytes(rd, NAME_LEN);
    cmd->kind = PND_MACHO_SEGMENT;
    cmd->vmaddr = field(rd, macho, size);
    cmd->vmsize = field(rd, macho, size);
    cmd->offset = field(rd, macho, size);
    cmd->size = field(rd, macho, size);
    cmd->maxprot = word32(rd, macho);
}

/* @return the bytes that a command of this kind has at least */
static uint32_t read_body(struct pnd_rd *rd, const struct pnd_macho *macho,
                          struct pnd_macho_cmd *cmd)
{
    switch (cmd->cmd) {
    case PND_MACHO_LC_SEGMENT:
        read_segment(rd, macho, 4, cmd);
        return SEGMENT_LEN_32;
    case PND_MACHO_LC_SEGMENT_64:
        read_segment(rd, macho, 8, cmd);
        return SEGMENT_LEN_64;
    case PND_MACHO_LC_NOTE:
        pnd_rd_bytes(rd, NAME_LEN);
        cmd->kind = PND_MACHO_NOTE;
        cmd->offset = field(rd, macho, 8);
        cmd->size = field(rd, macho, 8);
        return NOTE_LEN;
    case PND_MACHO_LC_THREAD:
        cmd->kind = PND_MACHO_THREAD;
        return COMMAND_LEN_MIN;
    default:
        cmd->kind = PND_MACHO_OTHER;
        return COMMAND_LEN_MIN;
    }
}

int pnd_macho_walk_next(struct pnd_macho_walk *walk, struct pnd_macho_cmd *ret)
{
    const struct pnd_macho *macho = walk->macho;
    struct pnd_macho_cmd cmd = {.index = walk->index, .at = walk->at};
    struct pnd_rd rd = pnd_rd(walk->head, walk->len);
    uint32_t cmdsize;

    if (walk->ended || walk->index >= macho->ncmds)
        return PND_E_NOTFOUND;
    if (walk->at > walk->len || !pnd_rd_bytes(&rd, (size_t)walk->at))
        return PND_E_SHORT;
    if (macho->commands_end - walk->at < COMMAND_LEN_MIN)
        return PND_E_FORMAT;
    cmd.cmd = word32(&rd, macho);
    cmdsize = word32(&rd, macho);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;

    if (cmd.cmd == 0 && cmdsize == 0) {
        cmd.kind = PND_MACHO_ZERO;
        walk->ended = true;
        *ret = cmd;
        return PND_OK;
    }
    if (cmdsize < COMMAND_LEN_MIN || cmdsize > macho->commands_end - walk->at)
        return PND_E_FORMAT;
    if (pnd_rd_left(&rd) < cmdsize - COMMAND_LEN_MIN)
        return PND_E_SHORT;
    rd.end = rd.at + (cmdsize - COMMAND_LEN_MIN); /* a body ends where its command ends */
    if (cmdsize < read_body(&rd, macho, &cmd) || !pnd_rd_ok(&rd))
        return PND_E_FORMAT;
    if (cmd.offset > UINT64_MAX - cmd.size)
        return PND_E_FORMAT;
    cmd.len = cmdsize;
    walk->at += cmdsize;
    walk->index++;
    *ret = cmd;
    return PND_OK;
}
