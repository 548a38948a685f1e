/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Machines as they really look, made of files: what they lack, and what is to be typed there. */
#include "arm/machine.h"

#include <zlib.h>

#include "machine_root.h"
#include "tap.h"

#define MIB      ((uint64_t)1 << 20)
#define EFIVARS  "/sys/firmware/efi/efivars/"
#define EFI_GUID "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define DEBIAN   "6.1.0-56-amd64"
#define GOOD_CONFIG                                                                                \
    "#\n# Automatically generated file; DO NOT EDIT.\n#\nCONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\n"    \
    "CONFIG_CRASH_DUMP=y\nCONFIG_PROC_VMCORE=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_NET=y\n"           \
    "CONFIG_PACKET=y\nCONFIG_INET=y\n# CONFIG_KEXEC_SIG_FORCE is not set\n"

static struct pnd_machine machine;

/* The header of an image that says it takes @p mib MiB, and nothing else. */
static void put_image(const char *path, uint32_t mib)
{
    static uint8_t image[4096];
    uint32_t size = mib << 20;

    memset(image, 0, sizeof(image));
    memcpy(image + 0x202, "HdrS\x0f\x02", 6);
    for (unsigned i = 0; i < 4; i++)
        image[0x260 + i] = (uint8_t)(size >> 8 * i);
    put_bytes(path, image, sizeof(image));
}

