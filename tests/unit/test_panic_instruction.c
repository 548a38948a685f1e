/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A panic, or an NMI, at an instruction: the library runs step by step, and before an instruction
 * of it the process forks, and the child is where it happens. What the library calls - the libc
 * and the platform's functions - runs at full speed, and is left whole. PROTOCOL.md#kdp-2.4 */
#include "tap.h"

#if defined(__x86_64__) && defined(__linux__) && !defined(PND_SANITIZED)

#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "client/panic.h"
#include "panic_machine.h"
#include "wire/corefile.h"

enum {
    TRAP_FLAG = 0x100,
    CHILD_S = 10,
    FAILURES_MAX = 5, /* then it is clear */
    ROUNDS_MAX = 4,   /* of an instruction that repeats itself */
    PLATFORM_CAP = 16,
    INNER_CAP = 2,
};

/* --- stepping --- */

/* The program, without the libraries that it loads. */
extern const char __executable_start[], etext[];

static struct {
    void (*inner[INNER_CAP])(void); /* what happens in the children; one that returns goes on */
    uintptr_t platform[PLATFORM_CAP];
    unsigned platform_count;
    unsigned dense, stride;
    unsigned instructions, children, failures;
    uintptr_t last; /* address, and how often in a row */
    unsigned rounds;
    bool in_child;
} steps;

/* What is called while the steps rest returns to here, and they go on at @p steps_return_to. */
uintptr_t steps_return_to;
void steps_go_on(void);
__asm__(".pushsection .text\n"
        ".globl steps_go_on\n"
        ".hidden steps_return_to\n"
        "steps_go_on:\n"
        "    pushq steps_return_to(%rip)\n"
        "    pushfq\n"
        "    orq $0x100, (%rsp)\n"
        "    popfq\n"
        "    ret\n"
        ".popsection\n");

/* The 128 bytes below the stack's pointer may be in use. */
static inline void steps_on(void)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp\n"
                     "pushfq\n"
                     "orq $0x100, (%%rsp)\n"
                     "popfq\n"
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");
}

static inline void steps_off(void)
{
    __asm__ volatile("lea -128(%%rsp), %%rsp\n"
                     "pushfq\n"
                     "andq $~0x100, (%%rsp)\n"
                     "popfq\n"
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");
}

static bool in_program(uintptr_t address)
{
    return address >= (uintptr_t)__executable_start && address < (uintptr_t)etext;
}

static bool in_platform(uintptr_t address)
{
    for (unsigned i = 0; i < steps.platform_count; i++) {
        if (steps.platform[i] == address)
            return true;
    }
    return false;
}

static _Noreturn void child_ends(void)
{
    _exit(tap_ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* @return true in a child that goes on with what was interrupted */
static bool happens(void (*inner)(void), uintptr_t address)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        alarm(CHILD_S);
        tap_ok = steps.in_child = true;
        inner();
        return true;
    }
    steps.children++;
    if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
        return false;
    steps.failures++;
    printf("# that was at +0x%" PRIxPTR " of the program, instruction %u, status 0x%x\n",
           address - (uintptr_t)__executable_start, steps.instructions, (unsigned)status);
    return false;
}

static void on_step(int number, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t address = (uintptr_t)regs[REG_RIP], *stack = (uintptr_t *)regs[REG_RSP];

    (void)number;
    (void)info;
    if (!in_program(address) || in_platform(address)) {
        if (in_program(stack[0])) { /* its first instruction: this is where it returns to */
            steps_return_to = stack[0];
            stack[0] = (uintptr_t)steps_go_on;
            regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        }
        return;
    }
    steps.rounds = address == steps.last ? steps.rounds + 1 : 0;
    steps.last = address;
    if (steps.rounds >= ROUNDS_MAX)
        return;
    steps.instructions++;
    if (steps.failures > FAILURES_MAX ||
        (steps.instructions > steps.dense && steps.instructions % steps.stride != 0))
        return;
    for (unsigned i = 0; i < INNER_CAP && steps.inner[i]; i++) {
        if (happens(steps.inner[i], address)) {
            regs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
            return;
        }
    }
}

static void steps_open(void (*first)(void), void (*second)(void), unsigned dense, unsigned stride)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

    memset(&steps, 0, sizeof(steps));
    steps.inner[0] = first;
    steps.inner[1] = second;
    steps.dense = dense;
    steps.stride = stride;
    CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
}

static void steps_pass(uintptr_t function)
{
    if (steps.platform_count == PLATFORM_CAP)
        abort();
    steps.platform[steps.platform_count++] = function;
}

