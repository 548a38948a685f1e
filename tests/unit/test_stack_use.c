/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much stack a panic takes: whole dumps run on a stack that was painted before. What the
 * platform's functions do runs on another stack, so that it is not counted. */
#include "tap.h"

#include <ucontext.h>

#include "ether_server.h"
#include "panicd/panic.h"

enum {
    STACK_MAX = 4096,    /* what panicd/panic.h promises */
    STACK_BYTES = 65536, /* what is painted */
    PAINT = 0xa5,
    OWN = 0x0a002801,
    SERVER = 0x0a002802,
    PAGE = 4096,
    PAGES = 24,
    DISK_BYTES = 1 << 20,
    PATIENCE_US = 600000000,
};

#define ADDRESS UINT64_C(0xffffff8000200000)

static _Alignas(16) uint8_t panic_stack[STACK_BYTES], platform_stack[1 << 20];
static ucontext_t test_context, panic_context, platform_context;
static void (*job)(void);

static struct ether_server server;
static struct pnd_panic panic;
static uint8_t ram[PAGES * PAGE], disk_bytes[DISK_BYTES];
static char console[32768];
static size_t console_len;
static bool faults; /* once, in the middle of a dump */
static bool hangs;

static void platform_loop(void)
{
    for (;;) {
        job();
        swapcontext(&platform_context, &panic_context);
    }
}

static void elsewhere(void (*what)(void))
{
    job = what;
    swapcontext(&panic_context, &platform_context);
}

/* The arguments and results of the jobs. */
static struct {
    const void *in;
    void *out;
    size_t len;
    uint64_t number;
} with;

static void do_print(void)
{
    CHECK(console_len + with.len < sizeof(console));
    memcpy(console + console_len, with.in, with.len);
    console_len += with.len;
}

static void print(void *ctx, const char *text, size_t len)
{
    (void)ctx;
    with.in = text;
    with.len = len;
    elsewhere(do_print);
}

static int key(void *ctx)
{
    (void)ctx;
    return 'r';
}

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    server.now_us += 11;
    if (server.now_us > PATIENCE_US) { /* it will not end by itself */
        hangs = true;
        setcontext(&test_context);
    }
    return server.now_us;
}

static void do_send(void)
{
    ether_server_take(&server, with.in, with.len);
}

static int nic_send(void *ctx, const void *frame, size_t len)
{
    (void)ctx;
    with.in = frame;
    with.len = len;
    elsewhere(do_send);
    return PND_OK;
}

static void do_poll(void)
{
    with.len = ether_server_poll(&server, with.out, with.len);
}

static int nic_receive(void *ctx, void *buf, size_t cap, uint64_t timeout_us)
{
    (void)ctx;
    with.out = buf;
    with.len = cap;
    elsewhere(do_poll);
    if (with.len)
        return (int)with.len;
    server.now_us += timeout_us;
    return PND_E_TIMEOUT;
}

static void do_write(void)
{
    CHECK(with.number + with.len <= sizeof(disk_bytes));
    memcpy(disk_bytes + with.number, with.in, with.len);
}

static int disk_write(void *ctx, uint64_t offset, const void *buf, size_t len)
{
    (void)ctx;
    with.number = offset;
    with.in = buf;
    with.len = len;
    elsewhere(do_write);
    return PND_OK;
}

static int disk_flush(void *ctx)
{
    (void)ctx;
    return PND_OK;
}

static int region_next(void *ctx, uint64_t from, struct pnd_region *ret)
{
    (void)ctx;
    if (from > ADDRESS)
        return PND_E_NOTFOUND;
    *ret = (struct pnd_region){.address = ADDRESS, .physical = 0x200000, .len = sizeof(ram)};
    return PND_OK;
}

static void run(void);

static const void *region_map(void *ctx, uint64_t address)
{
    (void)ctx;
    if (faults && address == ADDRESS + PAGES / 2 * PAGE) {
        faults = false;
        run(); /* as the trap handler would, on the same stack; it does not come back */
        setcontext(&test_context);
    }
    return ram + (address - ADDRESS);
}

static const struct pnd_memory memory = {
    .page_bytes = PAGE, .next = region_next, .map = region_map};
static const struct pnd_disk disk = {
    .sector_bytes = 512, .bytes = DISK_BYTES, .write = disk_write, .flush = disk_flush};
static const struct pnd_nic nic = {.now_us = now_us,
                                   .send = nic_send,
                                   .receive = nic_receive,
                                   .mac = {2, 0, 0, 0, 0, 1},
                                   .mtu = 1500};