static void put_kernel(const char *release, const char *cmdline, const char *reserved)
{
    char line[512];

    snprintf(line, sizeof(line), "%s\n", release);
    put("/proc/sys/kernel/osrelease", line);
    snprintf(line, sizeof(line), "%s\n", cmdline);
    put("/proc/cmdline", line);
    put("/sys/kernel/kexec_crash_size", reserved);
    put("/sys/kernel/kexec_crash_loaded", "0\n");
    put("/proc/sys/kernel/kexec_load_disabled", "0\n");
    put("/proc/sys/kernel/panic_on_oops", "1\n");
    put("/proc/sys/kernel/unknown_nmi_panic", "0\n");
    put("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    put("/sys/module/kernel/parameters/crash_kexec_post_notifiers", "N\n");
}

static void debian(const char *cmdline, const char *reserved)
{
    root_begin();
    put_kernel(DEBIAN, cmdline, reserved);
    put_image("/boot/vmlinuz-" DEBIAN, 64);
    put("/boot/config-" DEBIAN, GOOD_CONFIG);
    put("/etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    put("/usr/sbin/update-grub", "#!/bin/sh\n");
    put("/boot/grub/grub.cfg", "menuentry\n");
}

static int check(const char *release)
{
    machine = (struct pnd_machine){.root = root};
    return pnd_machine_check(&machine, release, 0);
}

static const struct pnd_machine_check *named(const char *name)
{
    static const struct pnd_machine_check none = {.name = "none"};

    for (size_t i = 0; i < machine.count; i++)
        if (strcmp(machine.checks[i].name, name) == 0)
            return &machine.checks[i];
    return &none;
}

static bool says(const char *name, enum pnd_machine_result result, const char *part)
{
    const struct pnd_machine_check *found = named(name);
    bool right = found->result == result && strstr(found->text, part);

    if (!right)
        printf("# %s: %d, \"%s\"\n", found->name, found->result, found->text);
    return right;
}

/* Types what is to be typed, with the machine's files and with programs that only note their
 * names. @return what they noted */
static const char *type_it(const char *fix)
{
    static const char *const programs[] = {"update-grub", "grub-mkconfig", "kernel-install",
                                           "mkinitcpio",  "reboot",        "grubby"};
    static const char *const places[] = {"/etc/", "/boot/", "/proc/"};
    char script[8192], path[ROOT_PATH_CAP], note[ROOT_PATH_CAP + 64];
    size_t used;

    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        snprintf(path, sizeof(path), "/typed/%s", programs[i]);
        snprintf(note, sizeof(note), "#!/bin/sh\necho \"%s $*\" >> %s/typed/log\n", programs[i],
                 root);
        put(path, note);
    }
    put("/typed/log", "");
    used = (size_t)snprintf(script, sizeof(script), "set -e\nPATH=%s/typed:$PATH\n", root);
    for (const char *at = fix; *at;) {
        size_t i = 0;

        while (i < 3 && strncmp(at, places[i], strlen(places[i])) != 0)
            i++;
        if (i < 3)
            used += (size_t)snprintf(script + used, sizeof(script) - used, "%s", root);
        script[used++] = *at++;
        script[used] = '\0';
    }
    put("/typed/script", script);
    snprintf(path, sizeof(path), "sh %s/typed/script", root);
    CHECK_EQ(system(path), 0);
    return get("/typed/log");
}

static void debian_12_without_a_reservation_gets_a_file_for_grub(void)
{
    debian("BOOT_IMAGE=/boot/vmlinuz-" DEBIAN " root=/dev/vda1 ro quiet", "0\n");
    CHECK_EQ(check(DEBIAN), PND_E_NOTFOUND);
    CHECK(says("reservation", PND_MACHINE_FAILED, "not on the kernel's command line"));
    CHECK_STR(named("reservation")->fix,
              "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=88M\"' > "
              "/etc/default/grub.d/panicd.cfg\nupdate-grub\nreboot");
    CHECK(says("kernel config", PND_MACHINE_OK, "/boot/config-" DEBIAN));
    CHECK(says("lockdown", PND_MACHINE_OK, "not locked down"));
    CHECK(says("kexec", PND_MACHINE_OK, "lets"));
    CHECK(says("other crash kernel", PND_MACHINE_OK, "Nothing else"));
    put("/etc/default/grub.d/kdump-tools.cfg", "");
    CHECK(strstr(type_it(named("reservation")->fix), "update-grub"));
    CHECK_STR(get("/etc/default/grub.d/panicd.cfg"),
              "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=88M\"\n");
    root_end();
}

static void debian_12_with_enough_is_fine(void)
{
    debian("root=/dev/vda1 crashkernel=96M", "100663296\n");
    CHECK_EQ(check(DEBIAN), PND_OK);
    CHECK(says("reservation", PND_MACHINE_OK, "96 MiB are reserved"));
    CHECK_EQ(machine.reserved_bytes, 96 * MIB);
    CHECK_EQ(machine.needed_bytes, 88 * MIB);
    root_end();
}

static void too_small_a_reservation_is_a_warning_with_a_remedy(void)
{
    debian("crashkernel=64M root=/dev/vda1", "67108864\n");
    CHECK_EQ(check(DEBIAN), PND_OK);
    CHECK(says("reservation", PND_MACHINE_WARNING, "64 MiB are reserved"));
    CHECK(strstr(named("reservation")->fix, "crashkernel=88M"));
    root_end();
}

static void a_reservation_that_failed_is_told_from_none(void)
{
    debian("crashkernel=64M crashkernel=\"2G-:128M\\e[1m", "0\n");
    CHECK_EQ(check(DEBIAN), PND_E_NOTFOUND);
    CHECK(says("reservation", PND_MACHINE_FAILED, "and yet the kernel has reserved nothing"));
    CHECK(says("reservation", PND_MACHINE_FAILED, "=\\\"2G-:128M"));
    root_end();
}

static void what_is_needed_can_be_given(void)
{
    debian("crashkernel=96M", "100663296\n");
    machine = (struct pnd_machine){.root = root};
    CHECK_EQ(pnd_machine_check(&machine, DEBIAN, 200 * MIB), PND_OK);
    CHECK(says("reservation", PND_MACHINE_WARNING, "200 MiB are needed"));
    root_end();
}

static void ubuntu_22_04_of_a_cloud_keeps_its_settings_before_ours(void)
{
    root_begin();
    put_kernel("5.15.0-119-generic", "BOOT_IMAGE=/vmlinuz-5.15.0-119-generic root=PARTUUID=1 ro",
               "0\n");
    put_image("/boot/vmlinuz-5.15.0-119-generic", 72);
    put("/boot/config-5.15.0-119-generic", GOOD_CONFIG);
    put("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n");
    put("/etc/default/grub.d/50-cloudimg-settings.cfg",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"console=tty1 console=ttyS0\"\n");
    put("/usr/sbin/update-grub", "");
    put("/boot/efi/EFI/ubuntu/grub.cfg", "");
    put_bytes(EFIVARS "SecureBoot" EFI_GUID, "\6\0\0\0\1", 5);
    put_bytes(EFIVARS "SetupMode" EFI_GUID, "\6\0\0\0\0", 5);
    put("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    CHECK_EQ(check("5.15.0-119-generic"), PND_E_NOTFOUND);
    CHECK(says("secure boot", PND_MACHINE_OK, "on"));
    CHECK(says("lockdown", PND_MACHINE_WARNING, "(integrity), by secure boot"));
    CHECK(strstr(named("lockdown")->fix, "mokutil"));
    type_it(named("reservation")->fix);
    put("/typed/source", "for f in $0/etc/default/grub $0/etc/default/grub.d/*.cfg; do . $f; done\n"
                         "echo $GRUB_CMDLINE_LINUX_DEFAULT > $0/typed/line\n");
    char command[ROOT_PATH_CAP];
    snprintf(command, sizeof(command), "sh -c \"$(cat %s/typed/source)\" %s", root, root);
    CHECK_EQ(system(command), 0);
    CHECK_STR(get("/typed/line"), "console=tty1 console=ttyS0 crashkernel=96M\n");
    root_end();
}

static void fedora_is_told_to_use_grubby(void)
{
    root_begin();
    put_kernel("6.8.9-300.fc40.x86_64", "BOOT_IMAGE=(hd0,gpt2)/vmlinuz-6.8.9-300.fc40.x86_64 ro",
               "0\n");
    put_image("/lib/modules/6.8.9-300.fc40.x86_64/vmlinuz", 80);
    put("/lib/modules/6.8.9-300.fc40.x86_64/config", GOOD_CONFIG);
    put("/usr/sbin/grubby", "");
    put("/etc/default/grub", "GRUB_ENABLE_BLSCFG=true\n");
    put("/boot/grub2/grub.cfg", "");
    put("/boot/loader/entries/5f1e-6.8.9-300.fc40.x86_64.conf", "title Fedora\noptions root=1\n");
    put("/etc/systemd/system/multi-user.target.wants/kdump.service", "");
    CHECK_EQ(check("6.8.9-300.fc40.x86_64"), PND_E_NOTFOUND);
    CHECK_STR(named("reservation")->fix,
              "grubby --update-kernel=ALL --args=crashkernel=104M\nreboot");
    CHECK(says("other crash kernel", PND_MACHINE_WARNING, "kdump is set up here too"));
    CHECK(strstr(named("other crash kernel")->fix, "systemctl disable --now kdump\n"));
    CHECK(says("kernel config", PND_MACHINE_OK, "/lib/modules/"));
    put("/run/ostree-booted", "");
    check("6.8.9-300.fc40.x86_64");
    CHECK_STR(named("reservation")->fix, "rpm-ostree kargs --append=crashkernel=104M\nreboot");
    root_end();
}

static void arch(void)
{
    char path[ROOT_PATH_CAP];
    gzFile file;

    root_begin();
    put_kernel("6.9.1-arch1-1", "initrd=\\initramfs-linux.img root=UUID=1 rw", "0\n");
    put_image("/usr/lib/modules/6.9.1-arch1-1/vmlinuz", 64);
    put_image("/lib/modules/6.9.1-arch1-1/vmlinuz", 64);
    put("/proc/config.gz", "");
    snprintf(path, sizeof(path), "%s/proc/config.gz", root);
    file = gzopen(path, "wb");
    gzputs(file, GOOD_CONFIG);
    gzclose(file);
    put("/usr/bin/kernel-install", "");
}

static void arch_with_systemd_boot_has_its_own_entry_edited(void)
{
    arch();
    put("/boot/loader/loader.conf", "timeout 3\ndefault  arch.conf\n");
    put("/boot/loader/entries/arch-fallback.conf", "title Arch\noptions root=UUID=1 rw\n");
    put("/boot/loader/entries/arch.conf",
        "title Arch\nlinux /vmlinuz-linux\noptions root=UUID=1 rw\n");
    CHECK_EQ(check("6.9.1-arch1-1"), PND_E_NOTFOUND);
    CHECK(says("kernel config", PND_MACHINE_OK, "/proc/config.gz"));
    CHECK_STR(named("reservation")->fix,
              "sed -i '/^options/ s/$/ crashkernel=88M/' /boot/loader/entries/arch.conf\nreboot");
    CHECK_STR(type_it(named("reservation")->fix), "reboot \n");
    CHECK_STR(get("/boot/loader/entries/arch.conf"),
              "title Arch\nlinux /vmlinuz-linux\noptions root=UUID=1 rw crashkernel=88M\n");
    root_end();
}

static void arch_with_unified_images_builds_them_anew(void)
{
    arch();
    put("/etc/mkinitcpio.d/linux.preset", "");
    put("/etc/kernel/cmdline", "root=UUID=1 rw\n");
    put("/efi/EFI/Linux/arch-linux.efi", "");
    CHECK_EQ(check("6.9.1-arch1-1"), PND_E_NOTFOUND);
    CHECK_STR(type_it(named("reservation")->fix), "mkinitcpio -P\nreboot \n");
    CHECK_STR(get("/etc/kernel/cmdline"), "root=UUID=1 rw crashkernel=88M\n");
    root_end();
}

static void systemd_boot_by_kernel_install_gets_a_new_entry(void)
{
    root_begin();
    put_kernel(DEBIAN, "initrd=\\1f0e\\initrd.img root=/dev/vda1 rw", "0\n");
    put_image("/boot/vmlinuz-" DEBIAN, 64);
    put("/usr/bin/kernel-install", "");
    put("/boot/efi/loader/entries/1f0e2d-" DEBIAN ".conf", "title Debian\noptions root=1\n");
    CHECK_EQ(check(DEBIAN), PND_E_NOTFOUND);
    CHECK(strstr(type_it(named("reservation")->fix), "kernel-install add " DEBIAN " /lib/"));
    CHECK_STR(get("/etc/kernel/cmdline"), "root=/dev/vda1 rw crashkernel=88M\n");
    root_end();
}

static void a_plain_buildroot_is_told_the_word(void)
{
    root_begin();
    put_kernel("6.6.30", "console=ttyS0 root=/dev/mmcblk0p2", "0\n");
    put("/boot/bzImage", "");
    CHECK_EQ(check("6.6.30"), PND_E_NOTFOUND);
    CHECK(says("kernel config", PND_MACHINE_WARNING, "is not known"));
    CHECK(says("reservation", PND_MACHINE_FAILED, "no kernel image"));
    machine = (struct pnd_machine){.root = root};
    CHECK_EQ(pnd_machine_check(&machine, "6.6.30", 81 * MIB), PND_E_NOTFOUND);
    CHECK(strncmp(named("reservation")->fix, "add crashkernel=88M to the command line", 39) == 0);
    root_end();
}

static void other_boot_loaders_are_known(void)
{
    root_begin();
    put_kernel("6.6.30", "root=/dev/mmcblk0p2", "0\n");
    put("/boot/firmware/cmdline.txt", "console=tty1 root=/dev/mmcblk0p2\n");
    machine = (struct pnd_machine){.root = root};
    pnd_machine_check(&machine, "6.6.30", 88 * MIB);
    type_it(named("reservation")->fix);
    CHECK_STR(get("/boot/firmware/cmdline.txt"),
              "console=tty1 root=/dev/mmcblk0p2 crashkernel=88M\n");
    put("/boot/extlinux/extlinux.conf", "label a\n  KERNEL /k\n  APPEND root=1\n");
    pnd_machine_check(&machine, "6.6.30", 88 * MIB);
    type_it(named("reservation")->fix);
    CHECK_STR(get("/boot/extlinux/extlinux.conf"),
              "label a\n  KERNEL /k\n  APPEND root=1 crashkernel=88M\n");
    put("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    put("/boot/grub/grub.cfg", "");
    pnd_machine_check(&machine, "6.6.30", 88 * MIB);
    CHECK(strstr(type_it(named("reservation")->fix), "grub-mkconfig -o "));
    root_end();
}

static void a_kernel_without_kexec_or_vmcore_fails(void)
{
    debian("crashkernel=96M", "100663296\n");
    put("/boot/config-" DEBIAN, "CONFIG_KEXEC_SIG=y\n# CONFIG_KEXEC is not set\nCONFIG_NET=y\n"
                                "CONFIG_INET=y\nCONFIG_CRASH_DUMP=y\nCONFIG_BLK_DEV_INITRD=y\n");
    CHECK_EQ(check(DEBIAN), PND_E_NOTFOUND);
    CHECK(says("kernel config", PND_MACHINE_FAILED, "CONFIG_KEXEC_FILE (no crash kernel"));
    CHECK(says("kernel config", PND_MACHINE_FAILED, "CONFIG_PROC_VMCORE"));
    CHECK(!strstr(named("kernel config")->text, "CONFIG_INET"));
    put("/boot/config-" DEBIAN,
        "CONFIG_KEXEC=y\nCONFIG_CRASH_DUMP=y\nCONFIG_PROC_VMCORE=y\nCONFIG_BLK_DEV_INITRD=y\n"
        "CONFIG_NET=y\nCONFIG_INET=y\n");
    CHECK_EQ(check(DEBIAN), PND_OK);
    CHECK(says("kernel config", PND_MACHINE_WARNING, "packet sockets"));
    root_end();
}

static void kexec_that_is_switched_off_names_the_file(void)
{
    debian("crashkernel=96M", "100663296\n");
    put("/proc/sys/kernel/kexec_load_disabled", "1\n");
    CHECK_EQ(check(DEBIAN), PND_E_NOTFOUND);
    CHECK(says("kexec", PND_MACHINE_FAILED, "kexec_load_disabled is 1"));
    put("/etc/sysctl.d/99-hardening.conf", "# hard\nkernel.kptr_restrict = 2\n"
                                           "kernel.kexec_load_disabled = 1\n");
    put("/usr/lib/sysctl.d/10-other.conf", "kernel.kexec_load_disabled_not = 1\n");
    check(DEBIAN);
    CHECK(strstr(named("kexec")->fix, "from /etc/sysctl.d/99-hardening.conf"));
    root_end();
}

static void kdump_tools_that_is_in_use_is_seen(void)
{
    debian("crashkernel=96M", "100663296\n");
    put("/usr/sbin/kdump-config", "");
    put("/etc/default/kdump-tools", "# USE_KDUMP - controls\nUSE_KDUMP=1\n");
    CHECK_EQ(check(DEBIAN), PND_OK);
    CHECK(says("other crash kernel", PND_MACHINE_OK, "Nothing else"));
    put("/etc/systemd/system/basic.target.wants/kdump-tools.service", "");
    check(DEBIAN);
    CHECK(says("other crash kernel", PND_MACHINE_WARNING, "kdump-tools is set up"));
    put("/etc/default/kdump-tools", "USE_KDUMP=1\nUSE_KDUMP=\"0\"\n");
    check(DEBIAN);
    CHECK(says("other crash kernel", PND_MACHINE_OK, "Nothing else"));
    put("/sys/kernel/kexec_crash_loaded", "1\n");
    check(DEBIAN);
    CHECK(says("other crash kernel", PND_MACHINE_WARNING, "did not load"));
    put("/run/panicd/armed.json", "{\"version\": 1, \"boot_id\": \"\"}");
    check(DEBIAN);
    CHECK(says("other crash kernel", PND_MACHINE_OK, "Nothing else"));
    root_end();
}

static void what_does_not_panic_is_said(void)
{
    debian("crashkernel=96M", "100663296\n");
    put("/proc/sys/kernel/panic_on_oops", "0\n");
    put("/sys/module/kernel/parameters/crash_kexec_post_notifiers", "Y\n");
    CHECK_EQ(check(DEBIAN), PND_OK);
    CHECK(says("oops", PND_MACHINE_WARNING, "no dump of it"));
    CHECK(strstr(named("oops")->fix, "kernel.panic_on_oops=1"));
    CHECK(says("NMI", PND_MACHINE_OK, "with --on-nmi it will"));
    CHECK(says("notifiers", PND_MACHINE_WARNING, "crash_kexec_post_notifiers"));
    put("/proc/sys/kernel/unknown_nmi_panic", "1\n");
    check(DEBIAN);
    CHECK(says("NMI", PND_MACHINE_OK, "panics this kernel."));
    root_end();
}

static void a_machine_of_nothing_at_all_is_judged_too(void)
{
    root_begin();
    CHECK_EQ(check("1.0"), PND_E_NOTFOUND);
    CHECK(says("reservation", PND_MACHINE_FAILED, "knows no crash kernel"));
    CHECK(machine.count < PND_MACHINE_CHECKS_MAX);
    root_end();
}

static uint64_t needed(uint64_t image_kib, uint64_t initramfs_kib, const char *driver)
{
    return pnd_machine_needed(&(struct pnd_machine_load){
        .image_bytes = image_kib << 10, .initramfs_bytes = initramfs_kib << 10, .driver = driver});
}

static void what_is_needed_holds_where_it_was_measured(void)
{
    static const struct {
        uint32_t image_kib, initramfs_kib;
        const char *driver;
        unsigned arrives_mib, fails_mib;
    } rows[] = {{52704, 1500, "virtio_net", 68, 64},
                {65120, 1500, "virtio_net", 80, 76},
                {65120, 1400, "e1000", 80, 76},
                {65120, 1800, "e1000e", 80, 76}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = needed(rows[i].image_kib, rows[i].initramfs_kib, rows[i].driver);

        CHECK_EQ(bytes % MIB, 0);
        CHECK(bytes > rows[i].fails_mib * MIB);
        CHECK(bytes >= rows[i].arrives_mib * MIB);
        CHECK(bytes <= (rows[i].arrives_mib + 5) * MIB);
    }
    CHECK(needed(52704, 1550, "virtio_net") <= 72 * MIB);
    CHECK(needed(65536, 1024, "mlx5_core") > needed(65536, 1024, "e1000e"));
}

static void a_filter_on_a_large_machine_needs_memory_too(void)
{
    struct pnd_machine_load load = {.image_bytes = 64 * MIB, .initramfs_bytes = MIB};
    uint64_t everything = pnd_machine_needed(&load);

    load.dump_bytes = 64 * MIB;
    CHECK_EQ(pnd_machine_needed(&load), everything + 64 * MIB);
}

static void the_memory_of_an_image_is_read_from_its_header(void)
{
    uint8_t image[4096] = {0};
    char path[ROOT_PATH_CAP];
    uint64_t bytes = 0;
    struct pnd_why why = {""};

    root_begin();
    snprintf(path, sizeof(path), "%s/image", root);
    put_image("/image", 52);
    CHECK_EQ(pnd_machine_image_memory(path, &bytes, &why), PND_OK);
    CHECK_EQ(bytes, 52 * MIB);
    memcpy(image + 56, "ARM\x64", 4);
    image[18] = 0x40; /* 64 << 16 */
    put_bytes("/image", image, sizeof(image));
    CHECK_EQ(pnd_machine_image_memory(path, &bytes, &why), PND_OK);
    CHECK_EQ(bytes, 4 * MIB);
    image[23] = 0xff; /* nonsense: the file's size counts */
    put_bytes("/image", image, sizeof(image));
    CHECK_EQ(pnd_machine_image_memory(path, &bytes, &why), PND_OK);
    CHECK_EQ(bytes, 8 * sizeof(image));
    put_bytes("/image", image, 100);
    CHECK_EQ(pnd_machine_image_memory(path, &bytes, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "too short"));
    CHECK_EQ(pnd_machine_image_memory("/nowhere", &bytes, &why), PND_E_SYS);
    root_end();
}

int main(void)
{
    RUN(debian_12_without_a_reservation_gets_a_file_for_grub);
    RUN(debian_12_with_enough_is_fine);
    RUN(too_small_a_reservation_is_a_warning_with_a_remedy);
    RUN(a_reservation_that_failed_is_told_from_none);
    RUN(what_is_needed_can_be_given);
    RUN(ubuntu_22_04_of_a_cloud_keeps_its_settings_before_ours);
    RUN(fedora_is_told_to_use_grubby);
    RUN(arch_with_systemd_boot_has_its_own_entry_edited);
    RUN(arch_with_unified_images_builds_them_anew);
    RUN(systemd_boot_by_kernel_install_gets_a_new_entry);
    RUN(a_plain_buildroot_is_told_the_word);
    RUN(other_boot_loaders_are_known);
    RUN(a_kernel_without_kexec_or_vmcore_fails);
    RUN(kexec_that_is_switched_off_names_the_file);
    RUN(kdump_tools_that_is_in_use_is_seen);
    RUN(what_does_not_panic_is_said);
    RUN(a_machine_of_nothing_at_all_is_judged_too);
    RUN(what_is_needed_holds_where_it_was_measured);
    RUN(a_filter_on_a_large_machine_needs_memory_too);
    RUN(the_memory_of_an_image_is_read_from_its_header);
    return tap_done();
}
