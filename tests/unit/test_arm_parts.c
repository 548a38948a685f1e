/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is armed, in parts: the image of the kernel, its command line, how it is loaded, what an NMI
 * does, and the record of it all, on machines made of files. */
#include <errno.h>
#include <linux/kexec.h>
#include <stdint.h>

#include "arm/cmdline.h"
#include "arm/kernel.h"
#include "arm/nmi.h"
#include "arm/state.h"

#include "module_tree.h"

static struct pnd_why why;

/* ---- the image */

/* A bzImage as far as anybody looks; "" names no release. */
static void put_image(const char *path, const char *release)
{
    static uint8_t image[0x600];

    memset(image, 0, sizeof(image));
    memcpy(image + 0x202, "HdrS", 4);
    image[0x20e] = release[0] ? 0x80 : 0;
    image[0x20f] = release[0] ? 0x01 : 0;
    snprintf((char *)image + 0x380, 0x200, "%s (builder@host) #1 SMP", release);
    tree_put(path, image, sizeof(image));
}

static const char *found(const char *release)
{
    static struct pnd_kernel kernel;

    if (pnd_kernel_find(tmp_path, release, &kernel, &why))
        return "";
    CHECK_STR(kernel.release, release);
    CHECK_EQ(kernel.bytes, 0x600);
    return kernel.path + strlen(tmp_path);
}

static void the_image_is_found_where_each_distribution_keeps_it(void)
{
    static const struct {
        const char *path, *release;
    } places[] = {
        {"boot/vmlinuz-6.1.0-1-amd64", "6.1.0-1-amd64"},
        {"lib/modules/6.8.5-fc40/vmlinuz", "6.8.5-fc40"},
        {"boot/0123456789abcdef/6.8.6-fc40/linux", "6.8.6-fc40"},
        {"efi/0123456789abcdef/6.8.7-fc40/linux", "6.8.7-fc40"},
        {"boot/6.9.1/vmlinuz", "6.9.1"},
        {"boot/kernel-6.6.30-gentoo", "6.6.30-gentoo"},
        {"boot/vmlinuz-linux", "6.9.2-arch1-1"},
        {"boot/bzImage", "6.1.99-buildroot"},
    };

    tmp_make();
    tree_text("etc/machine-id", "0123456789abcdef\n");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        put_image(places[i].path, places[i].release);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        CHECK_STR(found(places[i].release), tmp_file(places[i].path) + strlen(tmp_path));
    tmp_remove();
}

static void an_image_of_another_release_is_passed_by(void)
{
    tmp_make();
    put_image("boot/vmlinuz-6.1.0", "6.1.1");
    CHECK_STR(found("6.1.0"), "");
    CHECK(strstr(why.text, "/boot/vmlinuz-6.1.0"));
    put_image("lib/modules/6.1.0/vmlinuz", "6.1.0");
    CHECK_STR(found("6.1.0"), "/lib/modules/6.1.0/vmlinuz");
    tmp_remove();
}

static void an_image_that_says_nothing_counts_by_its_name_only(void)
{
    tmp_make();
    put_image("boot/vmlinuz", "");
    CHECK_STR(found("6.1.0"), "");
    put_image("boot/vmlinuz-6.1.0", "");
    CHECK_STR(found("6.1.0"), "/boot/vmlinuz-6.1.0");
    tree_text("boot/vmlinuz-6.1.0", "");
    CHECK_STR(found("6.1.0"), "");
    tmp_remove();
}

static void a_boot_entry_leads_to_its_image_whatever_it_is_called(void)
{
    tmp_make();
    tree_text("boot/loader/entries/a.conf", "title Another\nversion 6.1.0-1\nlinux /a/linux\n");
    tree_text("boot/loader/entries/b.conf", "title\tMine\nversion  6.1.0-2\r\nlinux\t/b/linux\r\n");
    tree_text("efi/loader/entries/c.conf", "# version 6.1.0-9\nlinux token/6.1.0-3/linux\n");
    tree_text("efi/loader/entries/d.conf", "linux\n");
    tree_text("efi/loader/entries/e.conf", "");
    put_image("boot/a/linux", "6.1.0-1");
    put_image("boot/b/linux", "");
    put_image("efi/token/6.1.0-3/linux", "6.1.0-3");
    CHECK_STR(found("6.1.0-1"), "/boot/a/linux");
    CHECK_STR(found("6.1.0-2"), "/boot/b/linux");
    CHECK_STR(found("6.1.0-3"), "/efi/token/6.1.0-3/linux");
    CHECK_STR(found("6.1.0-9"), "");
    put_image("boot/a/linux", "6.1.0-7"); /* it says that it is another one */
    CHECK_STR(found("6.1.0-1"), "");
    tmp_remove();
}