static void steps_close(unsigned instructions_min)
{
    printf("# %u instructions, %u children\n", steps.instructions, steps.children);
    CHECK(steps.instructions >= instructions_min);
    CHECK(steps.children > 0);
    CHECK_EQ(steps.failures, 0);
}

/* --- the corefile --- */

enum { PLACE_BYTES = 1 << 20, FILE_BYTES = 9000 };

static struct pnd_corefile corefile;
static uint8_t place[PLACE_BYTES];
static const char first_log[] = "the log, as it was first", second_log[] = "THE LOG OF LATER ON";

static int place_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    (void)ctx;
    memcpy(place + offset, buf, len);
    return PND_OK;
}

static int place_flush(void *ctx)
{
    (void)ctx;
    return PND_OK;
}

static const uint8_t *content(char c)
{
    static uint8_t bytes[FILE_BYTES];

    memset(bytes, c, sizeof(bytes));
    return bytes;
}

/* Its name says what it holds. */
static void begin_file(const char *name, struct pnd_sink *ret)
{
    CHECK_EQ(pnd_corefile_begin(&corefile, name, PND_COREFILE_RAW), PND_OK);
    pnd_corefile_sink(&corefile, ret);
    CHECK_EQ(ret->write(ret->ctx, content(name[0]), FILE_BYTES), PND_OK);
}

static bool named(const struct pnd_corefile_header *header, const char *name)
{
    struct pnd_corefile_entry entry;

    for (uint32_t i = 0; i < header->files; i++) {
        if (pnd_corefile_entry(header, place, sizeof(place), i, &entry) == PND_OK &&
            strcmp(entry.name, name) == 0)
            return true;
    }
    return false;
}

static void check_place(void)
{
    struct pnd_corefile_header header = {0};
    struct pnd_corefile_entry entry;

    CHECK_EQ(pnd_corefile_read(place, sizeof(place), PLACE_BYTES, &header), PND_OK);
    for (uint32_t i = 0; i < header.files; i++) {
        CHECK_EQ(pnd_corefile_entry(&header, place, sizeof(place), i, &entry), PND_OK);
        CHECK_EQ(entry.length, FILE_BYTES);
        CHECK_MEM(place + entry.offset, content(entry.name[0]), FILE_BYTES);
    }
    if (header.log_length == sizeof(first_log) - 1)
        CHECK_MEM(place + header.log_offset, first_log, sizeof(first_log) - 1);
    else if (header.log_length != 0)
        CHECK_MEM(place + header.log_offset, second_log, sizeof(second_log) - 1);
    CHECK(header.log_length == 0 || header.log_length == sizeof(first_log) - 1 ||
          header.log_length == sizeof(second_log) - 1);
    CHECK(named(&header, "kept"));
    CHECK(named(&header, "inner"));
}

static void another_file_is_written(void)
{
    struct pnd_sink sink;

    begin_file("inner", &sink);
    CHECK_EQ(sink.end(sink.ctx), PND_OK);
    check_place();
    child_ends();
}

static void a_panic_at_any_instruction_leaves_a_corefile_that_names_what_is_whole(void)
{
    struct pnd_disk disk = {
        .sector_bytes = 512, .bytes = PLACE_BYTES, .write = place_write, .flush = place_flush};
    struct pnd_sink sink;
    int end, log;

    steps_open(another_file_is_written, NULL, UINT32_MAX, 1);
    steps_pass((uintptr_t)place_write);
    steps_pass((uintptr_t)place_flush);
    CHECK_EQ(pnd_corefile_open(&corefile, &disk, 100), PND_OK);
    begin_file("kept", &sink);
    CHECK_EQ(sink.end(sink.ctx), PND_OK);
    CHECK_EQ(pnd_corefile_log(&corefile, first_log, sizeof(first_log) - 1, NULL, 0), PND_OK);
    begin_file("outer", &sink);
    steps_on();
    end = sink.end(sink.ctx);
    log = pnd_corefile_log(&corefile, second_log, sizeof(second_log) - 1, NULL, 0);
    steps_off();
    CHECK_EQ(end, PND_OK);
    CHECK_EQ(log, PND_OK);
    steps_close(200);
}

/* --- the whole routine --- */

enum { REGION_BYTES = 4096 };

#define LINE(debug) "debug=" debug " _panicd_ip=10.0.40.2 kdp_match_name=en0"

static const char region[] = "FUNK, and what else a panic region holds",
                  inner_log[] = "panic(cpu 0 caller 0x4321): again\n";

static unsigned prior; /* dumps that the server held before */
/* A run that nothing interrupted: the machine after it, and the cores that it left. */
static struct machine expect;
static uint8_t local_core[DISK_BYTES], net_core[DISK_BYTES];
static size_t local_len, net_len;

