/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a Mach-O core says of a machine: its notes, registers, frames and memory, and the panic log
 * in that memory. @source PROTOCOL.md#kdp-6.1, #kdp-6.2 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect/macho_core.h"

enum {
    NOTE_OWNER_AT = 8, /* in its command */
    NOTE_OWNER_LEN = 16,
    NOTE_MAX = 512, /* bytes of a note's content that are read */
    UUID_LEN = 16,
    NAME_LEN = 32,
    LC_IDENT = 8,
    LC_UUID = 0x1b,
    IMAGE_HEAD_MAX = 16 << 10, /* of the kernel's own Mach-O header in memory */

    MAIN_BIN_KERNEL = 1,
    MAIN_BIN_V2 = 2, /* has the slide */
    BITS_V3 = 3,
    BITS_V4 = 4, /* of the low and of the high half */
};

static bool is_said(uint64_t address)
{
    return address != UINT64_MAX;
}

static void set_uuid(struct pnd_facts *facts, const uint8_t uuid[UUID_LEN])
{
    char text[2 * UUID_LEN + 5];
    size_t at = 0;
    bool zero = true;

    for (size_t i = 0; i < UUID_LEN; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%02X", uuid[i]);
        zero &= uuid[i] == 0;
    }
    if (!zero)
        pnd_facts_set(facts, PND_FACT_BUILD_ID, text, at);
}

/* ---- notes ---- */

static void main_bin_spec(struct pnd_macho_core *core, struct pnd_rd *rd, struct pnd_facts *facts)
{
    uint32_t version = (uint32_t)pnd_macho_core_field(core, rd, 4);
    uint32_t type = (uint32_t)pnd_macho_core_field(core, rd, 4);
    uint64_t address = pnd_macho_core_field(core, rd, 8);
    uint64_t slide = version >= MAIN_BIN_V2 ? pnd_macho_core_field(core, rd, 8) : UINT64_MAX;
    const uint8_t *uuid = pnd_rd_bytes(rd, UUID_LEN);

    if (!uuid || (type != 0 && type != MAIN_BIN_KERNEL))
        return;
    if (is_said(address) && address)
        pnd_facts_setf(facts, PND_FACT_LOAD, "0x%" PRIx64, address);
    if (is_said(slide))
        pnd_facts_setf(facts, PND_FACT_SLIDE, "0x%" PRIx64, slide);
    set_uuid(facts, uuid);
}

static void addrable_bits(struct pnd_macho_core *core, struct pnd_rd *rd, struct pnd_facts *facts)
{
    uint32_t version = (uint32_t)pnd_macho_core_field(core, rd, 4);
    uint32_t bits = (uint32_t)pnd_macho_core_field(core, rd, 4);

    (void)facts;
    if (version == BITS_V4) /* the kernel is in the high half */
        bits = (uint32_t)pnd_macho_core_field(core, rd, 4);
    if (pnd_rd_ok(rd) && version >= BITS_V3 && version <= BITS_V4 && bits > 0 && bits <= 64)
        core->address_bits = bits;
}

static void load_binary(struct pnd_macho_core *core, struct pnd_rd *rd, struct pnd_facts *facts)
{
    const uint8_t *uuid, *name;
    struct pnd_fact_module *module;
    uint64_t address, slide;
    size_t len = 0;

    pnd_macho_core_field(core, rd, 4); /* version */
    uuid = pnd_rd_bytes(rd, UUID_LEN);
    address = pnd_macho_core_field(core, rd, 8);
    slide = pnd_macho_core_field(core, rd, 8);
    name = pnd_rd_bytes(rd, NAME_LEN);
    if (!uuid || !name)
        return;
    while (len < NAME_LEN && name[len])
        len++;
    if (len == 3 && memcmp(name, "xnu", 3) == 0) {
        if (is_said(address) && address && !facts->text[PND_FACT_LOAD])
            pnd_facts_setf(facts, PND_FACT_LOAD, "0x%" PRIx64, address);
        if (is_said(slide) && !facts->text[PND_FACT_SLIDE])
            pnd_facts_setf(facts, PND_FACT_SLIDE, "0x%" PRIx64, slide);
        return;
    }
    module = pnd_facts_add_module(facts, (const char *)name, len);
    if (module && is_said(address))
        module->start = module->end = address;
}

