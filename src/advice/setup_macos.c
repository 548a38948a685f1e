/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For macOS. The line of boot-args is the encoder's, what comes of it is told by
 * the decision of src/bootargs, and nothing is printed that lint objects to.
 * @source PROTOCOL.md#kdp-2.1, #kdp-2.8, #kdp-3.2; for the keys of an NMI, Apple's documentation of
 *         the kernel, "Generating a Non-Maskable Interrupt" */
#include <stdio.h>
#include <string.h>

#include "advice/known.h"
#include "advice/setup.h"
#include "advice/wish.h"

enum {
    XNU_REBOOT_POST_CORE = 1456,
    XNU_PROTECTED = 3247, /* macOS 10.11: csrutil */
    XNU_CURRENT_ORDER = 4570,
    XNU_FILE = 6153, /* macOS 10.15: the local core is a file, before that a partition */
    XNU_ARM64 = 7195,
    XNU_DEBUGGING_RESTRICTED = 8019, /* macOS 12: without csrutil, no interface at all */
};

struct mac {
    const struct pnd_setup_want *want;
    struct pnd_wish wish;
    const char *macos;
    char line[PND_ARGLINE_CAP];
};

/* "10.15", "10.15.7", "11.6": what stands before the patch counts.
 *   @return NULL: no such release is known */
static const struct pnd_macos *release_named(const char *text)
{
    const struct pnd_macos *release;

    for (unsigned i = 0; (release = pnd_macos(i)); i++) {
        size_t len = strlen(release->name);

        if (strncmp(text, release->name, len) == 0 &&
            strspn(text + len, ".0123456789") == strlen(text + len) &&
            (text[len] == '\0' || text[len] == '.'))
            return release;
    }
    return NULL;
}

static const char *settle_machine(struct mac *mac)
{
    const struct pnd_setup_want *want = mac->want;
    const struct pnd_macos *release;

    mac->wish.line =
        (struct pnd_argline){.xnu = PND_XNU_CURRENT, .x86_64 = want->x86_64, .arm64 = want->arm64};
    if (want->release) {
        release = release_named(want->release);
        if (!release)
            return "--release takes a macOS from 10.5 to 15, such as 10.15 or 14; for a newer one "
                   "take 15, the newest whose sources are known";
        mac->wish.line.xnu = release->xnu;
    }
    mac->macos = pnd_macos_of(mac->wish.line.xnu);
    if (mac->wish.line.xnu >= XNU_ARM64)
        return NULL;
    if (!want->x86_64)
        return "--arch arm64: Apple silicon has macOS 11 or newer: --release 11";
    mac->wish.line.arm64 = false;
    return NULL;
}

static const char *settle_wish(struct mac *mac)
{
    const struct pnd_setup_want *want = mac->want;
    struct pnd_wish *wish = &mac->wish;
    bool current = wish->line.xnu >= XNU_CURRENT_ORDER;

    if (want->client || want->gateway)
        return "--client and --gateway are for freebsd: a Mac sends from the address that the "
               "interface has, and finds its way by ARP";
    if (!want->server && (want->port || want->interface))
        return "--interface and --port need --server, the address to send to";
    if (want->paniclog_only && !want->server)
        return "--paniclog-only needs --server: the panic log is sent, a disk gets only cores";
    if (!want->server && want->stay && want->on_nmi && wish->line.arm64)
        return "--local --on-nmi --stay: without a server Apple silicon goes on after the core; "
               "add --server and --interface, or --arch x86_64 for an Intel Mac";
    wish->network = want->server != NULL;
    wish->local = want->local;
    wish->on_panic = true;
    wish->on_nmi = want->on_nmi;
    wish->paniclog = want->paniclog_only;
    wish->stay = want->stay;
    wish->reboot = !want->stay && wish->line.xnu >= XNU_REBOOT_POST_CORE &&
                   !(current && (wish->paniclog || (wish->network && wish->local)));
    wish->server = want->server;
    wish->interface = want->interface;
    wish->port = want->port;
    return pnd_wish_wrong(wish);
}

/* Nothing leaves here that "bootargs lint" would object to. */
static const char *settle_line(struct mac *mac, struct pnd_lint *lint)
{
    pnd_wish_line(&mac->wish, mac->line, sizeof(mac->line));
    memcpy(mac->wish.line.text, mac->line, sizeof(mac->line));
    pnd_lint(&mac->wish.line, lint);
    return lint->count
               ? "these options make boot-args with a trap in them, which is a fault of panicctl: "
                 "look with \"panicctl bootargs encode\" and \"lint\""
               : NULL;
}

/* ---- what comes of it ---- */