/* The machine's regions, cut short: each byte on the wire takes a dozen steps. */
static int (*whole_next)(void *ctx, uint64_t from, struct pnd_region *ret);

static int short_next(void *ctx, uint64_t from, struct pnd_region *ret)
{
    int err = whole_next(ctx, from, ret);

    if (err == PND_OK)
        ret->len = REGION_BYTES;
    return err;
}

static struct panic *panic_state(void)
{
    return (struct panic *)(void *)&machine.panic;
}

/* @return a whole core is there */
static bool core_on_disk(void)
{
    struct pnd_corefile_header header = {0};
    struct pnd_corefile_entry entry;
    const uint8_t *disk = machine.disk_bytes;
    bool kernel = false;

    if (machine.disk_writes == 0)
        return false;
    CHECK_EQ(pnd_corefile_read(disk, DISK_BYTES, DISK_BYTES, &header), PND_OK);
    for (uint32_t i = 0; i < header.files; i++) {
        CHECK_EQ(pnd_corefile_entry(&header, disk, DISK_BYTES, i, &entry), PND_OK);
        kernel = strcmp(entry.name, "kernel") == 0;
        CHECK(kernel || strcmp(entry.name, "panic_region") == 0);
        CHECK_EQ(entry.length, kernel ? local_len : sizeof(region));
        CHECK_MEM(disk + entry.offset, kernel ? local_core : (const uint8_t *)region,
                  kernel ? local_len : sizeof(region));
    }
    if (header.log_length > 0)
        CHECK(memcmp(disk + header.log_offset, machine.event.log, machine.event.log_len) == 0 ||
              memcmp(disk + header.log_offset, inner_log, sizeof(inner_log) - 1) == 0);
    return kernel;
}

/* @return the server holds a whole core that it did not hold before */
static bool core_on_server(void)
{
    const struct owner *owner = &machine.owner;
    bool whole = false;

    CHECK_STR(owner->broken ? owner->broken : "", "");
    for (unsigned i = prior; i < owner->dump_count; i++) {
        if (owner->dumps[i].state != OWNER_COMPLETE)
            continue;
        CHECK_EQ(owner->dumps[i].len, net_len);
        CHECK_MEM(owner->dumps[i].bytes, net_core, net_len);
        whole = true;
    }
    return whole;
}

static void a_panic_happens(void)
{
    static struct pnd_event event;
    struct machine *m = &machine;
    struct pnd_panic_report report;
    bool local, net;

    event = m->event;
    event.log = inner_log;
    event.log_len = sizeof(inner_log) - 1;
    m->keys = "......";
    if (setjmp(m->out) == 0)
        m->end = (int)pnd_panic_run(&m->panic, &event);
    pnd_panic_report(&m->panic, &report);
    local = core_on_disk();
    net = core_on_server();
    CHECK(report.local != PND_DONE_OK || local);
    CHECK(report.net_core != PND_DONE_OK || net);
    CHECK(m->end == RESUMED || m->end == PND_PANIC_REBOOT || m->end == PND_PANIC_SPIN);
    CHECK(m->end != PND_PANIC_REBOOT || local || net); /* DB_REBOOT_POST_CORE (0x4000) */
    child_ends();
}

/* Before the routine runs, and after, an NMI is a run of its own: the machine reboots. */
static void an_nmi_happens(void)
{
    static struct pnd_event event;
    bool runs = panic_state()->depth > 0;
    uint64_t now_us = machine.now_us;
    int end;

    event = machine.event;
    event.trigger = PND_TRIGGER_NMI;
    end = (int)pnd_panic_run(&machine.panic, &event);
    if (!runs) {
        CHECK_EQ(end, PND_PANIC_REBOOT);
        CHECK(core_on_disk() || core_on_server());
        child_ends();
    }
    CHECK_EQ(end, PND_PANIC_CONTINUE);
    CHECK_EQ(machine.now_us, now_us); /* at once */
}

static void check_as_expected(void)
{
    CHECK_EQ(machine.end, expect.end);
    CHECK_STR(machine.console, expect.console);
    CHECK_EQ(machine.now_us, expect.now_us);
    CHECK_EQ(machine.datagrams, expect.datagrams);
    CHECK_MEM(machine.disk_bytes, expect.disk_bytes, DISK_BYTES);
    CHECK_EQ(core_on_disk(), local_len > 0);
    CHECK_EQ(core_on_server(), net_len > 0);
}

static void run_stepwise(void)
{
    struct machine *m = &machine;

    steps_on();
    m->end = (int)pnd_panic_run(&m->panic, &m->event);
    steps_off();
    if (steps.in_child) {
        check_as_expected();
        child_ends();
    }
}

