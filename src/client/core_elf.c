/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ELF cores: one PT_NOTE with the registers, one PT_LOAD for each region. PROTOCOL.md#kdp-6.7
 * @source System V ABI, AMD64 supplement; elf(5); core(5) */
#include "client/core.h"
#include "wire/cursor.h"

enum {
    EHDR_LEN = 64,
    PHDR_LEN = 56,
    CLASS_64 = 2,
    ORDER_LITTLE = 1,
    VERSION = 1,
    OSABI_LINUX = 3, /* without it lldb does not know how to read a core */
    TYPE_CORE = 4,
    MACHINE_X86_64 = 62,
    PT_LOAD = 1,
    PT_NOTE = 4,
    FLAGS_RWX = 7,
    XNUM = 0xffff, /* phnum from here on has another meaning */

    NOTE_HEADER_LEN = 12,
    NAME_LEN = 8, /* "CORE" and "PANICD" with their NUL, padded to 4, are as long */
    NT_PRSTATUS = 1,
    PRSTATUS_LEN = 336,
    PRSTATUS_SIGNAL_AT = 12,
    PRSTATUS_PID_AT = 32,
    PRSTATUS_REGS_AT = 112,
    PID = 1,           /* there is one thread; 0 is no thread's number to a debugger */
    LINUX_SIGABRT = 6, /* without one lldb says that the thread was stopped */

    NT_PANICD_IMAGE = 0x504e4401, /* no number of Linux: some readers look at nothing else */
    IMAGE_LEN = 8 + 16,

    NOTES_LEN = 2 * (NOTE_HEADER_LEN + NAME_LEN) + PRSTATUS_LEN + IMAGE_LEN,
};

