/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl setup --for linux: a crash kernel whose init is panicdump, by hand.
 * @source panicdump(8), kexec(8), modprobe(8) */
#include <stdio.h>
#include <string.h>

#include "panicctl/setup.h"

#define PLACE "/var/lib/panicd-crash"

static const char *wrong_want(const struct pnd_setup_want *want)
{
    if (want->release)
        return "--release is for macos and freebsd: the steps are the same for every Linux that "
               "has kexec";
    if (!want->server)
        return "say who receives: --server 10.0.40.2, an address of this machine";
    if (!want->client)
        return "say which address the crash kernel sends from, most simply that of the machine: "
               "--client 10.0.40.7";
    if (want->paniclog_only || want->local || want->stay)
        return "--paniclog-only, --local and --stay are for macos: a crash kernel sends the whole "
               "memory, and restarts the machine";
    return NULL;
}

static void step_test(struct pnd_setup *ret, const struct pnd_setup_want *want, const char *port)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Does the way to the server work? (as root)");

    PND_SETUP_SAY(step->act, "panicdump test --server %s%s --interface %s", want->server, port,
                  want->interface);
    PND_SETUP_SAY(step->check, "it says ok. Else it says what to do.");
    PND_SETUP_SAY(step->undo, "here: panicctl rm, with the dump's number of \"panicctl list\".");
    PND_SETUP_SAY(step->why, "it goes the way of a crash kernel: frames of its own on this "
                             "interface, with ARP of its own.");
}

static void step_reserve(struct pnd_setup *ret)
{
    struct pnd_setup_step *step =
        pnd_setup_add(ret, "Keep memory free for the crash kernel, and restart (as root)");

    PND_SETUP_SAY(step->act, "mkdir -p /etc/default/grub.d\n"
                             "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT "
                             "crashkernel=256M\"' >/etc/default/grub.d/panicd.cfg\n"
                             "update-grub\nsystemctl reboot");
    PND_SETUP_SAY(step->check,
                  "afterwards \"cat /sys/kernel/kexec_crash_size\" prints 268435456. 0: "
                  "the memory had no room for it in one piece; take less.");
    PND_SETUP_SAY(step->undo, "rm /etc/default/grub.d/panicd.cfg; update-grub; and restart.");
    PND_SETUP_SAY(step->why, "a kernel that panicked starts a second one in memory that it never "
                             "touches.");
}

static void step_initramfs(struct pnd_setup *ret, const struct pnd_setup_want *want)
{
    struct pnd_setup_step *step =
        pnd_setup_add(ret, "Make its initramfs: panicdump, and the interface's driver (as root)");

    PND_SETUP_SAY(step->act,
                  "d=" PLACE "\n"
                  "rm -rf $d && mkdir -p $d/dev $d/proc $d/sys $d/lib/panicd\n"
                  "cp \"$(command -v panicdump-static)\" $d/init\n"
                  "at=$(readlink -f /sys/class/net/%s/device)\n"
                  "while [ -n \"$at\" ]; do\n"
                  "    m=$(readlink -f $at/driver/module) && [ -d \"$m\" ] && modprobe -D "
                  "\"${m##*/}\"\n"
                  "    at=${at%%/*}\n"
                  "done | awk '$1 == \"insmod\" && !seen[$2]++ { print $2 }' |\n"
                  "while read -r file; do\n"
                  "    name=${file##*/}; name=${name%%.xz}; name=${name%%.gz}; name=${name%%.zst}\n"
                  "    case $file in *.xz) xz -dc $file ;; *.gz) gzip -dc $file ;;\n"
                  "    *.zst) zstd -dcq $file ;; *) cat $file ;; esac >$d/lib/panicd/$name\n"
                  "    echo /lib/panicd/$name\n"
                  "done >$d/modules && mv $d/modules $d/lib/panicd/modules\n"
                  "(cd $d && find . | cpio -o -H newc --quiet) >$d.cpio",
                  want->interface);
    PND_SETUP_SAY(step->check,
                  "\"cat " PLACE
                  "/lib/panicd/modules\" lists the driver of %s; nothing, only if it "
                  "is built into the kernel.",
                  want->interface);
    PND_SETUP_SAY(step->undo, "rm -r " PLACE " " PLACE ".cpio");
    PND_SETUP_SAY(step->why, "the crash kernel has no disk and no other program: init is panicdump "
                             "capture. Do it again after each update of the kernel.");
}

