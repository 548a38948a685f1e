/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The panic log and the panic region. It trusts nothing it follows: every frame is asked for with
 * box_readable() before it is read. */
#include "panic_log.h"

#include <stdarg.h>

#include "client/format.h"
#include "clock.h"
#include "memory.h"
#include "symbols.h"
#include "trap.h"
#include "wire/crc32.h"
#include "wire/cursor.h"

enum {
    REGION_BYTES = 4 * BOX_PAGE,
    /* embedded_panic_header. PROTOCOL.md#kdp-9.4 */
    HEADER_BYTES = 177,
    HEADER_MAGIC = 0x46554e4b,
    HEADER_VERSION = 6,
    CRC_END = 8,
    OS_VERSION_CAP = 32,
    LOG_OFFSET = 192,
    FRAMES_MAX = 48,
    FRAMES_MAX_DOUBLE_FAULT = 80,
};

extern const char box_text_start[], box_main_stack[];

static _Alignas(BOX_PAGE) uint8_t region[REGION_BYTES];
static size_t region_len;

struct text {
    char *at;
    size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text->len += pnd_vformat(text->at + text->len, text->cap - text->len, format, args);
    va_end(args);
}

#define CONTROL_REGISTER(name)                                                                     \
    ({                                                                                             \
        uint64_t value_;                                                                           \
        __asm__ volatile("mov %%" name ", %0" : "=r"(value_));                                     \
        value_;                                                                                    \
    })

#define X64        "0x%016llx"
#define LL(number) ((unsigned long long)(number))

static void say_registers(struct text *text, const struct box_frame *f)
{
    uint64_t cr2 = CONTROL_REGISTER("cr2");

    say(text, "Kernel trap at " X64 ", type = %llu=%s, registers:\n", LL(f->rip), LL(f->vector),
        box_trap_name(f->vector));
    say(text, "CR0: " X64 ", CR2: " X64 ", CR3: " X64 ", CR4: " X64 "\n",
        LL(CONTROL_REGISTER("cr0")), LL(cr2), LL(CONTROL_REGISTER("cr3")),
        LL(CONTROL_REGISTER("cr4")));
    say(text, "RAX: " X64 ", RBX: " X64 ", RCX: " X64 ", RDX: " X64 "\n", LL(f->rax), LL(f->rbx),
        LL(f->rcx), LL(f->rdx));
    say(text, "RSP: " X64 ", RBP: " X64 ", RSI: " X64 ", RDI: " X64 "\n", LL(f->rsp), LL(f->rbp),
        LL(f->rsi), LL(f->rdi));
    say(text, "R8 : " X64 ", R9 : " X64 ", R10: " X64 ", R11: " X64 "\n", LL(f->r8), LL(f->r9),
        LL(f->r10), LL(f->r11));
    say(text, "R12: " X64 ", R13: " X64 ", R14: " X64 ", R15: " X64 "\n", LL(f->r12), LL(f->r13),
        LL(f->r14), LL(f->r15));
    say(text, "RFL: " X64 ", RIP: " X64 ", CS: " X64 ", SS: " X64 "\n", LL(f->rflags), LL(f->rip),
        LL(f->cs), LL(f->ss));
    say(text, "Fault CR2: " X64 ", Error code: " X64 ", Fault CPU: 0x0, PL: 0, VF: 0\n", LL(cr2),
        LL(f->error));
}

static void say_frame(struct text *text, uint64_t frame, uint64_t address, bool symbols)
{
    uint64_t offset;
    const char *name = symbols ? box_symbol(address, &offset) : NULL;

    say(text, X64 " : " X64 " ", LL(frame), LL(address));
    if (name)
        say(text, "mach_kernel : _%s + 0x%llx", name, LL(offset));
    say(text, "\n");
}

/* Frames as -fno-omit-frame-pointer makes them: the frame before, then the return address. The
 * first line is where the registers were taken. */
