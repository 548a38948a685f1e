/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a machine needs for a crash kernel: what the kernel says of itself in /proc and /sys. What
 * other software of the machine has set up is in machine_others.c. */
#include "arm/machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arm/bootloader.h"
#include "arm/kernel_config.h"
#include "arm/look.h"
#include "arm/machine_checks.h"
#include "arm/rooted.h"
#include "host/text.h"

#define MIB ((uint64_t)1 << 20)

struct pnd_machine_check *pnd_machine_add(struct pnd_machine *machine, const char *name,
                                          enum pnd_machine_result result)
{
    struct pnd_machine_check *check = &machine->checks[machine->count];

    if (machine->count + 1 < PND_MACHINE_CHECKS_MAX)
        machine->count++;
    memset(check, 0, sizeof(*check));
    check->name = name;
    check->result = result;
    return check;
}

/* ---------------------------------------------------------------- the kernel's configuration */

struct option {
    const char *name;
    const char *without; /* what does not work without it */
    bool module_is_fine;
};

static const struct option needed_options[] = {
    {"CRASH_DUMP", "it cannot be a crash kernel", false},
    {"PROC_VMCORE", "a crash kernel has no /proc/vmcore", false},
    {"BLK_DEV_INITRD", "it takes no initramfs", false},
    {"NET", "it has no network", false},
    {"INET", "it has no IPv4", false},
};

static void check_config(struct pnd_machine *machine, const char *release)
{
    struct pnd_machine_check *check = pnd_machine_add(machine, "kernel config", PND_MACHINE_OK);
    struct pnd_kernel_config config;
    struct pnd_why why = {""};
    size_t used = 0;

    if (pnd_kernel_config_open(machine->root, release, &config, &why) != PND_OK) {
        check->result = PND_MACHINE_WARNING;
        snprintf(check->text, sizeof(check->text),
                 "What kernel %.100s can do is not known: %.300s.", release, why.text);
        return;
    }
    if (pnd_kernel_config_get(&config, "KEXEC") != 'y' &&
        pnd_kernel_config_get(&config, "KEXEC_FILE") != 'y')
        used += (size_t)snprintf(check->text, sizeof(check->text),
                                 " CONFIG_KEXEC_FILE (no crash kernel can be loaded)");
    for (size_t i = 0; i < sizeof(needed_options) / sizeof(needed_options[0]); i++)
        if (pnd_kernel_config_get(&config, needed_options[i].name) != 'y')
            used +=
                (size_t)snprintf(check->text + used, sizeof(check->text) - used, " CONFIG_%s (%s)",
                                 needed_options[i].name, needed_options[i].without);
    if (used > 0) {
        char missing[PND_MACHINE_TEXT_CAP];

        memcpy(missing, check->text, sizeof(missing));
        check->result = PND_MACHINE_FAILED;
        snprintf(check->text, sizeof(check->text), "Kernel %.60s was built without:%.400s.",
                 release, missing);
        snprintf(check->fix, sizeof(check->fix),
                 "boot a kernel with these options: those of the distributions have them");
    } else if (pnd_kernel_config_get(&config, "PACKET") == 'n') {
        check->result = PND_MACHINE_WARNING;
        snprintf(
            check->text, sizeof(check->text),
            "Kernel %.60s has no packet sockets (CONFIG_PACKET): the crash kernel goes through "
            "UDP, which is slower to start and asks for the server by ARP.",
            release);
    } else {
        snprintf(check->text, sizeof(check->text), "Kernel %.60s can be a crash kernel (%.200s).",
                 release, config.path);
    }
    pnd_kernel_config_close(&config);
}

/* ---------------------------------------------------------------- the reservation */

/* What the next boot's command line should have: round figures are easier to compare. */
static void reservation_word(uint64_t needed, char dst[32])
{
    uint64_t mib = (needed + MIB - 1) / MIB;

    snprintf(dst, 32, "crashkernel=%" PRIu64 "M", (mib + 7) / 8 * 8);
}

static void reservation_fix(const struct pnd_machine *machine, const char *running,
                            struct pnd_machine_check *check)
{
    struct pnd_bootloader loader;
    char word[32];

    reservation_word(machine->needed_bytes, word);
    pnd_bootloader_find(machine->root, running, &loader);
    if (pnd_bootloader_fix(&loader, running, word, check->fix, sizeof(check->fix)) != PND_OK)
        snprintf(check->fix, sizeof(check->fix), "add %s to the kernel's command line", word);
}