static void pass_platform(void)
{
    const struct pnd_platform *platform = &machine.platform;

    steps_pass((uintptr_t)platform->print);
    steps_pass((uintptr_t)platform->key);
    steps_pass((uintptr_t)platform->now_us);
    steps_pass((uintptr_t)platform->ticks);
    steps_pass((uintptr_t)platform->printed);
    steps_pass((uintptr_t)machine.nic.send);
    steps_pass((uintptr_t)machine.nic.receive);
    steps_pass((uintptr_t)machine.nic.link_up);
    steps_pass((uintptr_t)machine.disk.write);
    steps_pass((uintptr_t)machine.disk.flush);
    steps_pass((uintptr_t)machine.memory.next);
    steps_pass((uintptr_t)machine.memory.map);
}

/* A machine that is about to panic: the first run of all, or one after another. */
static void prepare(const char *line, bool ran_before)
{
    struct machine *m = &machine;

    machine_reset();
    m->event.panic_region = region;
    m->event.panic_region_len = sizeof(region);
    whole_next = m->memory.next;
    m->memory.next = short_next;
    CHECK_EQ(pnd_panic_init(&m->panic, &m->platform, line, 0), PND_OK);
    if (ran_before) {
        m->event.trigger = PND_TRIGGER_NMI;
        CHECK_EQ(machine_again(), PND_PANIC_REBOOT);
        CHECK(m->disk_writes > 0 || m->owner.dump_count == 1);
        m->event.trigger = PND_TRIGGER_PANIC;
    }
    prior = m->owner.dump_count;
    memset(m->disk_bytes, 0, sizeof(m->disk_bytes));
    m->disk_writes = m->datagrams = 0;
    m->mark = m->console_len;
}

static void note_expected(void)
{
    struct pnd_corefile_header header;
    struct pnd_corefile_entry entry;
    const struct owner_dump *sent =
        machine.owner.dump_count > prior ? owner_last(&machine.owner) : NULL;

    local_len = net_len = 0;
    if (pnd_corefile_read(machine.disk_bytes, DISK_BYTES, DISK_BYTES, &header) == PND_OK &&
        pnd_corefile_entry(&header, machine.disk_bytes, DISK_BYTES, 1, &entry) == PND_OK) {
        local_len = (size_t)entry.length;
        memcpy(local_core, machine.disk_bytes + entry.offset, local_len);
    }
    if (sent && sent->state == OWNER_COMPLETE) {
        net_len = sent->len;
        memcpy(net_core, sent->bytes, net_len);
    }
    CHECK(local_len + net_len > 2 * REGION_BYTES);
    CHECK_EQ(core_on_disk(), local_len > 0);
    CHECK_EQ(core_on_server(), net_len > 0);
    expect = machine;
    expect.owner = (struct owner){0}; /* what it points to goes */
}

/* @param dense, stride  each of the first instructions, and then each so many; 0x4c44 has about
 *                       80000 of them, 0x24c44 three times as many */
static void interrupt_everywhere(const char *line, bool ran_before, unsigned dense, unsigned stride)
{
    prepare(line, ran_before);
    CHECK_EQ(machine_again(), PND_PANIC_REBOOT);
    note_expected();
    steps_open(a_panic_happens, an_nmi_happens, dense, stride);
    prepare(line, ran_before);
    pass_platform();
    run_stepwise();
    check_as_expected();
    steps_close(10000);
}

static void a_panic_or_an_nmi_at_any_instruction_of_the_first_run(void)
{
    interrupt_everywhere(LINE("0x4c44"), false, 1500, 113);
}

static void a_panic_or_an_nmi_at_any_instruction_of_a_later_run(void)
{
    interrupt_everywhere(LINE("0x4c44"), true, 1500, 113);
}

static void a_panic_or_an_nmi_at_any_instruction_of_a_network_dump(void)
{
    interrupt_everywhere(LINE("0x24c44"), true, 200, 709);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* nothing is left over that a child would print again */
    RUN(a_panic_at_any_instruction_leaves_a_corefile_that_names_what_is_whole);
    RUN(a_panic_or_an_nmi_at_any_instruction_of_the_first_run);
    RUN(a_panic_or_an_nmi_at_any_instruction_of_a_later_run);
    RUN(a_panic_or_an_nmi_at_any_instruction_of_a_network_dump);
    return tap_done();
}

#else

static void a_panic_at_any_instruction(void)
{
    SKIP("it steps by the trap flag of x86-64, on Linux, and not through a sanitizer's code");
}

int main(void)
{
    RUN(a_panic_at_any_instruction);
    return tap_done();
}

#endif