static int put_segment(struct pnd_core *core, uint32_t type, uint64_t offset, uint64_t len,
                       const struct pnd_region *region)
{
    uint8_t buf[PHDR_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    pnd_wr_le32(&wr, type);
    pnd_wr_le32(&wr, region ? FLAGS_RWX : 0);
    pnd_wr_le64(&wr, offset);
    pnd_wr_le64(&wr, region ? region->address : 0);
    pnd_wr_le64(&wr, region ? region->physical : 0);
    pnd_wr_le64(&wr, len);
    pnd_wr_le64(&wr, region ? len : 0); /* a note takes no memory */
    pnd_wr_le64(&wr, region ? core->config->memory->page_bytes : 4);
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

static int head(struct pnd_core *core)
{
    static const uint8_t ident[16] = {0x7f,     'E',          'L',     'F',
                                      CLASS_64, ORDER_LITTLE, VERSION, OSABI_LINUX};
    uint8_t buf[EHDR_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));
    int err;

    pnd_wr_bytes(&wr, ident, sizeof(ident));
    pnd_wr_le16(&wr, TYPE_CORE);
    pnd_wr_le16(&wr, MACHINE_X86_64);
    pnd_wr_le32(&wr, VERSION);
    pnd_wr_le64(&wr, 0); /* entry */
    pnd_wr_le64(&wr, EHDR_LEN);
    pnd_wr_le64(&wr, 0); /* no section headers */
    pnd_wr_le32(&wr, 0); /* flags */
    pnd_wr_le16(&wr, EHDR_LEN);
    pnd_wr_le16(&wr, PHDR_LEN);
    pnd_wr_le16(&wr, (uint16_t)(core->regions + 1));
    pnd_wr_zeros(&wr, 2 + 2 + 2); /* section headers */
    err = pnd_core_put(core, buf, pnd_wr_len(&wr));
    if (err)
        return err;
    return put_segment(core, PT_NOTE, core->head_bytes - NOTES_LEN, NOTES_LEN, NULL);
}

static int describe(struct pnd_core *core, const struct pnd_region *region, uint64_t offset)
{
    return put_segment(core, PT_LOAD, offset, region->len, region);
}

static void put_note_header(struct pnd_wr *wr, const char name[NAME_LEN], uint32_t name_len,
                            uint32_t len, uint32_t type)
{
    pnd_wr_le32(wr, name_len);
    pnd_wr_le32(wr, len);
    pnd_wr_le32(wr, type);
    pnd_wr_bytes(wr, name, NAME_LEN);
}

#define AT(reg) (offsetof(struct pnd_regs_x86_64, reg) / sizeof(uint64_t))

/* user_regs_struct of Linux, as places in struct pnd_regs_x86_64 or one of the two: */
enum { UNKNOWN = 0xfe, NO_SYSTEM_CALL = 0xff };
static const uint8_t user_regs[] = {AT(r15),    AT(r14), AT(r13), AT(r12),        AT(rbp), AT(rbx),
                                    AT(r11),    AT(r10), AT(r9),  AT(r8),         AT(rax), AT(rcx),
                                    AT(rdx),    AT(rsi), AT(rdi), NO_SYSTEM_CALL, AT(rip), AT(cs),
                                    AT(rflags), AT(rsp), UNKNOWN, /* ss */
                                    UNKNOWN,                      /* fs_base */
                                    UNKNOWN,                      /* gs_base */
                                    UNKNOWN,                      /* ds */
                                    UNKNOWN,                      /* es */
                                    AT(fs),     AT(gs)};

static uint64_t user_reg(const struct pnd_regs_x86_64 *regs, uint8_t at)
{
    uint64_t v = 0;

    if (at == NO_SYSTEM_CALL)
        return UINT64_MAX;
    if (at != UNKNOWN)
        memcpy(&v, (const uint8_t *)regs + at * sizeof(v), sizeof(v));
    return v;
}

/* elf_prstatus of Linux. */
static void put_prstatus(struct pnd_wr *wr, const struct pnd_regs_x86_64 *regs)
{
    pnd_wr_le32(wr, LINUX_SIGABRT); /* si_signo */
    pnd_wr_zeros(wr, PRSTATUS_SIGNAL_AT - 4);
    pnd_wr_le16(wr, LINUX_SIGABRT);
    pnd_wr_zeros(wr, PRSTATUS_PID_AT - PRSTATUS_SIGNAL_AT - 2);
    pnd_wr_le32(wr, PID);
    pnd_wr_zeros(wr, PRSTATUS_REGS_AT - PRSTATUS_PID_AT - 4);
    for (size_t i = 0; i < sizeof(user_regs); i++)
        pnd_wr_le64(wr, user_reg(regs, user_regs[i]));
    /* the floating point registers are not valid */
    pnd_wr_zeros(wr, PRSTATUS_LEN - PRSTATUS_REGS_AT - sizeof(user_regs) * 8);
}

static int put_registers(struct pnd_core *core)
{
    static const char name[NAME_LEN] = "CORE";
    uint8_t buf[NOTE_HEADER_LEN + NAME_LEN + PRSTATUS_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    put_note_header(&wr, name, sizeof("CORE"), PRSTATUS_LEN, NT_PRSTATUS);
    put_prstatus(&wr, &core->config->regs);
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

/* What the Mach-O core says in its note: there is no other place for it in an ELF core. */
static int put_image(struct pnd_core *core)
{
    static const char name[NAME_LEN] = "PANICD";
    uint8_t buf[NOTE_HEADER_LEN + NAME_LEN + IMAGE_LEN];
    struct pnd_wr wr = pnd_wr(buf, sizeof(buf));

    put_note_header(&wr, name, sizeof("PANICD"), IMAGE_LEN, NT_PANICD_IMAGE);
    pnd_wr_le64(&wr, core->config->image_address);
    pnd_wr_bytes(&wr, core->config->uuid, sizeof(core->config->uuid));
    return pnd_core_put(core, buf, pnd_wr_len(&wr));
}

static int behind(struct pnd_core *core)
{
    int err = put_registers(core);

    return err ? err : put_image(core);
}

const struct pnd_core_writer pnd_core_elf = {
    .regions_max = XNUM - 2, /* and the note makes XNUM - 1 */
    .region_bytes = PHDR_LEN,
    .fixed_bytes = EHDR_LEN + PHDR_LEN + NOTES_LEN,
    .head = head,
    .describe = describe,
    .behind = behind,
};