static void tell(struct pnd_setup *ret, const struct mac *mac, enum pnd_trigger trigger)
{
    const char *when = trigger == PND_TRIGGER_PANIC ? "panic" : "NMI";
    bool both = mac->wish.line.x86_64 && mac->wish.line.arm64;
    struct pnd_play *play = ret->play;

    for (unsigned i = 0; i < 2; i++)
        pnd_play(&mac->wish.line, mac->wish.line.xnu, trigger, both ? i == 1 : mac->wish.line.arm64,
                 mac->wish.local, &play[i]);
    if (strcmp(play[0].at[0].text, play[1].at[0].text) == 0)
        pnd_setup_about(ret, "On a%s %s it %s.", trigger == PND_TRIGGER_PANIC ? "" : "n", when,
                        play[0].at[0].text);
    else
        pnd_setup_about(ret, "On a%s %s an Intel Mac %s; Apple silicon %s.",
                        trigger == PND_TRIGGER_PANIC ? "" : "n", when, play[0].at[0].text,
                        play[1].at[0].text);
}

static void about(struct pnd_setup *ret, const struct mac *mac)
{
    const struct pnd_argline *line = &mac->wish.line;
    const char *machine = line->x86_64 && line->arm64 ? "A Mac"
                          : line->arm64               ? "A Mac with Apple silicon"
                                                      : "An Intel Mac";

    if (mac->wish.network)
        pnd_setup_about(ret, "%s with macOS %s that sends to %s by %s.", machine, mac->macos,
                        mac->wish.server, mac->wish.interface);
    else
        pnd_setup_about(ret, "%s with macOS %s that writes to its own disk.", machine, mac->macos);
    tell(ret, mac, PND_TRIGGER_PANIC);
    if (mac->wish.on_nmi)
        tell(ret, mac, PND_TRIGGER_NMI);
}

/* ---- the steps ---- */

static void step_interface(struct pnd_setup *ret, const struct mac *mac)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "On the Mac: is the interface a wired one?");

    PND_SETUP_SAY(step->act, "networksetup -listallhardwareports\nifconfig %s",
                  mac->wish.interface);
    PND_SETUP_SAY(
        step->check,
        "%s is Ethernet, built in or by Thunderbolt, and ifconfig says \"status: active\" "
        "and an inet address. Else begin anew, with --interface and its name.",
        mac->wish.interface);
    PND_SETUP_SAY(step->why,
                  "after a panic there are no interrupts: the driver has to send and receive by "
                  "polling. Those of built-in and of some Thunderbolt Ethernet can; USB and Wi-Fi "
                  "cannot.%s",
                  mac->wish.line.arm64 ? " Apple silicon sends nothing at all unless "
                                         "kdp_match_name= names the interface."
                                       : "");
}

static void step_csrutil(struct pnd_setup *ret, const struct mac *mac)
{
    static const char intel[] = "restart and hold Command-R",
                      apple[] = "shut down, hold the power button until the startup options come, "
                                "choose Options";
    const struct pnd_argline *line = &mac->wish.line;
    struct pnd_setup_step *step;

    if (line->xnu < XNU_PROTECTED)
        return;
    step = pnd_setup_add(ret, "On the Mac, in Recovery: allow kernel debugging");
    if (line->x86_64 && line->arm64)
        PND_SETUP_SAY(step->how,
                      "Intel: %s. Apple silicon: %s. Then Utilities, Terminal, and restart when it "
                      "is done.",
                      intel, apple);
    else
        PND_SETUP_SAY(step->how,
                      "To get there, %s. Then Utilities, Terminal, and restart when it is done.",
                      line->arm64 ? apple : intel);
    PND_SETUP_SAY(step->act, "csrutil disable");
    PND_SETUP_SAY(step->check, "back in macOS, \"csrutil status\" says disabled.");
    PND_SETUP_SAY(step->undo, "in Recovery: csrutil enable%s",
                  line->arm64 ? " (on Apple silicon also set Full Security again, in Startup "
                                "Security Utility)"
                              : "");
    PND_SETUP_SAY(step->why, "%s",
                  line->xnu >= XNU_DEBUGGING_RESTRICTED
                      ? "while System Integrity Protection forbids kernel debugging, the kernel "
                        "keeps no interface for a dump, whatever the boot-args say. It is a "
                        "protection: undo it when the panic is understood."
                      : "System Integrity Protection keeps boot-args from being set. It is a "
                        "protection: undo it when the panic is understood.");
}

