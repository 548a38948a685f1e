/* SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: make_core IMAGE INNER_DIES MIDDLE_BACK OUTER_BACK MACHO ELF
 * Writes both core formats from memory that is known: the segments of IMAGE (core_image.S) at
 * their addresses, a page of words that tell their addresses, a page that cannot be read, and a
 * stack with three frames of which the innermost died at INNER_DIES. The addresses, in
 * hexadecimal, are those of IMAGE's symbols. */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/elf.h"
#include "panicd/core.h"
#include "wire/cursor.h"

enum { PAGE = 4096, REGIONS_CAP = 16, IMAGE_CAP = 1 << 20 };

#define DATA_AT  UINT64_C(0xffffff8000400000) /* a page of data, then one that cannot be read */
#define STACK_AT UINT64_C(0xffffff8000500000)

struct place {
    struct pnd_region region;
    uint8_t *bytes; /* of the whole region; of DATA_AT: of its first page */
};

static struct place places[REGIONS_CAP];
static unsigned count;

static int next_region(void *ctx, uint64_t from, struct pnd_region *ret)
{
    (void)ctx;
    for (unsigned i = 0; i < count; i++) {
        if (places[i].region.address >= from) {
            *ret = places[i].region;
            return PND_OK;
        }
    }
    return PND_E_NOTFOUND;
}

static const void *map_page(void *ctx, uint64_t address)
{
    (void)ctx;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = address - places[i].region.address;

        if (at < places[i].region.len)
            return address == DATA_AT + PAGE ? NULL : places[i].bytes + at;
    }
    return NULL;
}

static int write_file(void *ctx, const void *buf, size_t len)
{
    return fwrite(buf, 1, len, ctx) == len ? PND_OK : PND_E_SYS;
}

static int end_file(void *ctx)
{
    return fflush(ctx) == 0 ? PND_OK : PND_E_SYS;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "make_core: %s: %s\n", what, errno ? strerror(errno) : "not usable");
    exit(1);
}

static uint8_t *add(uint64_t address, uint64_t len)
{
    struct place *place = &places[count++];

    place->region = (struct pnd_region){
        .address = address, .physical = address - UINT64_C(0xffffff8000000000), .len = len};
    place->bytes = calloc(1, (size_t)len);
    if (count == REGIONS_CAP || !place->bytes)
        die("memory");
    return place->bytes;
}

/* Whole pages, from the segments that are loaded; they come in ascending order. */
static void load_image(const char *path)
{
    static uint8_t file[IMAGE_CAP];
    struct pnd_elf_segment seg;
    struct pnd_elf elf;
    FILE *in = fopen(path, "rb");
    size_t len;

    if (!in)
        die(path);
    len = fread(file, 1, sizeof(file), in);
    fclose(in);
    if (pnd_elf_parse(file, len, &elf))
        die(path);
    for (uint32_t i = 0; pnd_elf_segment(&elf, file, len, i, &seg) == PND_OK; i++) {
        uint64_t start = seg.vaddr & ~(uint64_t)(PAGE - 1);
        uint64_t end = (seg.vaddr + seg.memsz + PAGE - 1) & ~(uint64_t)(PAGE - 1);

        if (seg.type != PND_ELF_PT_LOAD || start == end)
            continue;
        if (seg.offset > len || seg.filesz > len - seg.offset)
            die(path);
        memcpy(add(start, end - start) + (seg.vaddr - start), file + seg.offset,
               (size_t)seg.filesz);
    }
}

/* One word of the stack. */
static void push(uint8_t *stack, uint64_t *rsp, uint64_t v)
{
    struct pnd_wr wr;

    *rsp -= 8;
    wr = pnd_wr(stack + (*rsp - STACK_AT), 8);
    pnd_wr_le64(&wr, v);
}

/* The stack as the code of core_image.S leaves it. */
static void fill_stack(uint8_t *stack, uint64_t middle_back, uint64_t outer_back,
                       struct pnd_regs_x86_64 *regs)
{
    uint64_t rsp = STACK_AT + 2 * PAGE - 64, rbp;

    push(stack, &rsp, 0); /* outer was called by nobody */
    push(stack, &rsp, 0);
    rbp = rsp;
    push(stack, &rsp, outer_back);
    push(stack, &rsp, rbp);
    rbp = rsp;
    rsp -= 32;
    push(stack, &rsp, middle_back);
    push(stack, &rsp, rbp);
    regs->rbp = rsp;
    regs->rsp = rsp - 16;
}

static void write_core(const struct pnd_core_config *config, const char *path)
{
    FILE *file = fopen(path, "wb");
    struct pnd_sink sink = {.ctx = file, .write = write_file, .end = end_file};
    struct pnd_core_summary summary;

    if (!file || pnd_core_write(config, &sink, &summary) || sink.end(sink.ctx))
        die(path);
    fclose(file);
    printf("%s: %" PRIu32 " regions, %" PRIu64 " bytes\n", path, summary.regions, summary.bytes);
}

int main(int argc, char **argv)
{
    struct pnd_memory memory = {.page_bytes = PAGE, .next = next_region, .map = map_page};
    struct pnd_core_config config = {
        .memory = &memory,
        .regs = {.rax = 0x1111111111111111,
                 .rbx = 0x2222222222222222,
                 .rcx = 0x33,
                 .rdx = 0x44,
                 .rdi = 0x55,
                 .rsi = 0x66,
                 .r8 = 0x88,
                 .r9 = 0x99,
                 .r10 = 0x100,
                 .r11 = 0x110,
                 .r12 = 0x120,
                 .r13 = 0x130,
                 .r14 = 0x140,
                 .r15 = 0x1515151515151515,
                 .rflags = 0x10246,
                 .cs = 8,
                 .fs = 0x10,
                 .gs = 0x18},
        .image_address = UINT64_MAX,
    };
    struct pnd_wr wr;

    if (argc != 7)
        die("usage");
    load_image(argv[1]);
    wr = pnd_wr(add(DATA_AT, 2 * PAGE), PAGE);
    for (uint64_t at = 0; at < PAGE; at += 8)
        pnd_wr_le64(&wr, (DATA_AT + at) * UINT64_C(0x9e3779b97f4a7c15));
    config.regs.rip = strtoull(argv[2], NULL, 16);
    fill_stack(add(STACK_AT, 2 * PAGE), strtoull(argv[3], NULL, 16), strtoull(argv[4], NULL, 16),
               &config.regs);
    config.format = PND_CORE_MACHO;
    write_core(&config, argv[5]);
    config.format = PND_CORE_ELF;
    write_core(&config, argv[6]);
    return 0;
}
