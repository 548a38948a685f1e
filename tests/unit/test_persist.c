/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What stays armed over a boot: the file, the unit, the hook. */
#include "arm/persist.h"

#include "machine_root.h"
#include "tap.h"

#define UNIT "/usr/lib/systemd/system/" PND_PERSIST_UNIT
#define LINK "/etc/systemd/system/multi-user.target.wants/" PND_PERSIST_UNIT

static struct pnd_why why;

static void debian(void)
{
    root_begin();
    put("/usr/lib/systemd/systemd", "");
    put(UNIT, "[Unit]\n");
    put("/etc/kernel/postinst.d/initramfs-tools", "#!/bin/sh\n");
    put("/usr/share/panicd/kernel-hook", "#!/bin/sh\nexit 0\n");
    put("/usr/bin/kernel-install", "");
    put("/usr/bin/dpkg", "");
}

static struct stat status_of(const char *path)
{
    char full[ROOT_PATH_CAP];
    struct stat status = {0};

    snprintf(full, sizeof(full), "%s%s", root, path);
    if (lstat(full, &status) < 0)
        memset(&status, 0, sizeof(status));
    return status;
}

static const char *target_of(const char *path)
{
    static char target[ROOT_PATH_CAP];
    char full[ROOT_PATH_CAP];
    ssize_t len;

    snprintf(full, sizeof(full), "%s%s", root, path);
    len = readlink(full, target, sizeof(target) - 1);
    target[len < 0 ? 0 : len] = '\0';
    return target;
}

static const struct pnd_persist full = {.server = "10.0.40.2, 10.0.40.3:1070",
                                        .interface = "enp1s0",
                                        .after = "poweroff",
                                        .filter = 31,
                                        .on_nmi = true,
                                        .makedumpfile = true,
                                        .force = true,
                                        .also_local = "/var/crash",
                                        .append = "console=ttyS1,115200 nomodeset"};

static void what_is_asked_for_comes_back_from_the_file(void)
{
    struct pnd_persist read = PND_PERSIST_NOTHING;

    root_begin();
    CHECK_EQ(pnd_persist_read(root, &read, &why), PND_E_NOTFOUND);
    CHECK_EQ(pnd_persist_write(root, &full, &why), PND_OK);
    CHECK_EQ(pnd_persist_read(root, &read, &why), PND_OK);
    CHECK_STR(read.server, full.server);
    CHECK_STR(read.interface, full.interface);
    CHECK_STR(read.after, full.after);
    CHECK_EQ(read.filter, 31);
    CHECK(read.on_nmi && read.force && read.makedumpfile);
    CHECK_STR(read.also_local, full.also_local);
    CHECK_STR(read.append, full.append);
    CHECK_EQ(status_of("/etc/panicd/panicdump.conf").st_mode & 0777, 0644);
    CHECK_EQ(status_of("/etc/panicd/panicdump.conf.new").st_mode, 0);
    root_end();
}

static void the_least_that_can_be_asked_for_is_a_server(void)
{
    struct pnd_persist read = full, least = {.server = "10.0.40.2"};

    root_begin();
    CHECK_EQ(pnd_persist_write(root, &least, &why), PND_OK);
    CHECK_STR(strchr(get("/etc/panicd/panicdump.conf"), '\n') + 1, "[arm]\nserver = 10.0.40.2\n");
    CHECK_EQ(pnd_persist_read(root, &read, &why), PND_OK);
    CHECK(memcmp(&read, &least, sizeof(read)) == 0);
    put("/etc/panicd/panicdump.conf", "[arm]\non-nmi = yes\n");
    CHECK_EQ(pnd_persist_read(root, &read, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "no server"));
    root_end();
}

static void a_mistake_in_the_file_is_named_with_its_line(void)
{
    struct pnd_persist read = PND_PERSIST_NOTHING;

    root_begin();
    put("/etc/panicd/panicdump.conf", "[arm]\nserver = 10.0.40.2\nfilter = 32\n");
    CHECK_EQ(pnd_persist_read(root, &read, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "panicdump.conf:3:") && strstr(why.text, "0 to 31"));
    put("/etc/panicd/panicdump.conf", "[arm]\nserver = 10.0.40.2\non_nmi = yes\n");
    CHECK_EQ(pnd_persist_read(root, &read, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "on_nmi"));
    root_end();
}

static void a_value_that_would_change_the_file_is_refused(void)
{
    static const char *const values[] = {"a\nforce = yes", "a ;b", "# a", " a", "a ", "\x1b[1m"};

    root_begin();
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct pnd_persist persist = {.server = "10.0.40.2"};

        snprintf(persist.append, sizeof(persist.append), "%s", values[i]);
        CHECK_EQ(pnd_persist_write(root, &persist, &why), PND_E_ARG);
        CHECK(strstr(why.text, "--append"));
    }
    CHECK_EQ(status_of("/etc/panicd/panicdump.conf").st_mode, 0);
    root_end();
}

