/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The notes of a kernel's core: registers, VMCOREINFO, what QEMU and panicbox add.
 * @source elf(5), core(5); Linux asm/ptrace.h and asm/elf.h of each machine (struct elf_prstatus,
 * elf_gregset_t); QEMU docs, dump-guest-memory; PROTOCOL.md#kdp-6.7 */
#include "inspect/linux_core.h"

#include "wire/cursor.h"

enum {
    NT_PRSTATUS = 1,
    NT_PANICD_IMAGE = 0x504e4401,
    NOTE_HEADER = 12,
    NAME_MAX_LEN = 16,
    QEMU_CONTROL_AT = 392, /* of QEMU's note, version 1 of x86: cr0 to cr4 */
    QEMU_CONTROL_COUNT = 5,
};

struct note {
    char name[NAME_MAX_LEN]; /* NUL-terminated; "" when it is longer */
    uint32_t type;
    const uint8_t *desc;
    size_t desc_len;
};

static uint64_t number(const struct pnd_linux_notes *notes, struct pnd_rd *rd, size_t size)
{
    return notes->big ? pnd_rd_be(rd, size) : pnd_rd_le(rd, size);
}

static struct pnd_rd first_note(const struct pnd_linux_notes *notes)
{
    return pnd_rd(notes->buf ? notes->buf : (const uint8_t *)"", notes->buf ? notes->len : 0);
}

static bool next_note(const struct pnd_linux_notes *notes, struct pnd_rd *rd, struct note *ret)
{
    size_t name_len = (size_t)number(notes, rd, 4), desc_len = (size_t)number(notes, rd, 4);
    const uint8_t *name;

    memset(ret, 0, sizeof(*ret));
    ret->type = (uint32_t)number(notes, rd, 4);
    name = pnd_rd_bytes(rd, name_len);
    if (!name || name_len + desc_len == 0)
        return false;
    if (name_len < sizeof(ret->name))
        memcpy(ret->name, name, name_len);
    pnd_rd_bytes(rd, -name_len & 3);
    ret->desc = pnd_rd_bytes(rd, desc_len);
    ret->desc_len = desc_len;
    if (pnd_rd_left(rd) >= (-desc_len & 3))
        pnd_rd_bytes(rd, -desc_len & 3);
    return ret->desc != NULL;
}

/* A number in a description. @return 0: it is not there */
static uint64_t at(const struct pnd_linux_notes *notes, const struct note *note, size_t offset,
                   size_t size)
{
    struct pnd_rd rd = pnd_rd(note->desc, note->desc_len);

    pnd_rd_bytes(&rd, offset);
    return number(notes, &rd, size);
}

static bool is_qemu(const struct note *note)
{
    return strcmp(note->name, "QEMU") == 0 &&
           note->desc_len >= QEMU_CONTROL_AT + QEMU_CONTROL_COUNT * 8;
}

static bool is_cpu(const struct note *note)
{
    return note->type == NT_PRSTATUS && strcmp(note->name, "CORE") == 0;
}

void pnd_linux_notes_look(struct pnd_linux_notes *notes)
{
    struct pnd_rd rd = first_note(notes);
    struct note note;

    while (pnd_rd_left(&rd) >= NOTE_HEADER && next_note(notes, &rd, &note)) {
        if (strcmp(note.name, "VMCOREINFO") == 0 && !notes->info) {
            notes->info = note.desc;
            notes->info_len = note.desc_len;
        }
        if (strcmp(note.name, "PANICD") == 0 && note.type == NT_PANICD_IMAGE &&
            note.desc_len >= 8 + sizeof(notes->build)) {
            notes->panicbox = true;
            notes->load = at(notes, &note, 0, 8);
            memcpy(notes->build, note.desc + 8, sizeof(notes->build));
        }
        if (is_qemu(&note) && notes->root == 0)
            notes->root = at(notes, &note, QEMU_CONTROL_AT + (size_t)3 * 8, 8) & ~UINT64_C(0xfff);
        notes->cpu_count += is_cpu(&note);
    }
}

/* ---- registers ---- */

/* Where in the register set of a machine one lies, in words. */
struct place {
    const char *name;
    unsigned char word;
};

static const struct place x86_64_places[] = {
    {"rax", 10}, {"rbx", 5}, {"rcx", 11}, {"rdx", 12},     {"rdi", 14},     {"rsi", 13}, {"rbp", 4},
    {"rsp", 19}, {"r8", 9},  {"r9", 8},   {"r10", 7},      {"r11", 6},      {"r12", 3},  {"r13", 2},
    {"r14", 1},  {"r15", 0}, {"rip", 16}, {"rflags", 18},  {"cs", 17},      {"ss", 20},  {"ds", 23},
    {"es", 24},  {"fs", 25}, {"gs", 26},  {"fs_base", 21}, {"gs_base", 22},
};
static const struct place i386_places[] = {
    {"eax", 6}, {"ebx", 0},  {"ecx", 1},  {"edx", 2},     {"edi", 4}, {"esi", 3},
    {"ebp", 5}, {"esp", 15}, {"eip", 12}, {"eflags", 14}, {"cs", 13}, {"ss", 16},
    {"ds", 7},  {"es", 8},   {"fs", 9},   {"gs", 10},
};
static const struct place aarch64_places[] = {
    {"x0", 0},   {"x1", 1},   {"x2", 2},   {"x3", 3},   {"x4", 4},   {"x5", 5},      {"x6", 6},
    {"x7", 7},   {"x8", 8},   {"x9", 9},   {"x10", 10}, {"x11", 11}, {"x12", 12},    {"x13", 13},
    {"x14", 14}, {"x15", 15}, {"x16", 16}, {"x17", 17}, {"x18", 18}, {"x19", 19},    {"x20", 20},
    {"x21", 21}, {"x22", 22}, {"x23", 23}, {"x24", 24}, {"x25", 25}, {"x26", 26},    {"x27", 27},
    {"x28", 28}, {"fp", 29},  {"lr", 30},  {"sp", 31},  {"pc", 32},  {"pstate", 33},
};