/* The image of @p release and an initramfs as large as it may be, when nobody has built one yet. */
static uint64_t guess_needed(const char *root, const char *release)
{
    static const char *const before[] = {"/boot/vmlinuz-", "/lib/modules/", "/boot/vmlinuz-linux"};
    static const char *const after[] = {"", "/vmlinuz", ""};
    char path[PND_ROOTED_CAP];
    uint64_t memory;

    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        const char *middle = i < 2 ? release : "";

        pnd_rooted_path(path, root, "%s%s%s", before[i], middle, after[i]);
        if (pnd_machine_image_memory(path, &memory, NULL) == PND_OK)
            return pnd_machine_needed(&(struct pnd_machine_load){
                .image_bytes = memory, .initramfs_bytes = PND_MACHINE_INITRAMFS_BYTES});
    }
    return 0;
}

static void say_none(struct pnd_machine *machine, struct pnd_machine_check *check,
                     const char *asked)
{
    char safe[128];

    check->result = PND_MACHINE_FAILED;
    if (!asked)
        snprintf(check->text, sizeof(check->text),
                 "No memory is reserved for a crash kernel: crashkernel= is not on the kernel's "
                 "command line. This machine needs %" PRIu64 " MiB.",
                 machine->needed_bytes / MIB);
    else
        snprintf(
            check->text, sizeof(check->text),
            "crashkernel=%s is on the command line, and yet the kernel has reserved nothing: "
            "it found no such piece in one. A range of sizes may leave this machine out; a "
            "small machine may only have been unlucky with where the kernel was put, and "
            "after another boot, or with nokaslr, it works. This machine needs %" PRIu64 " MiB.",
            pnd_text_escape(safe, sizeof(safe), asked, strlen(asked)), machine->needed_bytes / MIB);
}

static void check_reservation(struct pnd_machine *machine, const char *running)
{
    struct pnd_machine_check *check = pnd_machine_add(machine, "reservation", PND_MACHINE_OK);
    char cmdline[4096], asked[128];
    uint64_t reserved = 0, needed = machine->needed_bytes;
    bool is_asked;

    pnd_rooted_read(machine->root, "/proc/cmdline", cmdline, sizeof(cmdline));
    is_asked = pnd_look_word(cmdline, "crashkernel=", asked, sizeof(asked)) == PND_OK;
    if (pnd_look_number(machine->root, "/sys/kernel/kexec_crash_size", &reserved) != PND_OK) {
        check->result = PND_MACHINE_FAILED;
        snprintf(check->text, sizeof(check->text),
                 "This kernel knows no crash kernel: /sys/kernel/kexec_crash_size is not there.");
        return;
    }
    machine->reserved_bytes = reserved;
    if (needed == 0) {
        check->result = reserved ? PND_MACHINE_WARNING : PND_MACHINE_FAILED;
        snprintf(check->text, sizeof(check->text),
                 "%" PRIu64 " MiB are reserved for a crash kernel; how many are needed is not "
                 "known, because there is no kernel image to look at.",
                 reserved / MIB);
        return;
    }
    if (reserved == 0) {
        say_none(machine, check, is_asked ? asked : NULL);
        reservation_fix(machine, running, check);
    } else if (reserved < needed) {
        check->result = PND_MACHINE_WARNING;
        snprintf(check->text, sizeof(check->text),
                 "%" PRIu64 " MiB are reserved for the crash kernel, %" PRIu64 " MiB are needed: "
                 "it may run out of memory, and then the dump is lost.",
                 reserved / MIB, needed / MIB);
        reservation_fix(machine, running, check);
    } else {
        snprintf(check->text, sizeof(check->text),
                 "%" PRIu64 " MiB are reserved for the crash kernel, %" PRIu64 " MiB are needed.",
                 reserved / MIB, needed / MIB);
    }
}

/* ---------------------------------------------------------------- what the kernel forbids */

/* The word in brackets: "none [integrity] confidentiality".
 * @source the kernel's documentation of /sys/kernel/security/lockdown; kernel_lockdown(7) */
static bool is_locked(const char *root, char mode[32])
{
    char text[128];

    if (pnd_rooted_read(root, "/sys/kernel/security/lockdown", text, sizeof(text)) != PND_OK)
        return false;
    return sscanf(text, "%*[^[][%31[^]]", mode) == 1 || sscanf(text, "[%31[^]]", mode) == 1
               ? strcmp(mode, "none") != 0
               : false;
}

