/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mach-O cores, in the order in which Apple's kernel writes them. PROTOCOL.md#kdp-6.1, #kdp-6.2 */
#include "client/core.h"
#include "wire/cursor.h"

enum {
    HEADER_LEN = 32,
    CPU_TYPE_X86_64 = 0x01000007,
    CPU_SUBTYPE_X86_64 = 3,
    TYPE_CORE = 4,

    LC_THREAD = 0x04,
    LC_SEGMENT_64 = 0x19,
    LC_NOTE = 0x31,
    SEGMENT_LEN = 72,
    NOTE_LEN = 40,
    THREAD_LEN = 184,
    NAME_LEN = 16,
    PROT_READ = 1,

    THREAD_STATE64 = 4,
    THREAD_STATE64_WORDS = 42, /* of 32 bits */

    MAIN_BIN_LEN = 40,
    MAIN_BIN_VERSION = 1,
    MAIN_BIN_KERNEL = 1,

    COMMANDS_FIXED = NOTE_LEN + THREAD_LEN,
};

#define MAGIC_64 UINT32_C(0xfeedfacf)

static int head(struct pnd_core *core)
{
    uint8_t buf[HEADER_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    pnd_wr_le32(&wr, MAGIC_64);
    pnd_wr_le32(&wr, CPU_TYPE_X86_64);
    pnd_wr_le32(&wr, CPU_SUBTYPE_X86_64);
    pnd_wr_le32(&wr, TYPE_CORE);
    pnd_wr_le32(&wr, core->regions + 2); /* the note and the thread */
    pnd_wr_le32(&wr, core->regions * SEGMENT_LEN + COMMANDS_FIXED);
    pnd_wr_zeros(&wr, 4 + 4); /* flags, reserved */
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

static int describe(struct pnd_core *core, const struct pnd_region *region, uint64_t offset)
{
    uint8_t buf[SEGMENT_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    pnd_wr_le32(&wr, LC_SEGMENT_64);
    pnd_wr_le32(&wr, SEGMENT_LEN);
    pnd_wr_zeros(&wr, NAME_LEN);
    pnd_wr_le64(&wr, region->address);
    pnd_wr_le64(&wr, region->len);
    pnd_wr_le64(&wr, offset);
    pnd_wr_le64(&wr, region->len);
    pnd_wr_le32(&wr, PROT_READ);
    pnd_wr_le32(&wr, PROT_READ);
    pnd_wr_zeros(&wr, 4 + 4); /* sections, flags */
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

static int put_note(struct pnd_core *core)
{
    static const char owner[NAME_LEN] = "main bin spec";
    uint8_t buf[NOTE_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    pnd_wr_le32(&wr, LC_NOTE);
    pnd_wr_le32(&wr, NOTE_LEN);
    pnd_wr_bytes(&wr, owner, sizeof(owner));
    pnd_wr_le64(&wr, core->data_at + core->memory_bytes);
    pnd_wr_le64(&wr, MAIN_BIN_LEN);
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

static int put_thread(struct pnd_core *core)
{
    uint8_t buf[THREAD_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));
    uint64_t v;

    /* the struct has their order, and the machine's own byte order */
    _Static_assert(sizeof(struct pnd_regs_x86_64) == THREAD_STATE64_WORDS * 4, "all the registers");
    pnd_wr_le32(&wr, LC_THREAD);
    pnd_wr_le32(&wr, THREAD_LEN);
    pnd_wr_le32(&wr, THREAD_STATE64);
    pnd_wr_le32(&wr, THREAD_STATE64_WORDS);
    for (size_t at = 0; at < sizeof(core->config->regs); at += sizeof(v)) {
        memcpy(&v, (const uint8_t *)&core->config->regs + at, sizeof(v));
        pnd_wr_le64(&wr, v);
    }
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

static int behind(struct pnd_core *core)
{
    int err = put_note(core);

    return err ? err : put_thread(core);
}

static int tail(struct pnd_core *core)
{
    uint8_t buf[MAIN_BIN_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    pnd_wr_le32(&wr, MAIN_BIN_VERSION);
    pnd_wr_le32(&wr, MAIN_BIN_KERNEL);
    pnd_wr_le64(&wr, core->config->image_address);
    pnd_wr_bytes(&wr, core->config->uuid, sizeof(core->config->uuid));
    pnd_wr_zeros(&wr, 4 + 4); /* the page size: Apple's kernel does not say either */
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

const struct pnd_core_writer pnd_core_macho = {
    .regions_max = (UINT32_MAX - COMMANDS_FIXED) / SEGMENT_LEN,
    .region_bytes = SEGMENT_LEN,
    .fixed_bytes = HEADER_LEN + COMMANDS_FIXED,
    .tail_bytes = MAIN_BIN_LEN,
    .head = head,
    .describe = describe,
    .behind = behind,
    .tail = tail,
};
