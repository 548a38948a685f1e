/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The head of an ELF core for a Mach-O core; see reshape.h.
 * @source PROTOCOL.md#kdp-6.1; System V ABI, "Program Loading"; elf(5); core(5) */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "image/macho.h"
#include "inspect/reshape.h"
#include "wire/cursor.h"

enum {
    EHDR_LEN = 64,
    PHDR_LEN = 56,
    CLASS_64 = 2,
    ORDER_LITTLE = 1,
    VERSION = 1,
    OSABI_LINUX = 3,
    PT_LOAD = 1,
    PT_NOTE = 4,
    CPU_X86_64 = 0x01000007,
    CPU_ARM64 = 0x0100000c,
    NOTE_HEADER_LEN = 12,
    NOTE_NAME_LEN = 8, /* "CORE", its NUL, and padding */
    NT_PRSTATUS = 1,
    PRSTATUS_SIGNAL_AT = 12,
    PRSTATUS_PID_AT = 32,
    PRSTATUS_REGS_AT = 112,
    REGS_MAX = 34,
    LINUX_SIGABRT = 6, /* without one lldb says that the thread was stopped */
    THREAD_FIXED = 16, /* cmd, cmdsize, flavor, count */
};

/* Registers of Linux's user_regs_struct, as places among the 64-bit words of a Mach-O state. */
enum { ZERO = 0xfe, ONES = 0xff };

struct machine {
    uint32_t cputype, flavor, count; /* count: 32-bit words */
    uint16_t elf;
    uint32_t prstatus_len;
    unsigned reg_count;
    uint8_t regs[REGS_MAX];
};

static const struct machine machines[] = {
    /* rax rbx rcx rdx rdi rsi rbp rsp r8-r15 rip rflags cs fs gs; ONES: no system call */
    {CPU_X86_64, 4, 42, 62, 336, 27, {15, 14, 13,   12,   6,    1,    11,   10, 9,
                                      8,  0,  2,    3,    5,    4,    ONES, 16, 18,
                                      17, 7,  ZERO, ZERO, ZERO, ZERO, ZERO, 19, 20}},
    /* x0-x28 fp lr sp pc, cpsr and its padding: as Linux has them */
    {CPU_ARM64, 6, 68, 183, 392, 34, {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                                      12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                                      24, 25, 26, 27, 28, 29, 30, 31, 32, 33}},
};

struct plan {
    struct pnd_macho macho;
    const struct machine *machine;
    const uint8_t *head;
    size_t len;
    struct pnd_macho_cmd *segments;
    size_t segment_count, segment_cap;
    uint64_t threads[PND_RESHAPE_THREADS_MAX]; /* where their commands stand */
    unsigned thread_count;
};

static bool has_state(const struct plan *plan, const struct pnd_macho_cmd *cmd)
{
    struct pnd_rd rd = pnd_rd(plan->head, plan->len);
    uint32_t cmdsize, flavor, count;

    pnd_rd_bytes(&rd, (size_t)cmd->at + 4);
    cmdsize = pnd_rd_le32(&rd);
    flavor = pnd_rd_le32(&rd);
    count = pnd_rd_le32(&rd);
    return pnd_rd_ok(&rd) && flavor == plan->machine->flavor && count >= plan->machine->count &&
           cmdsize >= THREAD_FIXED && (cmdsize - THREAD_FIXED) / 4 >= plan->machine->count;
}

static int add_segment(struct plan *plan, const struct pnd_macho_cmd *cmd, struct pnd_why *why)
{
    if (plan->segment_count == PND_RESHAPE_SEGMENTS_MAX)
        return pnd_why(why, PND_E_RANGE, 0, "the core has more than %d segments",
                       PND_RESHAPE_SEGMENTS_MAX);
    if (plan->segment_count == plan->segment_cap) {
        size_t cap = plan->segment_cap ? 2 * plan->segment_cap : 64;
        struct pnd_macho_cmd *grown = reallocarray(plan->segments, cap, sizeof(*grown));

        if (!grown)
            return pnd_why(why, PND_E_SYS, ENOMEM, "make room for the segments");
        plan->segments = grown;
        plan->segment_cap = cap;
    }
    plan->segments[plan->segment_count++] = *cmd;
    return PND_OK;
}