static void step_nvram(struct pnd_setup *ret, const struct mac *mac)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "On the Mac: what are its boot-args now?");

    PND_SETUP_SAY(step->act, "nvram boot-args");
    PND_SETUP_SAY(step->check,
                  "\"data was not found\", or a line: keep a copy. Words of it that are "
                  "still wanted go between the quotes of the next step, behind the "
                  "others.");
    step = pnd_setup_add(ret, "On the Mac: set them");
    PND_SETUP_SAY(step->act, "sudo nvram boot-args=\"%s\"", mac->line);
    PND_SETUP_SAY(step->check,
                  "\"nvram boot-args\" prints the line. \"panicctl bootargs lint\" with "
                  "it, here, finds no trap.");
    PND_SETUP_SAY(step->undo, "sudo nvram -d boot-args, or the line of before in its place; then "
                              "restart.");
    PND_SETUP_SAY(step->why, "\"panicctl bootargs decode\" tells what each word is for.%s%s",
                  mac->wish.on_nmi ? " wdt=-1 keeps the watchdog from restarting a machine that "
                                     "hangs or is sending its core."
                                   : "",
                  mac->wish.network && !mac->wish.local &&
                          mac->wish.line.xnu >= XNU_CURRENT_ORDER && !mac->wish.paniclog
                      ? " A local core is switched off by 0x20000: where one is written, the Mac "
                        "restarts before it sends anything."
                      : "");
}

static void step_restart(struct pnd_setup *ret)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "On the Mac: restart it");

    PND_SETUP_SAY(step->act, "sudo shutdown -r now");
    PND_SETUP_SAY(step->check, "afterwards \"sysctl -n kern.bootargs\" prints the line. If it does "
                               "not, the step in Recovery is missing.");
    PND_SETUP_SAY(step->why, "boot-args are read at boot, and the interface for dumps is chosen "
                             "when its driver starts.");
}

static const char *keys_of(const struct pnd_argline *line)
{
    if (line->xnu < XNU_PROTECTED)
        return "Press both Command keys and the power button; on an older Mac Command and the "
               "power "
               "button, or the programmer's button.";
    if (!line->x86_64)
        return "Press both Command keys and Delete, all at once.";
    return line->arm64 ? "Apple silicon, and Intel with a T2 chip: press both Command keys and "
                         "Delete, all at once. Intel without one: both Command keys and the power "
                         "button."
                       : "With a T2 chip: press both Command keys and Delete, all at once. Without "
                         "one: both Command keys and the power button.";
}

static void step_try(struct pnd_setup *ret, const struct mac *mac)
{
    struct pnd_setup_step *step;

    if (!mac->wish.on_nmi)
        return;
    step = pnd_setup_add(ret, "On the Mac: try it, with an NMI");
    PND_SETUP_SAY(step->how, "%s It stops what the Mac is doing: save everything first.",
                  keys_of(&mac->wish.line));
    if (mac->wish.network)
        PND_SETUP_SAY(step->check, "here, \"panicctl watch --count 1\" shows the dump arrive. "
                                   "Nothing comes: \"panicctl doctor\" here, then the interface "
                                   "and \"sysctl -n kern.bootargs\" there.");
    else
        PND_SETUP_SAY(step->check, "the next step finds a core.");
    PND_SETUP_SAY(step->why, "it is the one way to send a core without a panic, and what to do "
                             "when the Mac hangs.");
}

static void step_extract(struct pnd_setup *ret, const struct mac *mac)
{
    struct pnd_setup_step *step;

    if (!mac->wish.local)
        return;
    step = pnd_setup_add(ret, "After a panic: take the core from the Mac's disk");
    if (mac->wish.line.xnu >= XNU_FILE) {
        PND_SETUP_SAY(step->how, "On the Mac, before it panics again. The first command says where "
                                 "the file is; copy that file here.");
        PND_SETUP_SAY(step->act, "sysctl -n kern.kdp_corefile\n"
                                 "sudo cp \"$(sysctl -n kern.kdp_corefile)\" kernelcore");
        PND_SETUP_SAY(step->check, "here, \"panicctl extract kernelcore --list\" names a kernel.");
    } else {
        PND_SETUP_SAY(step->how, "It is in a partition of its own, if the Mac has one. The first "
                                 "command says which; copy that partition, as /dev/rdiskXsY.");
        PND_SETUP_SAY(step->act, "diskutil list | grep Apple_KernelCoreDump");
        PND_SETUP_SAY(step->check, "here, \"panicctl extract\" with the copy, or with the disk "
                                   "itself when it is attached here, and --list names a kernel.");
    }
}

const char *pnd_setup_macos(const struct pnd_setup_want *want, struct pnd_setup *ret)
{
    struct mac mac = {.want = want};
    const char *wrong = settle_machine(&mac);

    if (!wrong)
        wrong = settle_wish(&mac);
    if (!wrong)
        wrong = settle_line(&mac, &ret->lint);
    if (wrong)
        return wrong;
    about(ret, &mac);
    if (mac.wish.network) {
        pnd_setup_add_doctor(ret, want);
        step_interface(ret, &mac);
    }
    step_csrutil(ret, &mac);
    step_nvram(ret, &mac);
    step_restart(ret);
    step_try(ret, &mac);
    step_extract(ret, &mac);
    return NULL;
}