static void a_unified_image_is_told_how_to_be_taken_apart(void)
{
    static uint8_t image[4096];
    struct pnd_kernel kernel;

    tmp_make();
    memcpy(image, "MZ", 2);
    memcpy(image + 0x178, ".osrel\0\0", 8);
    memcpy(image + 0x1c8, ".linux\0\0", 8);
    tree_put("efi/EFI/Linux/arch.efi", image, sizeof(image));
    CHECK_EQ(pnd_kernel_take(tmp_file("efi/EFI/Linux/arch.efi"), "6.9.2", &kernel, &why),
             PND_E_TYPE);
    CHECK(strstr(why.text, "objcopy -O binary -j .linux "));
    CHECK(strstr(why.text, " /lib/modules/6.9.2/vmlinuz"));
    tmp_remove();
}

/* kexec would load it, and the machine would count as armed. */
static void an_image_that_is_cut_is_refused_at_each_length(void)
{
    static uint8_t image[0x2000];
    struct pnd_kernel kernel;

    tmp_make();
    memcpy(image + 0x202, "HdrS", 4);
    image[0x207] = 2; /* version 2.15 */
    image[0x206] = 15;
    image[0x1f1] = 3;                           /* setup: 4 sectors, 0x800 bytes */
    image[0x1f4] = (0x2000 - 0x800) / 16 & 255; /* and the rest */
    image[0x1f5] = (0x2000 - 0x800) / 16 >> 8;
    for (size_t len = 0x210; len < sizeof(image); len += 0x77) {
        tree_put("boot/vmlinuz-6.1.0", image, len);
        CHECK_EQ(pnd_kernel_find(tmp_path, "6.1.0", &kernel, &why), PND_E_NOTFOUND);
        CHECK(strstr(why.text, "is cut: ") != NULL);
    }
    tree_put("boot/vmlinuz-6.1.0", image, sizeof(image));
    CHECK_EQ(pnd_kernel_find(tmp_path, "6.1.0", &kernel, &why), PND_OK);
    tree_put("boot/vmlinuz-6.1.0", image, sizeof(image) - 1);
    CHECK_EQ(pnd_kernel_find(tmp_path, "6.1.0", &kernel, &why), PND_E_NOTFOUND);
    tmp_remove();
}

static void every_truncation_of_a_header_is_survived(void)
{
    static uint8_t image[0x600];
    char release[PND_KERNEL_RELEASE_CAP];

    memcpy(image + 0x202, "HdrS", 4);
    image[0x20f] = 0x03; /* behind the header, and behind a short file */
    memset(image + 0x500, 'a', 0x100);
    for (size_t len = 0; len <= sizeof(image); len++) {
        uint8_t *cut = malloc(len ? len : 1);

        memcpy(cut, image, len);
        pnd_kernel_image_release(cut, len, release);
        CHECK(strlen(release) < sizeof(release));
        CHECK(len > 0x500 || !release[0]);
        free(cut);
    }
}

/* ---- loading */

static int file_errno, tool_status, tool_runs;
static unsigned long file_flags;
static char tool_line[8192];

static long fake_file_load(int kernel, int initramfs, const char *cmdline, unsigned long flags)
{
    CHECK(kernel >= 0 && initramfs >= 0 && strcmp(cmdline, "a b") == 0);
    file_flags = flags;
    errno = file_errno;
    return file_errno ? -1 : 0;
}

static int fake_kexec(const char *const argv[], char *said, size_t cap)
{
    tool_runs++;
    tool_line[0] = '\0';
    for (size_t i = 1; argv[i]; i++)
        snprintf(tool_line + strlen(tool_line), sizeof(tool_line) - strlen(tool_line), "%s|",
                 argv[i]);
    snprintf(said, cap, "Cannot open /proc/iomem");
    return tool_status;
}

static int load(int with_errno, int with_status, char loader[PND_KERNEL_LOADER_CAP])
{
    static const struct pnd_kernel_calls calls = {fake_file_load, fake_kexec, NULL};
    struct pnd_kernel kernel;
    int fd, err;

    tmp_make();
    put_image("boot/vmlinuz-1", "1");
    CHECK_EQ(pnd_kernel_find(tmp_path, "1", &kernel, &why), PND_OK);
    fd = open(kernel.path, O_RDONLY);
    file_errno = with_errno;
    tool_status = with_status;
    tool_runs = 0;
    err = pnd_kernel_load(&kernel, fd, "a b", &calls, loader, &why);
    close(fd);
    tmp_remove();
    return err;
}

