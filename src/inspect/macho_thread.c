/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Registers of a Mach-O core's threads; see macho_core.h. @source PROTOCOL.md#kdp-6.1 */
#include <stdio.h>
#include <string.h>

#include "inspect/macho_core.h"

enum {
    HEADER_LEN = 8, /* of a load command */
    WORD = 4,       /* counts are in words of 32 bits */
    NO_REGISTER = 0xff,
};

/* The general registers of one architecture. */
struct layout {
    uint32_t cputype, flavor;
    const char *arch;
    uint8_t size; /* of a register, in bytes */
    uint8_t pc, frame, link;
    uint8_t small;                                  /* registers of 32 bits behind the others */
    const char *names[PND_MACHO_REGISTERS_MAX + 1]; /* up to NULL */
};

static const struct layout layouts[] = {
    {PND_MACHO_CPU_X86_64, 4, "x86_64", 8, 16, 6, NO_REGISTER, 0, {"rax", "rbx",    "rcx", "rdx",
                                                                   "rdi", "rsi",    "rbp", "rsp",
                                                                   "r8",  "r9",     "r10", "r11",
                                                                   "r12", "r13",    "r14", "r15",
                                                                   "rip", "rflags", "cs",  "fs",
                                                                   "gs"}},
    {PND_MACHO_CPU_ARM64, 6, "arm64", 8, 32, 29, 30, 1, {"x0",  "x1",  "x2",  "x3",  "x4",  "x5",
                                                         "x6",  "x7",  "x8",  "x9",  "x10", "x11",
                                                         "x12", "x13", "x14", "x15", "x16", "x17",
                                                         "x18", "x19", "x20", "x21", "x22", "x23",
                                                         "x24", "x25", "x26", "x27", "x28", "fp",
                                                         "lr",  "sp",  "pc",  "cpsr"}},
    {PND_MACHO_CPU_I386,
     1,
     "i386",
     4,
     10,
     6,
     NO_REGISTER,
     0,
     {"eax", "ebx", "ecx", "edx", "edi", "esi", "ebp", "esp", "ss", "eflags", "eip", "cs", "ds",
      "es", "fs", "gs"}},
    {PND_MACHO_CPU_PPC, 1, "ppc", 4, 0, 3, 36, 0, {"srr0", "srr1", "r0",  "r1",    "r2",  "r3",
                                                   "r4",   "r5",   "r6",  "r7",    "r8",  "r9",
                                                   "r10",  "r11",  "r12", "r13",   "r14", "r15",
                                                   "r16",  "r17",  "r18", "r19",   "r20", "r21",
                                                   "r22",  "r23",  "r24", "r25",   "r26", "r27",
                                                   "r28",  "r29",  "r30", "r31",   "cr",  "xer",
                                                   "lr",   "ctr",  "mq",  "vrsave"}},
};

static const struct layout *find_layout(uint32_t cputype)
{
    for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
        if (layouts[i].cputype == cputype)
            return &layouts[i];
    }
    return NULL;
}

const char *pnd_macho_arch(const struct pnd_macho *macho)
{
    const struct layout *layout = find_layout(macho->cputype);

    if (macho->cputype == PND_MACHO_CPU_PPC64)
        return "ppc64";
    return layout ? layout->arch : NULL;
}

static void read_state(const struct pnd_macho_core *core, const struct layout *layout,
                       struct pnd_rd *rd, struct pnd_macho_thread *thread)
{
    for (unsigned i = 0; layout->names[i]; i++) {
        bool small = layout->small && !layout->names[i + 1];
        struct pnd_fact_register *reg = &thread->registers[i];

        snprintf(reg->name, sizeof(reg->name), "%s", layout->names[i]);
        reg->value = pnd_macho_core_field(core, rd, small ? WORD : layout->size);
        thread->empty &= reg->value == 0;
        thread->count = i + 1;
    }
    thread->pc = thread->registers[layout->pc].value;
    thread->frame = thread->registers[layout->frame].value;
    if (layout->link != NO_REGISTER)
        thread->link = thread->registers[layout->link].value;
}

