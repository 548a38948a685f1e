/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The initramfs of a crash kernel, read back with cpio(1). */
#include "arm/initramfs.h"

#include "module_tree.h"

enum { TEXT_CAP = 64 * 1024 };

static struct pnd_modules modules;
static struct pnd_why why;

/* A program of two segments, with symbols behind them; @p type of the second. */
static size_t make_program(uint8_t dst[4096], uint32_t type, bool is64)
{
    uint16_t w = 2;
    uint32_t u;
    uint64_t v;

    memset(dst, 0, 4096);
    memcpy(dst, is64 ? "\177ELF\2\1\1" : "\177ELF\1\1\1", 7);
    memcpy(dst + 16, &w, 2);
    w = is64 ? 62 : 3;
    memcpy(dst + 18, &w, 2);
    memset(dst + 3000, 's', 1000); /* what is not loaded */
    for (int i = 0; i < 2; i++) {
        uint8_t *segment = dst + (is64 ? 64 + i * 56 : 52 + i * 32);

        u = i ? type : 1;
        memcpy(segment, &u, 4);
        v = i ? 1000 : 0;
        memcpy(segment + (is64 ? 8 : 4), &v, is64 ? 8 : 4); /* p_offset */
        v = i ? 1500 : 900;
        memcpy(segment + (is64 ? 32 : 16), &v, is64 ? 8 : 4); /* p_filesz */
    }
    v = is64 ? 64 : 52;
    memcpy(dst + (is64 ? 32 : 28), &v, is64 ? 8 : 4); /* e_phoff */
    v = 3500;
    memcpy(dst + (is64 ? 40 : 32), &v, is64 ? 8 : 4); /* e_shoff */
    w = is64 ? 56 : 32;
    memcpy(dst + (is64 ? 54 : 42), &w, 2);
    w = 2;
    memcpy(dst + (is64 ? 56 : 44), &w, 2); /* e_phnum */
    w = 7;
    memcpy(dst + (is64 ? 60 : 48), &w, 2); /* e_shnum */
    return 4096;
}

static void make_place(void)
{
    static struct tree_pair dep[] = {{"nic", "kernel/nic.ko.xz: kernel/lib.ko"},
                                     {"lib", "kernel/lib.ko:"}};
    static const char info[] = "firmware=fw/nic.bin";
    uint8_t module[1024], program[4096];
    size_t len;

    tmp_make();
    tree_table("modules.dep", dep, 2);
    len = tree_module(module, info, sizeof(info));
    tree_pack("lib/modules/" TREE_RELEASE "/kernel/nic.ko.xz", module, len,
              archive_write_add_filter_xz);
    tree_put("lib/modules/" TREE_RELEASE "/kernel/lib.ko", module, len);
    tree_text("etc/modprobe.d/a.conf", "options nic speed=3 text=\"a b\"\n");
    tree_text("lib/firmware/fw/nic.bin", "microcode");
    tree_put("usr/sbin/panicdump-static", program, make_program(program, 1, true));
    CHECK_EQ(pnd_modules_open(&modules, tmp_path, TREE_RELEASE, &why), PND_OK);
    CHECK_EQ(pnd_modules_add(&modules, "nic", &why), PND_OK);
}

static void remove_place(void)
{
    pnd_modules_close(&modules);
    tmp_remove();
}

/* Into the file @p name. */
static int write_it(const char *name, uint64_t *ret_bytes)
{
    static char init[4096];
    struct pnd_initramfs it = {
        .init = init, .options = "_panicd_ip=10.0.40.2", .modules = &modules};
    int fd = open(tmp_file(name), O_RDWR | O_CREAT | O_TRUNC, 0600), err;
    struct stat st;

    snprintf(init, sizeof(init), "%s", tmp_file("usr/sbin/panicdump-static"));
    it.files[0] = (struct pnd_initramfs_file){"bin/sh", init, false};
    it.file_count = 1;
    *ret_bytes = 0;
    err = pnd_initramfs_write(&it, fd, ret_bytes, &why);
    CHECK(fstat(fd, &st) == 0);
    if (!err)
        CHECK_EQ(*ret_bytes, st.st_size);
    close(fd);
    return err;
}

/* What `cpio OPTIONS < NAME` says. */
static const char *cpio(const char *name, const char *options)
{
    static char text[TEXT_CAP];
    char command[2048];
    FILE *out;

    snprintf(command, sizeof(command), "cd %s/out && cpio --quiet %s <../%s 2>&1", tmp_path,
             options, name);
    out = popen(command, "r");
    text[out ? fread(text, 1, sizeof(text) - 1, out) : 0] = '\0';
    CHECK(out && pclose(out) == 0);
    return text;
}