static void the_kernel_loads_it_for_the_case_of_a_panic(void)
{
    char loader[PND_KERNEL_LOADER_CAP] = "";

    CHECK_EQ(load(0, 0, loader), PND_OK);
    CHECK_STR(loader, "kexec_file_load");
    CHECK_EQ(file_flags, KEXEC_FILE_ON_CRASH);
    CHECK_EQ(tool_runs, 0);
}

static void kexec_tools_is_asked_where_another_call_may_help(void)
{
    static const int errnos[] = {ENOSYS, ENOEXEC, EKEYREJECTED, ENODATA, EBADMSG, ENOPKG};

    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        char loader[PND_KERNEL_LOADER_CAP] = "";

        CHECK_EQ(load(errnos[i], 0, loader), PND_OK);
        CHECK_STR(loader, "kexec-tools");
        CHECK_EQ(tool_runs, 1);
        CHECK(strncmp(tool_line, "-c|-p|--initrd=/proc/", 21) == 0);
        CHECK(strstr(tool_line, "|--command-line=a b|") != NULL);
        CHECK(strstr(tool_line, "/boot/vmlinuz-1|") != NULL);
    }
}

static void both_reasons_are_said_when_neither_works(void)
{
    char loader[PND_KERNEL_LOADER_CAP] = "";

    CHECK_EQ(load(EKEYREJECTED, 1, loader), PND_E_SYS);
    CHECK_STR(loader, "");
    CHECK(strstr(why.text, "signature") && strstr(why.text, "Cannot open /proc/iomem"));
    CHECK_EQ(load(ENOSYS, -1, loader), PND_E_SYS);
    CHECK(strstr(why.text, "CONFIG_KEXEC_FILE") && strstr(why.text, "install the package"));
}

static void other_errors_are_final_and_in_words(void)
{
    static const struct {
        int errnum;
        const char *word;
    } rows[] = {
        {EADDRNOTAVAIL, "crashkernel="}, {EPERM, "locked down"}, {EBUSY, "try again"},
        {ENOMEM, "crashkernel="},        {EACCES, "policy"},     {ETXTBSY, "open for writing"},
        {EINVAL, "command line"},        {EIO, "Input/output"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char loader[PND_KERNEL_LOADER_CAP] = "";

        CHECK_EQ(load(rows[i].errnum, 0, loader), PND_E_SYS);
        CHECK_EQ(tool_runs, 0);
        CHECK(strstr(why.text, rows[i].word) != NULL);
    }
}

/* ---- the command line */

static const char *line(const char *running, const char *append)
{
    static char text[PND_CMDLINE_CAP];

    text[0] = '\0';
    CHECK_EQ(pnd_cmdline_crash(running, append, text, &why), PND_OK);
    return text;
}

static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || at[-1] == ' ') && (!at[len] || at[len] == ' '))
            return true;
    return false;
}

static void what_the_machine_needs_to_start_is_kept(void)
{
    const char *text =
        line("BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet console=tty0 "
             "console=ttyS1,115200n8 pci=nomsi intel_iommu=on earlycon=uart,io,0x3f8 "
             "e1000e.IntMode=1 foo=\"a b\"",
             "");

    CHECK(strncmp(text,
                  "console=tty0 console=ttyS1,115200n8 pci=nomsi intel_iommu=on "
                  "earlycon=uart,io,0x3f8 e1000e.IntMode=1 foo=\"a b\" nr_cpus=1 ",
                  40) == 0);
    CHECK(has_word(text, "foo=\"a b\""));
    CHECK(!has_word(text, "ro") && !has_word(text, "quiet") && !strstr(text, "root="));
}

static void what_takes_memory_or_is_meant_for_others_is_dropped(void)
{
    const char *text = line("crashkernel=256M crashkernel=72M,low hugepages=512 nr_cpus=8 panic=30 "
                            "systemd.unit=rescue.target rd.luks.uuid=1 isolcpus=2 log_buf_len=16M "
                            "debug panicd_after=wait kdp_match_name=en7 _panicd_ip=1.2.3.4 nokaslr "
                            "mem=4G init=/bin/sh ip=dhcp -- single",
                            "");

    CHECK(strncmp(text, "nr_cpus=1 reset_devices ", 24) == 0);
    CHECK(!strstr(text, "single") && !strstr(text, "--"));
}