/* "Darwin Kernel Version ...; UUID=...; stext=0x..." or what a helper core says of itself. */
static void identification(const char *text, struct pnd_facts *facts)
{
    const char *uuid = strstr(text, "UUID="), *stext = strstr(text, "stext=");

    pnd_reader_xnu_version(text, facts);
    if (!facts->text[PND_FACT_KERNEL_VERSION])
        pnd_facts_set(facts, PND_FACT_KERNEL_VERSION, text, strcspn(text, "\n"));
    if (uuid && !facts->text[PND_FACT_BUILD_ID]) {
        uuid += strlen("UUID=");
        pnd_facts_set(facts, PND_FACT_BUILD_ID, uuid, strcspn(uuid, "; "));
    }
    if (stext && !facts->text[PND_FACT_LOAD]) {
        stext += strlen("stext=");
        pnd_facts_set(facts, PND_FACT_LOAD, stext, strcspn(stext, "; "));
    }
}

static void kern_ver_str(struct pnd_macho_core *core, struct pnd_rd *rd, struct pnd_facts *facts)
{
    char text[NOTE_MAX + 1];
    size_t len;

    pnd_macho_core_field(core, rd, 4); /* version */
    len = pnd_rd_left(rd) < NOTE_MAX ? pnd_rd_left(rd) : (size_t)NOTE_MAX;
    if (len)
        memcpy(text, rd->at, len);
    text[len] = '\0';
    identification(text, facts);
}

struct note {
    const char *owner;
    void (*read)(struct pnd_macho_core *core, struct pnd_rd *rd, struct pnd_facts *facts);
};

static void read_note(struct pnd_macho_core *core, const struct pnd_macho_cmd *cmd,
                      struct pnd_facts *facts)
{
    static const struct note notes[] = {
        {"main bin spec", main_bin_spec},
        {"addrable bits", addrable_bits},
        {"load binary", load_binary},
        {"kern ver str", kern_ver_str},
    };
    const struct pnd_content *content = core->in->content;
    char owner[NOTE_OWNER_LEN + 1] = "";
    uint8_t buf[NOTE_MAX];
    struct pnd_rd rd;
    long got;

    if (cmd->at + NOTE_OWNER_AT + NOTE_OWNER_LEN > content->head_len)
        return;
    memcpy(owner, content->head + cmd->at + NOTE_OWNER_AT, NOTE_OWNER_LEN);
    got = pnd_content_some(content, cmd->offset, buf,
                           cmd->size < sizeof(buf) ? (size_t)cmd->size : sizeof(buf));
    if (got <= 0)
        return;
    rd = pnd_rd(buf, (size_t)got);
    for (size_t i = 0; i < sizeof(notes) / sizeof(*notes); i++) {
        if (strcmp(owner, notes[i].owner) == 0)
            notes[i].read(core, &rd, facts);
    }
}

static void read_ident(const struct pnd_macho_core *core, const struct pnd_macho_cmd *cmd,
                       struct pnd_facts *facts)
{
    char text[NOTE_MAX + 1] = "";
    size_t len = cmd->len - 8;

    len = len < NOTE_MAX ? len : NOTE_MAX;
    memcpy(text, core->in->content->head + cmd->at + 8, len);
    identification(text, facts);
}

static void read_notes(struct pnd_macho_core *core, struct pnd_facts *facts)
{
    const struct pnd_content *content = core->in->content;
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;

    pnd_macho_walk_init(&walk, &core->macho, content->head, content->head_len);
    while (pnd_macho_walk_next(&walk, &cmd) == PND_OK) {
        if (cmd.kind == PND_MACHO_NOTE)
            read_note(core, &cmd, facts);
        else if (cmd.cmd == LC_IDENT && cmd.kind == PND_MACHO_OTHER)
            read_ident(core, &cmd, facts);
    }
}

/* ---- the kernel's own header, in its memory ---- */

static void read_image(const struct pnd_macho_core *core, struct pnd_facts *facts)
{
    uint64_t address = strtoull(pnd_facts_text(facts, PND_FACT_LOAD), NULL, 0);
    uint8_t *image = malloc(IMAGE_HEAD_MAX);
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    struct pnd_macho macho;

    if (image && pnd_macho_core_read(core, address, image, IMAGE_HEAD_MAX) == PND_OK &&
        pnd_macho_parse(image, IMAGE_HEAD_MAX, &macho) == PND_OK) {
        pnd_macho_walk_init(&walk, &macho, image, IMAGE_HEAD_MAX);
        while (pnd_macho_walk_next(&walk, &cmd) == PND_OK) {
            if (cmd.cmd == LC_UUID && cmd.len >= 8 + UUID_LEN)
                set_uuid(facts, image + cmd.at + 8);
        }
    }
    free(image);
}