static int by_address(const void *a, const void *b)
{
    const struct pnd_macho_cmd *x = a, *y = b;

    if (x->vmaddr != y->vmaddr)
        return x->vmaddr < y->vmaddr ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int read_plan(struct plan *plan, struct pnd_why *why)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    int err;

    pnd_macho_walk_init(&walk, &plan->macho, plan->head, plan->len);
    while ((err = pnd_macho_walk_next(&walk, &cmd)) == PND_OK) {
        if (cmd.kind == PND_MACHO_SEGMENT)
            err = add_segment(plan, &cmd, why);
        else if (cmd.kind == PND_MACHO_THREAD && has_state(plan, &cmd) &&
                 plan->thread_count < PND_RESHAPE_THREADS_MAX)
            plan->threads[plan->thread_count++] = cmd.at;
        if (err)
            return err;
    }
    if (err != PND_E_NOTFOUND)
        return pnd_why(why, PND_E_FORMAT, 0, "load command %" PRIu32 " of the core cannot be",
                       walk.index);
    if (plan->segment_count)
        qsort(plan->segments, plan->segment_count, sizeof(*plan->segments), by_address);
    return PND_OK;
}

/* ---- the bytes ---- */

static size_t notes_len(const struct plan *plan)
{
    return plan->thread_count *
           (size_t)(NOTE_HEADER_LEN + NOTE_NAME_LEN + plan->machine->prstatus_len);
}

static size_t head_len(const struct plan *plan)
{
    size_t len = EHDR_LEN + PHDR_LEN * (plan->segment_count + 1) + notes_len(plan);

    return (len + PND_RESHAPE_ELF_ALIGN - 1) / PND_RESHAPE_ELF_ALIGN * PND_RESHAPE_ELF_ALIGN;
}

static void put_header(struct pnd_wr *wr, const struct plan *plan)
{
    static const uint8_t ident[16] = {0x7f,     'E',          'L',     'F',
                                      CLASS_64, ORDER_LITTLE, VERSION, OSABI_LINUX};

    pnd_wr_bytes(wr, ident, sizeof(ident));
    pnd_wr_le16(wr, 4); /* ET_CORE */
    pnd_wr_le16(wr, plan->machine->elf);
    pnd_wr_le32(wr, VERSION);
    pnd_wr_le64(wr, 0); /* entry */
    pnd_wr_le64(wr, EHDR_LEN);
    pnd_wr_le64(wr, 0); /* no section headers */
    pnd_wr_le32(wr, 0); /* flags */
    pnd_wr_le16(wr, EHDR_LEN);
    pnd_wr_le16(wr, PHDR_LEN);
    pnd_wr_le16(wr, (uint16_t)(plan->segment_count + 1));
    pnd_wr_zeros(wr, 2 + 2 + 2);
}

/* Mach-O: read 1, write 2, execute 4; ELF the other way round. */
static uint32_t flags_of(uint32_t protection)
{
    uint32_t flags = (protection & 1) << 2 | (protection & 2) | (protection & 4) >> 2;

    return flags ? flags : 4;
}

static void put_segment(struct pnd_wr *wr, const struct pnd_macho_cmd *segment, uint64_t base)
{
    pnd_wr_le32(wr, PT_LOAD);
    pnd_wr_le32(wr, flags_of(segment->maxprot));
    pnd_wr_le64(wr, base + segment->offset);
    pnd_wr_le64(wr, segment->vmaddr);
    pnd_wr_le64(wr, 0);
    pnd_wr_le64(wr, segment->size);
    pnd_wr_le64(wr, segment->vmsize > segment->size ? segment->vmsize : segment->size);
    pnd_wr_le64(wr, 1); /* no promise about its alignment */
}