static bool has_cpio(void)
{
    return system("command -v cpio >/dev/null") == 0;
}

static void cpio_finds_what_a_crash_kernel_needs(void)
{
    uint64_t bytes;

    if (!has_cpio())
        SKIP("cpio is not installed");
    make_place();
    mkdir(tmp_file("out"), 0700);
    CHECK_EQ(write_it("it.cpio", &bytes), PND_OK);
    CHECK_STR(cpio("it.cpio", "-t"), "dev\nproc\nsys\ninit\nlib\nlib/panicd\nlib/panicd/options\n"
                                     "lib/panicd/modules\nlib/modules\nlib/modules/lib.ko\n"
                                     "lib/modules/nic.ko\nlib/firmware\nlib/firmware/fw\n"
                                     "lib/firmware/fw/nic.bin\nbin\nbin/sh\n");
    cpio("it.cpio", "-id --no-absolute-filenames");
    CHECK(access(tmp_file("out/init"), X_OK) == 0);
    remove_place();
}

static void its_files_are_those_of_the_machine_unpacked(void)
{
    static char text[512];
    uint64_t bytes;
    uint8_t a[1024], b[1024];
    int fd;

    if (!has_cpio())
        SKIP("cpio is not installed");
    make_place();
    mkdir(tmp_file("out"), 0700);
    CHECK_EQ(write_it("it.cpio", &bytes), PND_OK);
    cpio("it.cpio", "-id --no-absolute-filenames");
    fd = open(tmp_file("out/lib/panicd/modules"), O_RDONLY);
    memset(text, 0, sizeof(text));
    CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    CHECK_STR(text, "/lib/modules/lib.ko\n/lib/modules/nic.ko speed=3 text=\"a b\"\n");
    close(fd);
    fd = open(tmp_file("out/lib/panicd/options"), O_RDONLY);
    memset(text, 0, sizeof(text));
    CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    CHECK_STR(text, "_panicd_ip=10.0.40.2\n");
    close(fd);
    fd = open(tmp_file("out/lib/modules/nic.ko"), O_RDONLY);
    memset(a, 0, sizeof(a));
    CHECK(fd >= 0 && read(fd, a, sizeof(a)) > 64);
    close(fd);
    memset(b, 0, sizeof(b));
    fd = open(tmp_file("out/lib/modules/lib.ko"), O_RDONLY);
    CHECK(fd >= 0 && read(fd, b, sizeof(b)) > 64);
    close(fd);
    CHECK_MEM(a, b, sizeof(a));
    remove_place();
}

static void the_same_parts_give_the_same_bytes(void)
{
    static uint8_t a[TEXT_CAP], b[TEXT_CAP];
    uint64_t bytes, again;
    int fd;

    make_place();
    CHECK_EQ(write_it("a", &bytes), PND_OK);
    usleep(1100 * 1000); /* a time in it would be another now */
    CHECK_EQ(write_it("b", &again), PND_OK);
    CHECK(bytes == again && bytes < TEXT_CAP);
    fd = open(tmp_file("a"), O_RDONLY);
    CHECK(read(fd, a, sizeof(a)) == (ssize_t)bytes);
    close(fd);
    fd = open(tmp_file("b"), O_RDONLY);
    CHECK(read(fd, b, sizeof(b)) == (ssize_t)bytes);
    close(fd);
    CHECK_MEM(a, b, bytes);
    remove_place();
}

static void a_program_goes_without_what_is_not_loaded(void)
{
    uint8_t program[4096];
    size_t len = 0;

    for (int is64 = 0; is64 < 2; is64++) {
        uint64_t shoff = 1;

        make_program(program, 1, is64);
        CHECK_EQ(pnd_initramfs_trim(program, sizeof(program), &len, &why), PND_OK);
        CHECK_EQ(len, 2500);
        memcpy(&shoff, program + (is64 ? 40 : 32), is64 ? 8 : 4);
        CHECK(is64 ? shoff == 0 : (uint32_t)shoff == 0);
    }
}

static void a_program_that_wants_libraries_is_refused(void)
{
    uint8_t program[4096];
    size_t len;

    make_program(program, 3, true); /* PT_INTERP */
    CHECK_EQ(pnd_initramfs_trim(program, sizeof(program), &len, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "static"));
}