static void say_backtrace(struct text *text, const struct box_death *death)
{
    const struct box_frame *f = death->frame;
    uint64_t frame = f->rbp;
    int left = f->vector == BOX_TRAP_DOUBLE_FAULT ? FRAMES_MAX_DOUBLE_FAULT : FRAMES_MAX;

    say(text, "\nBacktrace (CPU 0), panicked thread: 0x%llx, Frame : Return Address\n",
        LL((uintptr_t)box_main_stack));
    say_frame(text, f->rsp, f->rip, death->symbols);
    for (; left > 1; left--) {
        const uint64_t *link = (const uint64_t *)(uintptr_t)frame; /* NOLINT */

        if (frame == 0)
            break;
        if (frame % sizeof(uint64_t) != 0) {
            say(text, "Unaligned frame\n");
            break;
        }
        if (!box_readable(frame, 2 * sizeof(uint64_t))) {
            say(text, "No mapping exists for frame pointer\n");
            break;
        }
        if (link[1] == 0) { /* boot.S began here */
            frame = link[0];
            break;
        }
        say_frame(text, frame, link[1], death->symbols);
        frame = link[0];
    }
    if (left > 1)
        say(text, "Backtrace terminated-invalid frame pointer 0x%llx\n", LL(frame));
    else
        say(text, "\tBacktrace continues...\n");
}

static void say_uuid(struct text *text)
{
    for (unsigned i = 0; i < sizeof(box_uuid); i++)
        say(text, "%s%02X", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", box_uuid[i]);
}

static void say_machine(struct text *text)
{
    say(text, "\nProcess name corresponding to current thread (0x%llx): kernel_task\n",
        LL((uintptr_t)box_main_stack));
    say(text, "Boot args: %s\n", box_command_line());
    say(text, "\nMac OS version:\npanicbox %s\n", PND_VERSION);
    say(text, "\nKernel version:\n%s\n", BOX_KERNEL_VERSION);
    say(text, "Kernel UUID: ");
    say_uuid(text);
    say(text, "\nKernel slide:      " X64 "\n", LL(0));
    say(text, "Kernel text base:  " X64 "\n", LL((uintptr_t)box_text_start));
    say(text, "System model name: panicbox (QEMU)\n");
    say(text, "System shutdown begun: NO\n");
    say(text, "\nSystem uptime in nanoseconds: %llu\n", LL(box_now_us() * 1000));
}

size_t box_panic_log_write(const struct box_death *death, char *ret, size_t cap)
{
    struct text text = {ret, 0, cap};

    if (death->trigger != PND_TRIGGER_PANIC)
        say(&text, "Debugger called: <%s>\n", death->message);
    else
        say(&text, "panic(cpu 0 caller 0x%llx): ", LL(death->caller));
    if (!death->message)
        say_registers(&text, death->frame);
    else if (death->trigger == PND_TRIGGER_PANIC)
        say(&text, "%s\n", death->message);
    say_backtrace(&text, death);
    say_machine(&text);
    return text.len;
}

static void finish_region(size_t log_len)
{
    struct pnd_wr wr = pnd_wr(region, HEADER_BYTES);
    uint32_t crc;

    region_len = LOG_OFFSET + log_len;
    pnd_wr_zeros(&wr, HEADER_BYTES);
    wr = pnd_wr(region + CRC_END, HEADER_BYTES - CRC_END);
    pnd_wr_le32(&wr, HEADER_VERSION);
    pnd_wr_le64(&wr, 0); /* flags: they tell of a stackshot and of a core, which come later */
    pnd_wr_le32(&wr, LOG_OFFSET);
    pnd_wr_le32(&wr, (uint32_t)log_len);
    pnd_wr_zeros(&wr, 4 * sizeof(uint32_t) + sizeof(uint64_t)); /* no stackshot, no other log */
    pnd_format((char *)wr.at, OS_VERSION_CAP, "panicbox %s", PND_VERSION);
    crc = pnd_crc32(0, region + CRC_END, region_len - CRC_END);
    wr = pnd_wr(region, CRC_END);
    pnd_wr_le32(&wr, HEADER_MAGIC);
    pnd_wr_le32(&wr, crc);
}

const char *box_panic_log_make(const struct box_death *death, size_t *ret_len)
{
    char *log = (char *)region + LOG_OFFSET;

    memset(region, 0, sizeof(region));
    *ret_len = box_panic_log_write(death, log, sizeof(region) - LOG_OFFSET);
    finish_region(*ret_len);
    return log;
}

const void *box_panic_region(size_t *ret_len)
{
    *ret_len = region_len;
    return region;
}
