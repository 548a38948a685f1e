/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The example in examples/, as it stands, on hardware that is a model: it must do what it teaches.
 * The example is included, so that its working memory can be part of the machine's. */
#include "tap.h"

#include <setjmp.h>

#include "embed.c" /* NOLINT(bugprone-suspicious-include): the program under test */

#include "ether_server.h"
#include "image/macho.h"

enum {
    OWN = 0x0a002801,
    SERVER = 0x0a002802,
    RAM_BYTES = 16 * PAGE,
    BAD_PAGE = 5,
    PATIENCE_US = 120000000
};

#define RAM_ADDRESS UINT64_C(0xffffff8000200000)

static struct machine {
    struct ether_server server;
    bool unplugged;
    unsigned losses; /* every so-manieth frame is lost; 0: none */
    char console[8192];
    size_t console_len;
    jmp_buf ended;
} machine;

enum { REBOOTED = 1, HALTED, WAITS };

static uint8_t ram[RAM_BYTES];

const uint8_t hw_nic_mac[6] = {2, 0, 0, 0, 0, 1};

void hw_console_write(const char *text, size_t len)
{
    CHECK(machine.console_len + len < sizeof(machine.console));
    memcpy(machine.console + machine.console_len, text, len);
    machine.console_len += len;
}

/* Whoever still looks at the clock after so long waits for a debugger. */
uint64_t hw_time_us(void)
{
    machine.server.now_us += 50;
    if (machine.server.now_us > PATIENCE_US)
        longjmp(machine.ended, WAITS);
    return machine.server.now_us;
}

int hw_nic_transmit(const void *frame, size_t len)
{
    if (machine.unplugged)
        return -1;
    if (machine.losses && (machine.server.frames + 1) % machine.losses == 0)
        machine.server.frames++;
    else
        ether_server_take(&machine.server, frame, len);
    return 0;
}

size_t hw_nic_poll(void *frame, size_t cap)
{
    return ether_server_poll(&machine.server, frame, cap);
}

/* The memory of the example lies in front of the rest. */
bool hw_memory_block(unsigned index, uint64_t *ret_virtual, uint64_t *ret_physical,
                     uint64_t *ret_len)
{
    if (index > 1)
        return false;
    *ret_virtual = index == 0 ? (uintptr_t)&panic : RAM_ADDRESS;
    *ret_physical = index == 0 ? 0 : sizeof(panic);
    *ret_len = index == 0 ? sizeof(panic) : sizeof(ram);
    return true;
}

const void *hw_memory_page(uint64_t address)
{
    CHECK(address >= RAM_ADDRESS && address < RAM_ADDRESS + sizeof(ram));
    return address == RAM_ADDRESS + BAD_PAGE * PAGE ? NULL : ram + (address - RAM_ADDRESS);
}

void hw_reboot(void)
{
    longjmp(machine.ended, REBOOTED);
}

void hw_halt(void)
{
    longjmp(machine.ended, HALTED);
}

static void turn_on(const char *boot_args)
{
    static const uint8_t gateway_mac[6];

    memset(&machine, 0, sizeof(machine));
    ether_server_open(&machine.server, SERVER);
    for (size_t i = 0; i < sizeof(ram); i++)
        ram[i] = (uint8_t)(i * 2654435761U >> 13);
    CHECK_EQ(embed_boot(boot_args), PND_OK);
    embed_network_is_up(OWN, gateway_mac);
}

static int die(void)
{
    static const char log[] = "panic(cpu 0 caller 0xffffff8000201234): \"out of patience\"\n";
    struct pnd_regs_x86_64 regs = {.rip = RAM_ADDRESS + 0x1234, .rsp = RAM_ADDRESS + 0x8000};
    int ended = setjmp(machine.ended); /* NOLINT(cert-err52-cpp) */

    if (ended == 0)
        embed_panic(log, sizeof(log) - 1, &regs);
    return ended;
}

static void check_death(int want)
{
    int ended = die();

    machine.console[machine.console_len] = '\0';
    CHECK_EQ(ended, want);
    if (ended != want)
        printf("# the console, all of it:\n# %s\n", machine.console);
}

static bool said(const char *text)
{
    return strstr(machine.console, text) != NULL;
}

/* The file's bytes of the segment at @p address, or NULL. */
static const uint8_t *segment(const struct owner_dump *dump, uint64_t address, size_t len)
{
    struct pnd_macho macho;
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;

    if (pnd_macho_parse(dump->bytes, dump->len, &macho) != PND_OK)
        return NULL;
    CHECK(macho.is64 && !macho.big && macho.filetype == PND_MACHO_TYPE_CORE);
    pnd_macho_walk_init(&walk, &macho, dump->bytes, dump->len);
    while (pnd_macho_walk_next(&walk, &cmd) == PND_OK) {
        if (cmd.kind == PND_MACHO_SEGMENT && cmd.vmaddr == address && cmd.size == len &&
            cmd.offset + cmd.size <= dump->len)
            return dump->bytes + cmd.offset;
    }
    return NULL;
}

static bool all_x(const uint8_t *at, size_t len)
{
    while (len > 0 && at[len - 1] == 'X')
        len--;
    return len == 0;
}

static void check_memory(const struct owner_dump *dump)
{
    const uint8_t *own, *rest;

    CHECK(dump && dump->state == OWNER_COMPLETE);
    if (!dump)
        return;
    own = segment(dump, (uintptr_t)&panic, sizeof(panic));
    rest = segment(dump, RAM_ADDRESS, sizeof(ram));
    CHECK(own && all_x(own, sizeof(panic)));
    CHECK(rest != NULL);
    if (!rest)
        return;
    CHECK_MEM(rest, ram, BAD_PAGE * PAGE);
    CHECK(all_x(rest + BAD_PAGE * PAGE, PAGE));
    CHECK_MEM(rest + (BAD_PAGE + 1) * PAGE, ram + (BAD_PAGE + 1) * PAGE,
              RAM_BYTES - (BAD_PAGE + 1) * PAGE);
}

static void the_example_sends_its_memory_and_restarts(void)
{
    turn_on("debug=0x64c44 _panicd_ip=10.0.40.2");
    check_death(REBOOTED);
    CHECK_EQ(machine.server.owner.dump_count, 1);
    check_memory(owner_last(&machine.server.owner));
    ether_server_close(&machine.server);
}

static void frames_that_are_lost_do_no_harm(void)
{
    turn_on("debug=0x64c44 _panicd_ip=10.0.40.2");
    machine.losses = 7;
    check_death(REBOOTED);
    check_memory(owner_last(&machine.server.owner));
    ether_server_close(&machine.server);
}

static void without_boot_args_nothing_is_sent(void)
{
    turn_on("");
    check_death(REBOOTED);
    CHECK_EQ(machine.server.frames, 0);
    ether_server_close(&machine.server);
}

static void an_unplugged_cable_is_told_on_the_console(void)
{
    turn_on("debug=0x64c44 _panicd_ip=10.0.40.2");
    machine.unplugged = true;
    check_death(WAITS);
    CHECK_EQ(machine.server.owner.dump_count, 0);
    CHECK(said("Error: nobody answers for 10.0.40.2"));
    CHECK(said("Waiting for remote debugger connection."));
    ether_server_close(&machine.server);
}

int main(void)
{
    RUN(the_example_sends_its_memory_and_restarts);
    RUN(frames_that_are_lost_do_no_harm);
    RUN(without_boot_args_nothing_is_sent);
    RUN(an_unplugged_cable_is_told_on_the_console);
    return tap_done();
}