/* It has them beside it. */
static void unless_it_is_taken_along_with_them(void)
{
    uint8_t program[4096];
    char path[4096];
    struct pnd_initramfs it = {.options = "", .init = path, .file_count = 1};
    uint64_t bytes = 0;
    int fd;

    tmp_make();
    make_program(program, 1, true);
    tree_put("init", program, sizeof(program));
    make_program(program, 3, true);
    tree_put("usr/bin/makedumpfile", program, sizeof(program));
    snprintf(path, sizeof(path), "%s", tmp_file("init"));
    it.files[0] =
        (struct pnd_initramfs_file){"usr/bin/makedumpfile", tmp_file("usr/bin/makedumpfile"), true};
    fd = open("/dev/null", O_WRONLY);
    CHECK_EQ(pnd_initramfs_write(&it, fd, &bytes, &why), PND_OK);
    CHECK(bytes > sizeof(program));
    it.files[0].linked = false;
    CHECK_EQ(pnd_initramfs_write(&it, fd, &bytes, &why), PND_E_FORMAT);
    close(fd);
    tmp_remove();
}

static void every_truncation_of_a_program_is_refused(void)
{
    uint8_t program[4096];

    make_program(program, 1, true);
    for (size_t len = 0; len < 2500; len++) {
        uint8_t *cut = malloc(len ? len : 1);
        size_t left;

        memcpy(cut, program, len);
        CHECK_EQ(pnd_initramfs_trim(cut, len, &left, &why), PND_E_FORMAT);
        free(cut);
    }
}

static void one_that_is_too_large_names_what_is_too_much(void)
{
    uint64_t bytes;

    make_place();
    CHECK(truncate(tmp_file("lib/firmware/fw/nic.bin"), PND_INITRAMFS_BYTES_MAX) == 0);
    CHECK_EQ(write_it("it.cpio", &bytes), PND_E_RANGE);
    CHECK(strstr(why.text, "lib/firmware/fw/nic.bin") && strstr(why.text, "16 MiB"));
    CHECK(truncate(tmp_file("lib/firmware/fw/nic.bin"), PND_MODULE_BYTES_MAX + 1) == 0);
    CHECK_EQ(write_it("it.cpio", &bytes), PND_E_RANGE);
    remove_place();
}

static void a_module_that_is_cut_is_refused_at_each_length(void)
{
    static const char path[] = "lib/modules/" TREE_RELEASE "/kernel/lib.ko";
    uint8_t module[1024 + 40];
    uint64_t bytes;
    size_t len;

    make_place();
    len = tree_module(module, "license=GPL", 12);
    memcpy(module + len, "a signature~Module signature appended~", 38);
    for (size_t cut = 1; cut <= len + 38; cut++) {
        tree_put(path, module, cut);
        CHECK_EQ(write_it("out", &bytes), cut < len ? PND_E_FORMAT : PND_OK);
        CHECK(cut >= len || strstr(why.text, "lib.ko is no module, or one that is cut"));
    }
    remove_place();
}

static void what_is_missing_or_cannot_be_written_is_named(void)
{
    uint64_t bytes;
    int fd;

    make_place();
    unlink(tmp_file("lib/modules/" TREE_RELEASE "/kernel/lib.ko"));
    CHECK_EQ(write_it("it.cpio", &bytes), PND_E_SYS);
    CHECK(strstr(why.text, "lib.ko"));
    fd = open("/dev/full", O_WRONLY);
    if (fd >= 0) {
        struct pnd_initramfs it = {.init = tmp_file("usr/sbin/panicdump-static"), .options = ""};

        CHECK_EQ(pnd_initramfs_write(&it, fd, &bytes, &why), PND_E_SYS);
        close(fd);
    }
    remove_place();
}

int main(void)
{
    RUN(cpio_finds_what_a_crash_kernel_needs);
    RUN(its_files_are_those_of_the_machine_unpacked);
    RUN(the_same_parts_give_the_same_bytes);
    RUN(a_program_goes_without_what_is_not_loaded);
    RUN(a_program_that_wants_libraries_is_refused);
    RUN(unless_it_is_taken_along_with_them);
    RUN(every_truncation_of_a_program_is_refused);
    RUN(one_that_is_too_large_names_what_is_too_much);
    RUN(a_module_that_is_cut_is_refused_at_each_length);
    RUN(what_is_missing_or_cannot_be_written_is_named);
    return tap_done();
}