static const struct machine {
    unsigned machine;
    const char *name;
    const struct place *places;
    unsigned char count, word, at; /* registers; bytes of each; bytes of prstatus before them */
} machines[] = {
    {PND_LINUX_X86_64, "x86_64", x86_64_places, sizeof(x86_64_places) / sizeof(struct place), 8,
     112},
    {PND_LINUX_I386, "i386", i386_places, sizeof(i386_places) / sizeof(struct place), 4, 72},
    {PND_LINUX_AARCH64, "aarch64", aarch64_places, sizeof(aarch64_places) / sizeof(struct place), 8,
     112},
    {PND_LINUX_PPC64, "ppc64", NULL, 0, 0, 0},
    {PND_LINUX_S390, "s390x", NULL, 0, 0, 0},
    {PND_LINUX_ARM, "arm", NULL, 0, 0, 0},
    {PND_LINUX_RISCV, "riscv", NULL, 0, 0, 0},
};

static const struct machine *find_machine(unsigned machine)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].machine == machine)
            return &machines[i];
    return NULL;
}

const char *pnd_linux_machine_name(unsigned machine, bool is32)
{
    const struct machine *found = find_machine(machine);

    if (machine == PND_LINUX_S390 && is32)
        return "s390";
    if (machine == PND_LINUX_RISCV)
        return is32 ? "riscv32" : "riscv64";
    return found ? found->name : NULL;
}

unsigned pnd_linux_machine_by_name(const char *name)
{
    static const struct {
        const char *begins;
        unsigned machine;
    } names[] = {{"x86_64", PND_LINUX_X86_64}, {"aarch64", PND_LINUX_AARCH64},
                 {"ppc64", PND_LINUX_PPC64},   {"s390x", PND_LINUX_S390},
                 {"riscv", PND_LINUX_RISCV},   {"arm", PND_LINUX_ARM}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(name, names[i].begins, strlen(names[i].begins)) == 0)
            return names[i].machine;
    if (name[0] == 'i' && name[1] >= '3' && name[1] <= '6' && strcmp(name + 2, "86") == 0)
        return PND_LINUX_I386;
    return 0;
}

static void add_registers(const struct pnd_linux_notes *notes, const struct note *note,
                          struct pnd_fact_cpu *cpu, struct pnd_facts *facts)
{
    const struct machine *machine = find_machine(notes->machine);

    for (unsigned i = 0; machine && i < machine->count; i++) {
        size_t offset = machine->at + (size_t)machine->places[i].word * machine->word;

        if (offset + machine->word <= note->desc_len)
            pnd_facts_add_register(facts, cpu, machine->places[i].name,
                                   at(notes, note, offset, machine->word));
    }
}

/* The control registers of processor @p index, from QEMU. */
static void add_control(const struct pnd_linux_notes *notes, unsigned index,
                        struct pnd_fact_cpu *cpu, struct pnd_facts *facts)
{
    static const char *const names[QEMU_CONTROL_COUNT] = {"cr0", NULL, "cr2", "cr3", "cr4"};
    struct pnd_rd rd = first_note(notes);
    struct note note;
    unsigned seen = 0;

    while (pnd_rd_left(&rd) >= NOTE_HEADER && next_note(notes, &rd, &note)) {
        if (!is_qemu(&note) || seen++ != index)
            continue;
        for (size_t i = 0; i < QEMU_CONTROL_COUNT; i++)
            if (names[i])
                pnd_facts_add_register(facts, cpu, names[i],
                                       at(notes, &note, QEMU_CONTROL_AT + i * 8, 8));
    }
}

void pnd_linux_notes_cpus(const struct pnd_linux_notes *notes, int panicked,
                          struct pnd_facts *facts)
{
    struct pnd_rd rd = first_note(notes);
    struct note note;
    unsigned index = 0;

    while (pnd_rd_left(&rd) >= NOTE_HEADER && next_note(notes, &rd, &note)) {
        struct pnd_fact_cpu *cpu;

        if (!is_cpu(&note))
            continue;
        if (index >= PND_FACT_CPUS_MAX) {
            facts->cut = true;
            break;
        }
        cpu = pnd_facts_add_cpu(facts, index, (int)index == panicked);
        add_registers(notes, &note, cpu, facts);
        if (notes->root)
            add_control(notes, index, cpu, facts);
        index++;
    }
}