static void words_that_only_begin_like_dropped_ones_stay(void)
{
    const char *text = line("rotate=1 debug_boot_weak_hash rwlock ro_after debugpat", "");

    CHECK(has_word(text, "rotate=1") && has_word(text, "rwlock") && has_word(text, "ro_after"));
    CHECK(has_word(text, "debugpat") && has_word(text, "debug_boot_weak_hash"));
}

static void each_word_that_is_added_stands_there_once_with_its_reason(void)
{
    const char *text = line("reset_devices irqpoll nr_cpus=4", "mce=off");
    const struct pnd_cmdline_word *word;

    for (size_t i = 0; (word = pnd_cmdline_added(i)); i++) {
        CHECK(has_word(text, word->word));
        CHECK(!strstr(strstr(text, word->word) + 1, word->word));
        CHECK(strlen(word->reason) > 10);
    }
    CHECK(strcmp(text + strlen(text) - 8, " mce=off") == 0);
}

static void a_line_that_would_be_cut_is_refused(void)
{
    static char running[4000];
    char text[PND_CMDLINE_CAP] = "as it was";

    memset(running, 'x', sizeof(running) - 1);
    CHECK_EQ(pnd_cmdline_crash(running, "", text, &why), PND_E_RANGE);
    CHECK_STR(text, "as it was");
    for (size_t len = 1500; len < PND_CMDLINE_CAP + 10; len++) {
        running[len] = '\0';
        text[0] = '\0';
        if (pnd_cmdline_crash(running, "end", text, &why) == PND_OK)
            CHECK(strlen(text) < PND_CMDLINE_CAP && has_word(text, "end"));
        running[len] = 'x';
    }
}

/* ---- an NMI */

static void put_nmi(int unknown, int unrecovered)
{
    char text[16];

    snprintf(text, sizeof(text), "%d\n", unknown);
    tree_text("proc/sys/kernel/unknown_nmi_panic", text);
    snprintf(text, sizeof(text), "%d\n", unrecovered);
    tree_text("proc/sys/kernel/panic_on_unrecovered_nmi", text);
}

static void an_nmi_panics_and_later_does_what_it_did_before(void)
{
    struct pnd_nmi before, now;

    tmp_make();
    put_nmi(0, 1);
    pnd_nmi_read(tmp_path, &before);
    CHECK(before.value[0] == 0 && before.value[1] == 1 && before.value[2] == PND_NMI_ABSENT);
    CHECK_EQ(pnd_nmi_panic(tmp_path, &why), PND_OK);
    pnd_nmi_read(tmp_path, &now);
    CHECK(now.value[0] == 1 && now.value[1] == 1 && now.value[2] == PND_NMI_ABSENT);
    CHECK_EQ(pnd_nmi_restore(tmp_path, &before, &why), PND_OK);
    pnd_nmi_read(tmp_path, &now);
    CHECK(memcmp(&now, &before, sizeof(now)) == 0);
    tmp_remove();
}

static void a_kernel_without_these_settings_is_said(void)
{
    tmp_make();
    CHECK_EQ(pnd_nmi_panic(tmp_path, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "--on-nmi"));
    tmp_remove();
}

/* ---- the record */