static void on_debian_the_unit_is_enabled_and_kernel_packages_have_a_hook(void)
{
    debian();
    CHECK_EQ(pnd_persist_write(root, &full, &why), PND_OK);
    CHECK(!pnd_persist_is_enabled(root));
    CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
    CHECK(pnd_persist_is_enabled(root));
    CHECK_STR(target_of(LINK), UNIT);
    CHECK_STR(get("/etc/kernel/postinst.d/zz-panicdump"), "#!/bin/sh\nexit 0\n");
    CHECK_EQ(status_of("/etc/kernel/postinst.d/zz-panicdump").st_mode & 0777, 0755);
    CHECK_EQ(status_of("/etc/kernel/install.d").st_mode, 0);
    CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
    CHECK_STR(target_of(LINK), UNIT);
    root_end();
}

static void where_kernels_come_by_kernel_install_the_hook_is_there(void)
{
    char path[ROOT_PATH_CAP];

    debian();
    snprintf(path, sizeof(path), "rm -r %s/etc/kernel", root);
    CHECK_EQ(system(path), 0);
    CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
    CHECK_STR(get("/etc/kernel/install.d/95-panicdump.install"), "#!/bin/sh\nexit 0\n");
    root_end();
    debian(); /* Fedora, where another package has made Debian's directory */
    snprintf(path, sizeof(path), "%s/usr/bin/dpkg", root);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
    CHECK_STR(get("/etc/kernel/install.d/95-panicdump.install"), "#!/bin/sh\nexit 0\n");
    CHECK_EQ(status_of("/etc/kernel/postinst.d/zz-panicdump").st_mode, 0);
    root_end();
    debian(); /* Gentoo, where there is nothing else */
    snprintf(path, sizeof(path), "rm %s/usr/bin/dpkg %s/usr/bin/kernel-install", root, root);
    CHECK_EQ(system(path), 0);
    CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
    CHECK_STR(get("/etc/kernel/postinst.d/zz-panicdump"), "#!/bin/sh\nexit 0\n");
    root_end();
}

static void without_its_file_or_its_unit_the_next_boot_does_not_arm(void)
{
    static const char *const lost[] = {"/etc/panicd/panicdump.conf", UNIT, LINK};
    char path[ROOT_PATH_CAP];

    for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
        debian();
        CHECK_EQ(pnd_persist_write(root, &full, &why), PND_OK);
        CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
        snprintf(path, sizeof(path), "%s%s", root, lost[i]);
        CHECK_EQ(unlink(path), 0);
        CHECK(!pnd_persist_is_enabled(root));
        root_end();
    }
}

static void without_the_hook_to_copy_nothing_is_enabled(void)
{
    char path[ROOT_PATH_CAP];

    debian();
    snprintf(path, sizeof(path), "%s/usr/share/panicd/kernel-hook", root);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(pnd_persist_enable(root, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "install panicd anew"));
    CHECK_EQ(status_of(LINK).st_mode, 0);
    root_end();
}

static void all_of_it_can_be_taken_away(void)
{
    debian();
    CHECK_EQ(pnd_persist_write(root, &full, &why), PND_OK);
    CHECK_EQ(pnd_persist_enable(root, &why), PND_OK);
    CHECK_EQ(pnd_persist_disable(root, &why), PND_OK);
    CHECK(!pnd_persist_is_enabled(root));
    CHECK_EQ(status_of("/etc/kernel/postinst.d/zz-panicdump").st_mode, 0);
    CHECK_EQ(status_of("/etc/panicd/panicdump.conf").st_mode, 0);
    CHECK(status_of("/etc/kernel/postinst.d/initramfs-tools").st_mode != 0);
    CHECK_EQ(pnd_persist_disable(root, &why), PND_E_NOTFOUND);
    root_end();
}

static void without_systemd_it_says_what_to_put_where(void)
{
    root_begin();
    CHECK_EQ(pnd_persist_enable(root, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "panicdump arm"));
    put("/etc/init.d/rcS", "");
    CHECK_EQ(pnd_persist_enable(root, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "/etc/init.d/S99panicdump"));
    put("/etc/rc.local", "");
    CHECK_EQ(pnd_persist_enable(root, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "/etc/rc.local, before"));
    put("/etc/local.d/README", "");
    CHECK_EQ(pnd_persist_enable(root, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "/etc/local.d/panicdump.start"));
    root_end();
}

static void a_unit_that_is_not_installed_is_named(void)
{
    root_begin();
    put("/usr/lib/systemd/systemd", "");
    CHECK_EQ(pnd_persist_enable(root, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "panicdump-arm.service is not installed"));
    root_end();
}

int main(void)
{
    RUN(what_is_asked_for_comes_back_from_the_file);
    RUN(the_least_that_can_be_asked_for_is_a_server);
    RUN(a_mistake_in_the_file_is_named_with_its_line);
    RUN(a_value_that_would_change_the_file_is_refused);
    RUN(on_debian_the_unit_is_enabled_and_kernel_packages_have_a_hook);
    RUN(where_kernels_come_by_kernel_install_the_hook_is_there);
    RUN(without_its_file_or_its_unit_the_next_boot_does_not_arm);
    RUN(without_the_hook_to_copy_nothing_is_enabled);
    RUN(all_of_it_can_be_taken_away);
    RUN(without_systemd_it_says_what_to_put_where);
    RUN(a_unit_that_is_not_installed_is_named);
    return tap_done();
}