/* The variable's four bytes of attributes, then its value.
 * @source UEFI 2.10, 3.3 "Globally Defined Variables"; the kernel's documentation of efivarfs */
static bool efi_flag(const char *root, const char *name)
{
    char path[PND_ROOTED_CAP], value[16];
    FILE *file = fopen(pnd_rooted_path(path, root,
                                       "/sys/firmware/efi/efivars/"
                                       "%s-8be4df61-93ca-11d2-aa0d-00e098032b8c",
                                       name),
                       "rbe");
    size_t n = file ? fread(value, 1, sizeof(value), file) : 0;

    if (file)
        fclose(file);
    return n == 5 && value[4] == 1;
}

static void check_lockdown(struct pnd_machine *machine)
{
    char mode[32] = "none";
    bool locked = is_locked(machine->root, mode);
    bool secure = efi_flag(machine->root, "SecureBoot") && !efi_flag(machine->root, "SetupMode");
    struct pnd_machine_check *check = pnd_machine_add(machine, "secure boot", PND_MACHINE_OK);

    snprintf(check->text, sizeof(check->text), "Secure boot is %s.", secure ? "on" : "off");
    check = pnd_machine_add(machine, "lockdown", PND_MACHINE_OK);
    if (!locked) {
        snprintf(check->text, sizeof(check->text),
                 "The kernel is not locked down: any kernel image can be loaded.");
        return;
    }
    check->result = PND_MACHINE_WARNING;
    snprintf(
        check->text, sizeof(check->text),
        "The kernel is locked down (%.20s)%s: kexec_file_load takes only a kernel image that is "
        "signed with a key that this machine trusts. That of the distribution is; one that "
        "you built yourself is refused, and so is kexec_load.",
        mode, secure ? ", by secure boot" : "");
    if (secure)
        snprintf(check->fix, sizeof(check->fix),
                 "for a kernel of your own: sign its image with sbsign and enroll the key with "
                 "mokutil --import");
}

static void check_kexec(struct pnd_machine *machine)
{
    uint64_t disabled = 0, left = 1;
    struct pnd_machine_check *check;
    char where[128];

    pnd_look_number(machine->root, "/proc/sys/kernel/kexec_load_disabled", &disabled);
    pnd_look_number(machine->root, "/proc/sys/kernel/kexec_load_limit_panic", &left);
    if (disabled == 0 && left > 0) {
        check = pnd_machine_add(machine, "kexec", PND_MACHINE_OK);
        snprintf(check->text, sizeof(check->text), "The kernel lets a crash kernel be loaded.");
        return;
    }
    check = pnd_machine_add(machine, "kexec", PND_MACHINE_FAILED);
    if (pnd_machine_sysctl_file(machine->root,
                                disabled ? "kexec_load_disabled" : "kexec_load_limit_panic", where,
                                sizeof(where)) != PND_OK)
        snprintf(where, sizeof(where), "what sets it at boot");
    snprintf(check->text, sizeof(check->text),
             "No crash kernel can be loaded any more until the next boot: kernel.%s.",
             disabled ? "kexec_load_disabled is 1" : "kexec_load_limit_panic is 0");
    snprintf(check->fix, sizeof(check->fix),
             "remove kernel.%s from %.128s, or let it be set after panicdump arm; then: reboot",
             disabled ? "kexec_load_disabled" : "kexec_load_limit_panic", where);
}

int pnd_machine_check(struct pnd_machine *machine, const char *release, uint64_t needed)
{
    char running[256];

    machine->count = 0;
    machine->reserved_bytes = 0;
    machine->needed_bytes = needed ? needed : guess_needed(machine->root, release);
    if (pnd_rooted_read(machine->root, "/proc/sys/kernel/osrelease", running, sizeof(running)) !=
        PND_OK)
        snprintf(running, sizeof(running), "%s", release);
    check_config(machine, release);
    check_reservation(machine, running);
    check_lockdown(machine);
    check_kexec(machine);
    pnd_machine_check_others(machine);
    pnd_machine_check_panics(machine);
    for (size_t i = 0; i < machine->count; i++)
        if (machine->checks[i].result == PND_MACHINE_FAILED)
            return PND_E_NOTFOUND;
    return PND_OK;
}