static void put_notes_segment(struct pnd_wr *wr, const struct plan *plan)
{
    pnd_wr_le32(wr, PT_NOTE);
    pnd_wr_le32(wr, 0);
    pnd_wr_le64(wr, EHDR_LEN + PHDR_LEN * (plan->segment_count + 1));
    pnd_wr_le64(wr, 0);
    pnd_wr_le64(wr, 0);
    pnd_wr_le64(wr, notes_len(plan));
    pnd_wr_le64(wr, 0);
    pnd_wr_le64(wr, 4);
}

static uint64_t state_word(const struct plan *plan, uint64_t thread, unsigned at)
{
    struct pnd_rd rd = pnd_rd(plan->head, plan->len);

    if (at >= ZERO)
        return at == ONES ? UINT64_MAX : 0;
    pnd_rd_bytes(&rd, (size_t)thread + THREAD_FIXED + 8 * (size_t)at);
    return pnd_rd_le64(&rd);
}

static void put_thread(struct pnd_wr *wr, const struct plan *plan, unsigned number)
{
    const struct machine *machine = plan->machine;

    pnd_wr_le32(wr, 5);
    pnd_wr_le32(wr, machine->prstatus_len);
    pnd_wr_le32(wr, NT_PRSTATUS);
    pnd_wr_bytes(wr, "CORE\0\0\0", NOTE_NAME_LEN);
    pnd_wr_zeros(wr, PRSTATUS_SIGNAL_AT);
    pnd_wr_le16(wr, LINUX_SIGABRT);
    pnd_wr_zeros(wr, PRSTATUS_PID_AT - PRSTATUS_SIGNAL_AT - 2);
    pnd_wr_le32(wr, number + 1); /* 0 is no thread's number to a debugger */
    pnd_wr_zeros(wr, PRSTATUS_REGS_AT - PRSTATUS_PID_AT - 4);
    for (unsigned i = 0; i < machine->reg_count; i++)
        pnd_wr_le64(wr, state_word(plan, plan->threads[number], machine->regs[i]));
    pnd_wr_zeros(wr, machine->prstatus_len - PRSTATUS_REGS_AT - 8 * (size_t)machine->reg_count);
}

static int build(struct plan *plan, uint8_t **ret, size_t *ret_len, struct pnd_why *why)
{
    int err = read_plan(plan, why);
    size_t len = err ? 0 : head_len(plan);
    uint8_t *buf = err ? NULL : malloc(len);
    struct pnd_wr wr = pnd_wr(buf, buf ? len : 0);

    if (err)
        return err;
    if (!buf)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make an ELF header");
    put_header(&wr, plan);
    put_notes_segment(&wr, plan);
    for (size_t i = 0; i < plan->segment_count; i++)
        put_segment(&wr, &plan->segments[i], len);
    for (unsigned i = 0; i < plan->thread_count; i++)
        put_thread(&wr, plan, i);
    pnd_wr_zeros(&wr, len - pnd_wr_len(&wr));
    *ret = buf;
    *ret_len = len;
    return PND_OK;
}

int pnd_reshape_elf_head(const void *head, size_t len, uint8_t **ret, size_t *ret_len,
                         struct pnd_why *why)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    int err;

    if (!plan)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make room for the segments");
    plan->head = head;
    plan->len = len;
    err = pnd_macho_parse(head, len, &plan->macho);
    for (size_t i = 0; !err && i < sizeof(machines) / sizeof(*machines); i++) {
        if (machines[i].cputype == plan->macho.cputype)
            plan->machine = &machines[i];
    }
    if (err)
        err = pnd_why(why, PND_E_FORMAT, 0, "the header of the Mach-O core cannot be");
    else if (plan->macho.filetype != PND_MACHO_TYPE_CORE)
        err = pnd_why(why, PND_E_TYPE, 0, "it is a Mach-O file, but no core");
    else if (!plan->machine || !plan->macho.is64 || plan->macho.big)
        err = pnd_why(why, PND_E_TYPE, 0,
                      "it is a core of a machine other than x86_64 and arm64 (CPU type 0x%" PRIx32
                      "): no ELF core can be made of it",
                      plan->macho.cputype);
    else
        err = build(plan, ret, ret_len, why);
    free(plan->segments);
    free(plan);
    return err;
}