static void run(void)
{
    static const char log[] = "panic(cpu 0 caller 0xffffff8000201234): a test\n";
    static const struct pnd_event event = {
        .trigger = PND_TRIGGER_PANIC, .log = log, .log_len = sizeof(log) - 1};

    CHECK(pnd_panic_run(&panic, &event) == PND_PANIC_REBOOT);
}

/* The lowest byte that was written, counted from the top. */
static size_t depth(void)
{
    size_t clean = 0;

    while (clean < sizeof(panic_stack) && panic_stack[clean] == PAINT)
        clean++;
    return sizeof(panic_stack) - clean;
}

static void prepare(ucontext_t *context, void *stack, size_t len, void (*entry)(void))
{
    CHECK(getcontext(context) == 0);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = len;
    context->uc_link = &test_context;
    makecontext(context, entry, 0);
}

/* The whole routine with this line. @return the stack it took, in bytes */
static size_t stack_of(const char *line, bool with_disk)
{
    struct pnd_platform platform = {.print = print,
                                    .key = key,
                                    .now_us = now_us,
                                    .ticks = now_us,
                                    .nic = &nic,
                                    .own_ip = OWN,
                                    .disk = with_disk ? &disk : NULL,
                                    .memory = &memory,
                                    .version = "Darwin Kernel Version 1: xnu-1234.5",
                                    .image_address = UINT64_MAX,
                                    .format = PND_CORE_MACHO};

    ether_server_open(&server, SERVER);
    console_len = 0;
    for (size_t i = 0; i < sizeof(ram); i++)
        ram[i] = (uint8_t)(i * 2654435761U >> 11);
    CHECK_EQ(pnd_panic_init(&panic, &platform, line, 0), PND_OK);
    memset(panic_stack, PAINT, sizeof(panic_stack));
    prepare(&panic_context, panic_stack, sizeof(panic_stack), run);
    prepare(&platform_context, platform_stack, sizeof(platform_stack), platform_loop);
    hangs = false;
    CHECK(swapcontext(&test_context, &panic_context) == 0);
    CHECK(!hangs);
    return depth();
}

static void check_depth(const char *what, size_t bytes)
{
    printf("# stack: %zu of %d bytes for %s\n", bytes, STACK_MAX, what);
    CHECK(bytes > 256 && bytes < STACK_MAX); /* less cannot have dumped anything */
}

static struct pnd_panic_report end(void)
{
    struct pnd_panic_report report;

    pnd_panic_report(&panic, &report);
    ether_server_close(&server);
    return report;
}

static void a_core_over_the_network_takes_less_than_4_kib(void)
{
    check_depth("a core over the network", stack_of("debug=0x64c44 _panicd_ip=10.0.40.2", true));
    CHECK_EQ(server.owner.dump_count, 1);
    CHECK_EQ(end().net_core, PND_DONE_OK);
}

static void a_core_on_the_disk_takes_less_than_4_kib(void)
{
    check_depth("a core on the disk", stack_of("debug=0x4c44", true));
    CHECK_EQ(server.frames, 0);
    CHECK_EQ(end().local, PND_DONE_OK);
}

static void a_panic_log_takes_less_than_4_kib(void)
{
    check_depth("a panic log", stack_of("debug=0x66644 _panicd_ip=10.0.40.2", false));
    CHECK_EQ(end().net_log, PND_DONE_OK);
}

static void waiting_takes_less_than_4_kib(void)
{
    check_depth("a core, and waiting for a key",
                stack_of("debug=0x60f44 _panicd_ip=10.0.40.2", false));
    CHECK_EQ(end().net_core, PND_DONE_OK);
}

/* A server that is not there: every path of ARP, and of giving up. */
static void giving_up_takes_less_than_4_kib(void)
{
    check_depth("giving up", stack_of("debug=0x64e44 _panicd_ip=10.0.40.3", false));
    CHECK_EQ(end().net_core, PND_DONE_FAILED);
}

/* A fault in a dump runs on top of it: both together take twice the promise at the most. */
static void a_panic_within_a_panic_takes_less_than_8_kib(void)
{
    size_t bytes;

    faults = true;
    bytes = stack_of("debug=0x64e44 _panicd_ip=10.0.40.2", true);
    printf("# stack: %zu of %d bytes for a panic within a panic\n", bytes, 2 * STACK_MAX);
    CHECK(!faults);
    CHECK(bytes < 2 * STACK_MAX);
    CHECK(end().aborted);
}

int main(void)
{
    RUN(a_core_over_the_network_takes_less_than_4_kib);
    RUN(a_core_on_the_disk_takes_less_than_4_kib);
    RUN(a_panic_log_takes_less_than_4_kib);
    RUN(waiting_takes_less_than_4_kib);
    RUN(giving_up_takes_less_than_4_kib);
    RUN(a_panic_within_a_panic_takes_less_than_8_kib);
    return tap_done();
}