static void what_is_armed_is_read_as_it_was_written(void)
{
    static struct pnd_state state, back;

    tmp_make();
    CHECK_EQ(pnd_state_read(tmp_path, &back, &why), PND_E_NOTFOUND);
    strcpy(state.release, "6.1.0-1-amd64");
    strcpy(state.kernel, "/boot/vmlinuz-6.1.0-1-amd64");
    strcpy(state.loader, "kexec_file_load");
    strcpy(state.options, "_panicd_ip=10.0.40.2 panicd_after=reboot");
    strcpy(state.interface, "bond0");
    strcpy(state.port, "eth1");
    strcpy(state.driver, "e1000e");
    state.since_ms = INT64_C(1795381129349);
    state.kernel_bytes = UINT64_C(1) << 40;
    state.initramfs_bytes = 1464136;
    state.reserved_bytes = 100663296;
    state.needed_bytes = 76546048;
    state.module_count = 8;
    state.on_nmi = true;
    state.nmi_before = (struct pnd_nmi){{0, 1, PND_NMI_ABSENT}};
    CHECK_EQ(pnd_state_write(tmp_path, &state, &why), PND_OK);
    CHECK_EQ(pnd_state_read(tmp_path, &back, &why), PND_OK);
    CHECK_STR(back.release, state.release);
    CHECK_STR(back.kernel, state.kernel);
    CHECK_STR(back.loader, state.loader);
    CHECK_STR(back.options, state.options);
    CHECK_STR(back.interface, state.interface);
    CHECK_STR(back.port, state.port);
    CHECK_STR(back.driver, state.driver);
    CHECK_EQ(back.since_ms, state.since_ms);
    CHECK_EQ(back.kernel_bytes, state.kernel_bytes);
    CHECK_EQ(back.initramfs_bytes, state.initramfs_bytes);
    CHECK_EQ(back.reserved_bytes, state.reserved_bytes);
    CHECK_EQ(back.needed_bytes, state.needed_bytes);
    CHECK_EQ(back.module_count, state.module_count);
    CHECK(back.on_nmi && memcmp(&back.nmi_before, &state.nmi_before, sizeof(struct pnd_nmi)) == 0);
    state.on_nmi = false;
    CHECK_EQ(pnd_state_write(tmp_path, &state, &why), PND_OK); /* in place of the first */
    CHECK_EQ(pnd_state_read(tmp_path, &back, &why), PND_OK);
    CHECK(!back.on_nmi && back.nmi_before.value[0] == PND_NMI_ABSENT);
    CHECK(!tmp_exists("run/panicd/armed.json.new"));
    CHECK_EQ(pnd_state_remove(tmp_path, &why), PND_OK);
    CHECK_EQ(pnd_state_remove(tmp_path, &why), PND_OK);
    CHECK_EQ(pnd_state_read(tmp_path, &back, &why), PND_E_NOTFOUND);
    tmp_remove();
}

static void a_record_that_is_none_is_refused_by_name(void)
{
    static const char *const bad[] = {
        "", "{", "[]", "{\"version\": 2}", "{\"version\": \"1\"}", "{\"version\": 1} x",
    };
    static struct pnd_state state;

    tmp_make();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tree_text("run/panicd/armed.json", bad[i]);
        CHECK_EQ(pnd_state_read(tmp_path, &state, &why), PND_E_FORMAT);
        CHECK(strstr(why.text, "armed.json"));
    }
    tree_text("run/panicd/armed.json",
              "{\"version\": 1, \"release\": 7, \"kernel_bytes\": -1, \"nmi_before\": 3}");
    CHECK_EQ(pnd_state_read(tmp_path, &state, &why), PND_OK);
    CHECK(!state.release[0] && state.kernel_bytes == 0);
    tmp_remove();
}

static void every_truncation_of_a_record_is_refused(void)
{
    static struct pnd_state state = {.release = "6.1.0-1-amd64"};
    static char text[PND_STATE_BYTES_MAX];
    size_t len;
    FILE *file;

    tmp_make();
    CHECK_EQ(pnd_state_write(tmp_path, &state, &why), PND_OK);
    file = fopen(tmp_file("run/panicd/armed.json"), "r");
    len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    CHECK(file && fclose(file) == 0 && len > 2 && text[len - 1] == '}');
    while (len-- > 0) {
        text[len] = '\0';
        tree_text("run/panicd/armed.json", text);
        CHECK_EQ(pnd_state_read(tmp_path, &state, &why), PND_E_FORMAT);
    }
    tmp_remove();
}

int main(void)
{
    RUN(the_image_is_found_where_each_distribution_keeps_it);
    RUN(an_image_of_another_release_is_passed_by);
    RUN(an_image_that_says_nothing_counts_by_its_name_only);
    RUN(a_boot_entry_leads_to_its_image_whatever_it_is_called);
    RUN(a_unified_image_is_told_how_to_be_taken_apart);
    RUN(an_image_that_is_cut_is_refused_at_each_length);
    RUN(every_truncation_of_a_header_is_survived);
    RUN(the_kernel_loads_it_for_the_case_of_a_panic);
    RUN(kexec_tools_is_asked_where_another_call_may_help);
    RUN(both_reasons_are_said_when_neither_works);
    RUN(other_errors_are_final_and_in_words);
    RUN(what_the_machine_needs_to_start_is_kept);
    RUN(what_takes_memory_or_is_meant_for_others_is_dropped);
    RUN(words_that_only_begin_like_dropped_ones_stay);
    RUN(each_word_that_is_added_stands_there_once_with_its_reason);
    RUN(a_line_that_would_be_cut_is_refused);
    RUN(an_nmi_panics_and_later_does_what_it_did_before);
    RUN(a_kernel_without_these_settings_is_said);
    RUN(what_is_armed_is_read_as_it_was_written);
    RUN(a_record_that_is_none_is_refused_by_name);
    RUN(every_truncation_of_a_record_is_refused);
    return tap_done();
}