/* ---- processors ---- */

/* The number of the processor that panicked, as the first line of the panic log has it. */
static bool find_panicked(const struct pnd_facts *facts, unsigned *ret)
{
    static const char start[] = "panic(cpu ";
    const char *at = facts->log ? strstr(facts->log, start) : NULL;
    char *end;

    if (!at)
        return false;
    at += strlen(start);
    *ret = (unsigned)strtoul(at, &end, 10);
    return end != at;
}

static bool has_register(const struct pnd_fact_cpu *cpu, const char *name)
{
    for (unsigned i = 0; i < cpu->register_count; i++) {
        if (strcmp(cpu->registers[i].name, name) == 0)
            return true;
    }
    return false;
}

/* The processor's entry, which the log may have made already. NULL: no room */
static struct pnd_fact_cpu *need_cpu(unsigned number, bool panicked, struct pnd_facts *facts)
{
    for (unsigned i = 0; i < facts->cpu_count; i++) {
        if (facts->cpus[i].number == number)
            return &facts->cpus[i];
    }
    return pnd_facts_add_cpu(facts, number, panicked);
}

/* The core has all registers of a processor; what the log has besides (cr2) stays. */
static void add_cpu(const struct pnd_macho_thread *thread, unsigned number, bool panicked,
                    struct pnd_facts *facts)
{
    struct pnd_fact_cpu *cpu = need_cpu(number, panicked, facts), old;

    if (!cpu)
        return;
    old = *cpu;
    cpu->registers = NULL;
    cpu->register_count = 0;
    for (unsigned i = 0; i < thread->count; i++)
        pnd_facts_add_register(facts, cpu, thread->registers[i].name, thread->registers[i].value);
    for (unsigned i = 0; i < old.register_count; i++) {
        if (!has_register(cpu, old.registers[i].name))
            pnd_facts_add_register(facts, cpu, old.registers[i].name, old.registers[i].value);
    }
    free(old.registers);
}

/* The one that panicked first; its frames, when the log has none. One thread alone is that of the
 * processor that panicked, whatever its number. */
static void read_threads(const struct pnd_macho_core *core, struct pnd_facts *facts)
{
    struct pnd_macho_thread thread;
    unsigned panicked = 0;
    bool known = find_panicked(facts, &panicked), alone = core->thread_count == 1;
    size_t first = alone ? 0 : known ? panicked : core->thread_count;

    if (first < core->thread_count &&
        pnd_macho_thread_read(core, &core->threads[first], &thread) == PND_OK && !thread.empty) {
        add_cpu(&thread, alone && known ? panicked : (unsigned)first, true, facts);
        if (facts->frame_count == 0)
            pnd_macho_backtrace(core, &thread, facts);
    }
    for (size_t i = 0; i < core->thread_count; i++) {
        if (i != first && pnd_macho_thread_read(core, &core->threads[i], &thread) == PND_OK &&
            !thread.empty)
            add_cpu(&thread, (unsigned)i, false, facts);
    }
}

static void read_memory(const struct pnd_macho_core *core, struct pnd_facts *facts)
{
    for (size_t i = 0; i < core->memory_count; i++) {
        const struct pnd_macho_memory *memory = &core->memory[i];

        pnd_reader_add_memory(core->in, memory->start, memory->end, memory->offset, memory->size,
                              facts);
    }
}

int pnd_reader_macho_facts(const struct pnd_reader_input *in, struct pnd_facts *facts)
{
    struct pnd_macho_core core;
    const char *arch;

    if (pnd_macho_core_open(in, &core)) {
        pnd_macho_core_close(&core);
        return PND_OK; /* nothing to say, or not yet */
    }
    arch = pnd_macho_arch(&core.macho);
    if (arch)
        pnd_facts_set(facts, PND_FACT_ARCH, arch, strlen(arch));
    read_notes(&core, facts);
    pnd_reader_xnu_version_found(in, facts);
    pnd_reader_xnu_log(in, facts);
    if (facts->text[PND_FACT_LOAD] && !facts->text[PND_FACT_BUILD_ID])
        read_image(&core, facts);
    read_threads(&core, facts);
    read_memory(&core, facts);
    pnd_macho_core_close(&core);
    return PND_OK;
}