int pnd_macho_thread_read(const struct pnd_macho_core *core, const struct pnd_macho_cmd *cmd,
                          struct pnd_macho_thread *ret)
{
    const struct layout *layout = find_layout(core->macho.cputype);
    const struct pnd_content *content = core->in->content;
    struct pnd_rd rd;

    if (!layout || cmd->at > content->head_len || cmd->len > content->head_len - cmd->at)
        return PND_E_TYPE;
    rd = pnd_rd(content->head + cmd->at, cmd->len);
    pnd_rd_bytes(&rd, HEADER_LEN);
    while (pnd_rd_left(&rd) >= 2 * WORD) {
        uint32_t flavor = (uint32_t)pnd_macho_core_field(core, &rd, WORD);
        uint32_t count = (uint32_t)pnd_macho_core_field(core, &rd, WORD);
        struct pnd_rd state = rd;

        if (count > pnd_rd_left(&rd) / WORD)
            return PND_E_TYPE;
        pnd_rd_bytes(&rd, (size_t)count * WORD);
        if (flavor != layout->flavor)
            continue;
        *ret = (struct pnd_macho_thread){.empty = true};
        state.end = rd.at;
        read_state(core, layout, &state, ret);
        return pnd_rd_ok(&state) ? PND_OK : PND_E_TYPE;
    }
    return PND_E_TYPE;
}

/* ---- backtrace ---- */

/* How one frame leads to the next. */
struct chain {
    uint64_t frame, ret;
};

/* @return true, the frame that @p frame was called from, and the address it returns to */
static bool follow(const struct pnd_macho_core *core, uint64_t frame, struct chain *ret)
{
    size_t size = core->macho.is64 ? 8 : 4, ppc_link = 2 * size;
    bool ppc = core->macho.cputype == PND_MACHO_CPU_PPC;
    uint8_t raw[16];
    struct pnd_rd rd;

    if (frame == 0 || frame % size != 0 ||
        pnd_macho_core_read(core, frame, raw, ppc ? size : 2 * size) != PND_OK)
        return false;
    rd = pnd_rd(raw, sizeof(raw));
    ret->frame = pnd_macho_core_strip(core, pnd_macho_core_field(core, &rd, size));
    if (!ppc) {
        ret->ret = pnd_macho_core_strip(core, pnd_macho_core_field(core, &rd, size));
        return ret->ret != 0;
    }
    /* on the PowerPC a function saves its return address in its caller's frame */
    if (ret->frame == 0 || ret->frame > UINT64_MAX - ppc_link ||
        pnd_macho_core_read(core, ret->frame + ppc_link, raw, size) != PND_OK)
        return false;
    rd = pnd_rd(raw, size);
    ret->ret = pnd_macho_core_field(core, &rd, size);
    return ret->ret != 0;
}

static void add(struct pnd_facts *facts, uint64_t address, uint64_t frame)
{
    pnd_facts_add_frame(facts, address, frame, NULL, 0, NULL, 0);
}

void pnd_macho_backtrace(const struct pnd_macho_core *core, const struct pnd_macho_thread *thread,
                         struct pnd_facts *facts)
{
    uint64_t frame = pnd_macho_core_strip(core, thread->frame);
    uint64_t pc = pnd_macho_core_strip(core, thread->pc);
    unsigned back = 0; /* times that a frame lay below its callee's: another stack */
    struct chain chain;

    if (pc)
        add(facts, pc, frame);
    else if (thread->link)
        add(facts, pnd_macho_core_strip(core, thread->link), frame);
    while (facts->frame_count < PND_FACT_FRAMES_MAX && follow(core, frame, &chain)) {
        add(facts, chain.ret, chain.frame);
        if (chain.frame <= frame && ++back > 4)
            return;
        frame = chain.frame;
    }
}