static void step_load(struct pnd_setup *ret, const struct pnd_setup_want *want)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Load the crash kernel (as root; after every "
                                                     "boot)");
    char router[48] = "", port[32] = "";

    if (want->gateway)
        snprintf(router, sizeof(router), " _router_ip=%s", want->gateway);
    if (want->port)
        snprintf(port, sizeof(port), " panicd_port=%u", (unsigned)want->port);
    PND_SETUP_SAY(step->act,
                  "apt-get install kexec-tools\n"
                  "kexec -s -p /boot/vmlinuz-$(uname -r) --initrd=" PLACE ".cpio "
                  "--command-line=\"nr_cpus=1 reset_devices panic=-1 _panicd_ip=%s kdp_ip_addr=%s "
                  "kdp_match_mac=$(tr -d : </sys/class/net/%s/address)%s%s panicd_after=reboot\"",
                  want->server, want->client, want->interface, router, port);
    PND_SETUP_SAY(step->check, "\"cat /sys/kernel/kexec_crash_loaded\" prints 1.");
    PND_SETUP_SAY(step->undo, "kexec -s -p -u");
    PND_SETUP_SAY(step->why,
                  "what stands in the command line is for panicdump(8). The interface is "
                  "named by its MAC, because a name such as enp3s0 is given by udev, "
                  "which the crash kernel has not.");
}

static void step_nmi(struct pnd_setup *ret)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Make an NMI a panic (as root)");

    PND_SETUP_SAY(step->act, "echo kernel.unknown_nmi_panic=1 >/etc/sysctl.d/60-panicd.conf\n"
                             "sysctl -p /etc/sysctl.d/60-panicd.conf");
    PND_SETUP_SAY(step->check, "\"sysctl kernel.unknown_nmi_panic\" says 1.");
    PND_SETUP_SAY(step->undo, "rm /etc/sysctl.d/60-panicd.conf; sysctl kernel.unknown_nmi_panic=0");
    PND_SETUP_SAY(step->why, "a machine that hangs can then be made to dump: by its NMI button, by "
                             "IPMI (chassis power diag), by a virtual machine's host.");
}

static void step_try(struct pnd_setup *ret)
{
    struct pnd_setup_step *step = pnd_setup_add(ret, "Try it: this panics the machine (as root)");

    PND_SETUP_SAY(step->act, "sync\necho c >/proc/sysrq-trigger");
    PND_SETUP_SAY(step->check, "here, \"panicctl watch --count 1\" shows the dump arrive; then the "
                               "machine restarts.");
}

const char *pnd_setup_linux(const struct pnd_setup_want *want, struct pnd_setup *ret)
{
    const char *wrong = wrong_want(want);
    char port[32] = "";

    if (wrong)
        return wrong;
    if (want->port)
        snprintf(port, sizeof(port), " --port %u", (unsigned)want->port);
    pnd_setup_about(ret,
                    "A Linux machine, %s, whose crash kernel sends its memory to %s by %s. On it, "
                    "panicdump is needed: \"sudo ./run install\" there, in the sources of panicd.",
                    want->client, want->server, want->interface);
    pnd_setup_add_doctor(ret, want);
    step_test(ret, want, port);
    step_reserve(ret);
    step_initramfs(ret, want);
    step_load(ret, want);
    if (want->on_nmi)
        step_nmi(ret);
    step_try(ret);
    return NULL;
}
