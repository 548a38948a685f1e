/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What else on the machine loads a crash kernel, and what makes its kernel panic. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arm/look.h"
#include "arm/machine_checks.h"
#include "arm/rooted.h"
#include "arm/state.h"

/* A unit is enabled when a target wants it.
 * @source systemd.unit(5), [Install]; kdump-tools of Debian is wanted by basic.target */
static bool is_enabled(const char *root, const char *unit)
{
    static const char *const targets[] = {"basic", "multi-user", "default", "sysinit"};
    char path[PND_ROOTED_CAP];

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        pnd_rooted_path(path, "", "/etc/systemd/system/%s.target.wants/%s", targets[i], unit);
        if (pnd_rooted_exists(root, path))
            return true;
    }
    return false;
}

/* The value of a shell's assignment at the start of a line, the last that stands there. */
static bool shell_says(const char *text, const char *assignment)
{
    const char *last = NULL;
    size_t len = strlen(assignment);

    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, assignment, len) == 0)
            last = at + len;
    }
    if (last && (*last == '"' || *last == '\''))
        last++;
    return last && *last != '\0' && *last != '0' && *last != '\n';
}

const char *pnd_machine_other(const char *root)
{
    char text[16384];

    if (is_enabled(root, "kdump.service"))
        return "kdump";
    if (!pnd_rooted_exists(root, "/usr/sbin/kdump-config") ||
        pnd_rooted_read(root, "/etc/default/kdump-tools", text, sizeof(text)) != PND_OK ||
        !shell_says(text, "USE_KDUMP="))
        return NULL;
    return is_enabled(root, "kdump-tools.service") || pnd_rooted_exists(root, "/etc/rc2.d")
               ? "kdump-tools"
               : NULL;
}

void pnd_machine_check_others(struct pnd_machine *machine)
{
    static struct pnd_state state;
    const char *root = machine->root, *other = pnd_machine_other(root);
    bool is_ours = pnd_state_read(root, &state, NULL) == PND_OK;
    struct pnd_machine_check *check =
        pnd_machine_add(machine, "other crash kernel", PND_MACHINE_OK);
    uint64_t loaded = 0;

    pnd_look_number(root, "/sys/kernel/kexec_crash_loaded", &loaded);
    if (other) {
        check->result = PND_MACHINE_WARNING;
        snprintf(check->text, sizeof(check->text),
                 "%s is set up here too, and loads its crash kernel at every boot: there is room "
                 "for one only, and the last one that is loaded counts.",
                 other);
        snprintf(check->fix, sizeof(check->fix),
                 "systemctl disable --now %s\n"
                 "or keep it, and let its dumps go to panicd: see panicdump(8), \"With kdump\"",
                 other);
    } else if (loaded && !is_ours) {
        check->result = PND_MACHINE_WARNING;
        snprintf(check->text, sizeof(check->text),
                 "A crash kernel is loaded that panicdump did not load: it will be replaced.");
    } else {
        snprintf(check->text, sizeof(check->text), "Nothing else loads a crash kernel here.");
    }
}

/* ---------------------------------------------------------------- what becomes a panic */

static uint64_t sysctl(const char *root, const char *name)
{
    char path[PND_ROOTED_CAP];
    uint64_t value = 0;

    pnd_look_number(root, pnd_rooted_path(path, "", "/proc/sys/kernel/%s", name), &value);
    return value;
}

static void check_oops(struct pnd_machine *machine)
{
    struct pnd_machine_check *check;

    if (sysctl(machine->root, "panic_on_oops")) {
        check = pnd_machine_add(machine, "oops", PND_MACHINE_OK);
        snprintf(check->text, sizeof(check->text),
                 "An oops panics this kernel, and so there is a dump of it.");
        return;
    }
    check = pnd_machine_add(machine, "oops", PND_MACHINE_WARNING);
    snprintf(check->text, sizeof(check->text),
             "An oops outside of interrupts kills a process and no more: the kernel goes on, "
             "damaged, and there is no dump of it.");
    snprintf(check->fix, sizeof(check->fix),
             "echo kernel.panic_on_oops=1 > /etc/sysctl.d/60-panicd.conf\nsysctl --system");
}

void pnd_machine_check_panics(struct pnd_machine *machine)
{
    const char *root = machine->root;
    bool unknown = sysctl(root, "unknown_nmi_panic") != 0;
    struct pnd_machine_check *check;
    char notifiers[8] = "N";

    check_oops(machine);
    check = pnd_machine_add(machine, "NMI", PND_MACHINE_OK);
    snprintf(check->text, sizeof(check->text),
             unknown ? "An NMI from outside (a button, ipmitool chassis power diag) panics this "
                       "kernel."
                     : "An NMI from outside (a button, ipmitool chassis power diag) does not panic "
                       "this kernel; with --on-nmi it will.");
    pnd_rooted_read(root, "/sys/module/kernel/parameters/crash_kexec_post_notifiers", notifiers,
                    sizeof(notifiers));
    if (notifiers[0] != 'Y')
        return;
    check = pnd_machine_add(machine, "notifiers", PND_MACHINE_WARNING);
    snprintf(check->text, sizeof(check->text),
             "crash_kexec_post_notifiers is set: whatever asked to hear of a panic runs before the "
             "crash kernel does, in a kernel that is broken, and may keep it from starting.");
    snprintf(check->fix, sizeof(check->fix),
             "echo N > /sys/module/kernel/parameters/crash_kexec_post_notifiers");
}

/* ---------------------------------------------------------------- sysctl.d */

static bool file_sets(const char *root, const char *path, const char *name)
{
    char text[16384];
    size_t len = strlen(name);

    if (pnd_rooted_read(root, path, text, sizeof(text)) != PND_OK)
        return false;
    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += strspn(at, "\n\t -");
        if (strncmp(at, "kernel", 6) == 0 && (at[6] == '.' || at[6] == '/') &&
            strncmp(at + 7, name, len) == 0 && strchr(" \t=", at[7 + len]) && at[7 + len] != '\0')
            return true;
    }
    return false;
}

static int is_conf(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return dot && strcmp(dot, ".conf") == 0;
}

int pnd_machine_sysctl_file(const char *root, const char *name, char *dst, size_t cap)
{
    /* By sysctl.d(5) files are ordered by their names, and /etc/sysctl.conf is often the last. */
    static const char *const places[] = {"/usr/lib/sysctl.d", "/run/sysctl.d", "/etc/sysctl.d"};
    char path[PND_ROOTED_CAP];
    int err = PND_E_NOTFOUND;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct dirent **list;
        int count =
            scandir(pnd_rooted_path(path, root, "%s", places[i]), &list, is_conf, alphasort);

        for (int at = 0; at < count; at++) {
            pnd_rooted_path(path, "", "%s/%s", places[i], list[at]->d_name);
            if (file_sets(root, path, name)) {
                snprintf(dst, cap, "%s", path);
                err = PND_OK;
            }
            free(list[at]);
        }
        if (count >= 0)
            free(list);
    }
    if (file_sets(root, "/etc/sysctl.conf", name)) {
        snprintf(dst, cap, "/etc/sysctl.conf");
        err = PND_OK;
    }
    return err;
}
