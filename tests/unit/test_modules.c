/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which modules a crash kernel gets, and in which order, of a tree and a /sys made by hand. */
#include "arm/modules.h"

#include "module_tree.h"

#define KERNEL "lib/modules/" TREE_RELEASE "/kernel/"

static struct pnd_modules modules;
static struct pnd_why why;

/* nic needs bus and lib, softly helper before it and late after it; its firmware is packed. phy and
 * partner want each other, softly. */
static void make_tree(void)
{
    static struct tree_pair dep[] = {
        {"nic", "kernel/net/nic.ko.xz: kernel/lib/lib.ko.zst kernel/bus/bus.ko.gz"},
        {"bus", "kernel/bus/bus.ko.gz: kernel/lib/lib.ko.zst"},
        {"lib", "kernel/lib/lib.ko.zst:"},
        {"helper", "kernel/lib/helper.ko:"},
        {"late", "kernel/lib/late.ko:"},
        {"phy", "kernel/net/phy.ko:"},
        {"partner", "kernel/net/partner.ko:"},
        {"barred", "kernel/net/barred.ko:"},
    };
    static struct tree_pair alias[] = {{"pci:v00008086d*sv*", "nic"}, {"pci:bad*", "barred"}};
    static struct tree_pair builtin[] = {{"af_packet", ""}};
    static const char info[] = "name=nic\0firmware=fw/nic.bin\0firmware=fw/none.bin\0"
                               "firmware=../etc/passwd";
    uint8_t module[1024];
    size_t len;

    tmp_make();
    tree_table("modules.dep", dep, 8);
    tree_table("modules.alias", alias, 2);
    tree_table("modules.builtin", builtin, 1);
    len = tree_module(module, info, sizeof(info));
    tree_pack(KERNEL "net/nic.ko.xz", module, len, archive_write_add_filter_xz);
    tree_pack(KERNEL "lib/lib.ko.zst", module, len, archive_write_add_filter_zstd);
    tree_pack(KERNEL "bus/bus.ko.gz", module, len, archive_write_add_filter_gzip);
    tree_put(KERNEL "lib/helper.ko", module, len);
    tree_put(KERNEL "lib/late.ko", module, len);
    tree_put(KERNEL "net/phy.ko", module, len);
    tree_put(KERNEL "net/partner.ko", module, len);
    tree_put(KERNEL "net/barred.ko", module, len);
    tree_text("etc/modprobe.d/a.conf", "softdep nic pre: helper nowhere post: late\n"
                                       "softdep phy pre: partner\nsoftdep partner pre: phy\n"
                                       "options bus speed=3 debug=1\nblacklist barred\n");
    tree_pack("lib/firmware/fw/nic.bin.xz", "microcode", 9, archive_write_add_filter_xz);
    tree_text("etc/passwd", "root");
    CHECK_EQ(pnd_modules_open(&modules, tmp_path, TREE_RELEASE, &why), PND_OK);
}

static void remove_tree(void)
{
    pnd_modules_close(&modules);
    tmp_remove();
}

/* "lib bus nic" */
static const char *order(void)
{
    static char text[512];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < modules.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? " " : "",
                                modules.list[i].name);
    return text;
}

static void what_a_module_needs_comes_before_it(void)
{
    make_tree();
    CHECK_EQ(pnd_modules_add(&modules, "bus", &why), PND_OK);
    CHECK_STR(order(), "lib bus");
    CHECK_EQ(pnd_modules_add(&modules, "nic", &why), PND_OK);
    CHECK_STR(order(), "lib bus helper nic late");
    CHECK_EQ(pnd_modules_add(&modules, "nic", &why), PND_OK);
    CHECK_EQ(modules.count, 5);
    CHECK_STR(modules.list[1].options, "speed=3 debug=1");
    CHECK_STR(modules.list[0].options, "");
    remove_tree();
}

static void an_alias_leads_to_its_module_unless_that_is_barred(void)
{
    make_tree();
    CHECK_EQ(pnd_modules_add(&modules, "pci:bad0", &why), PND_OK);
    CHECK_STR(order(), "");
    CHECK_EQ(pnd_modules_add(&modules, "barred", &why), PND_OK); /* by its name all the same */
    CHECK_STR(order(), "barred");
    CHECK_EQ(pnd_modules_add(&modules, "pci:v00008086d000sv1", &why), PND_OK);
    CHECK_STR(order(), "barred helper lib bus nic late");
    remove_tree();
}

static void what_is_built_in_adds_nothing_and_what_is_not_there_is_named(void)
{
    make_tree();
    CHECK_EQ(pnd_modules_add(&modules, "af_packet", &why), PND_OK);
    CHECK_EQ(modules.count, 0);
    CHECK_EQ(pnd_modules_add(&modules, "nowhere", &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "nowhere") && strstr(why.text, TREE_RELEASE));
    remove_tree();
}

static void soft_dependencies_in_a_circle_end(void)
{
    make_tree();
    CHECK_EQ(pnd_modules_add(&modules, "phy", &why), PND_OK);
    CHECK_STR(order(), "partner phy");
    remove_tree();
}

static void firmware_that_is_here_is_taken_along_and_no_other_file(void)
{
    void *bytes = NULL;
    size_t len = 0;

    make_tree();
    CHECK_EQ(pnd_modules_add(&modules, "nic", &why), PND_OK);
    CHECK_EQ(modules.firmware_count, 1);
    CHECK_STR(modules.firmware[0].name, "fw/nic.bin");
    CHECK_EQ(pnd_module_read(modules.firmware[0].path, &bytes, &len, &why), PND_OK);
    CHECK(len == 9 && memcmp(bytes, "microcode", 9) == 0);
    free(bytes);
    remove_tree();
}

static void every_packing_is_unpacked_to_the_same_bytes(void)
{
    void *first = NULL, *bytes = NULL;
    size_t first_len = 0, len = 0;

    make_tree();
    CHECK_EQ(pnd_modules_add(&modules, "nic", &why), PND_OK);
    for (size_t i = 0; i < modules.count; i++) {
        CHECK_EQ(pnd_module_read(modules.list[i].path, &bytes, &len, &why), PND_OK);
        CHECK(len > 64 && memcmp(bytes, "\177ELF", 4) == 0);
        if (!first) {
            first = bytes;
            first_len = len;
            continue;
        }
        CHECK_EQ(len, first_len);
        CHECK_MEM(bytes, first, len);
        free(bytes);
    }
    free(first);
    remove_tree();
}

static void a_module_that_is_damaged_or_gone_is_named(void)
{
    uint8_t cut[64];
    void *bytes;
    size_t len;
    char path[4096];
    int fd;

    make_tree();
    snprintf(path, sizeof(path), "%s", tmp_file(KERNEL "net/nic.ko.xz"));
    fd = open(path, O_RDWR);
    CHECK(fd >= 0 && read(fd, cut, sizeof(cut)) == sizeof(cut) && ftruncate(fd, 64) == 0);
    close(fd);
    CHECK_EQ(pnd_module_read(path, &bytes, &len, &why), PND_E_FORMAT);
    CHECK(strstr(why.text, "nic.ko.xz"));
    CHECK(truncate(path, 0) == 0);
    CHECK_EQ(pnd_module_read(path, &bytes, &len, &why), PND_E_FORMAT);
    unlink(path);
    CHECK_EQ(pnd_module_read(path, &bytes, &len, &why), PND_E_SYS);
    CHECK(strstr(why.text, "nic.ko.xz"));
    remove_tree();
}

static void a_release_without_modules_is_not_found(void)
{
    make_tree();
    pnd_modules_close(&modules);
    CHECK_EQ(pnd_modules_open(&modules, tmp_path, "1.2.3", &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "1.2.3"));
    remove_tree();
}

/* eth0 hangs on a bus whose driver is a module, below a bridge whose driver is built in. */
static void make_device(bool driven)
{
    static const char slot[] = "sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/";
    char path[256];

    tree_link("sys/devices/pci0000:00/0000:00:01.0/driver", "../../../bus/pci/drivers/port");
    tree_text("sys/bus/pci/drivers/port/bind", "");
    tree_text("sys/devices/pci0000:00/0000:00:01.0/modalias", "pci:v00008086d9999sv0\n");
    tree_text("sys/module/bus/x", "");
    tree_link("sys/bus/pci/drivers/bus_driver/module", "../../../../module/bus");
    snprintf(path, sizeof(path), "%sdriver", slot);
    tree_link(path, "../../../../bus/pci/drivers/bus_driver");
    snprintf(path, sizeof(path), "%snic0/modalias", slot);
    tree_text(path, "pci:v00008086d1234sv5\n");
    if (driven) {
        tree_text("sys/module/late/x", "");
        tree_link("sys/bus/nic/drivers/late/module", "../../../../module/late");
        snprintf(path, sizeof(path), "%snic0/driver", slot);
        tree_link(path, "../../../../../bus/nic/drivers/late");
    }
    tree_link("sys/class/net/eth0/device",
              "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/nic0");
}

static void a_device_brings_the_drivers_that_it_has_now_from_the_top(void)
{
    make_tree();
    make_device(true);
    CHECK_EQ(pnd_modules_add_device(&modules, "/sys/class/net/eth0/device", &why), PND_OK);
    CHECK_STR(order(), "lib bus late");
    CHECK(pnd_modules_wanted(tmp_path, "/sys/class/net/eth0/device"));
    remove_tree();
}

static void a_device_that_nothing_drives_is_found_by_its_modalias(void)
{
    make_tree();
    make_device(false);
    CHECK_EQ(pnd_modules_add_device(&modules, "/sys/class/net/eth0/device", &why), PND_OK);
    CHECK_STR(order(), "lib bus helper nic late");
    CHECK_EQ(pnd_modules_add_device(&modules, "/sys/class/net/eth1/device", &why), PND_E_NOTFOUND);
    CHECK(!pnd_modules_wanted(tmp_path, "/sys/class/net/eth1/device"));
    remove_tree();
}

static void a_link_that_leads_out_of_sys_is_no_device(void)
{
    make_tree();
    make_device(false);
    tree_link("sys/class/net/eth2/device", "/usr");
    CHECK_EQ(pnd_modules_add_device(&modules, "/sys/class/net/eth2/device", &why), PND_E_NOTFOUND);
    CHECK_EQ(modules.count, 0);
    remove_tree();
}

int main(void)
{
    RUN(what_a_module_needs_comes_before_it);
    RUN(an_alias_leads_to_its_module_unless_that_is_barred);
    RUN(what_is_built_in_adds_nothing_and_what_is_not_there_is_named);
    RUN(soft_dependencies_in_a_circle_end);
    RUN(firmware_that_is_here_is_taken_along_and_no_other_file);
    RUN(every_packing_is_unpacked_to_the_same_bytes);
    RUN(a_module_that_is_damaged_or_gone_is_named);
    RUN(a_release_without_modules_is_not_found);
    RUN(a_device_brings_the_drivers_that_it_has_now_from_the_top);
    RUN(a_device_that_nothing_drives_is_found_by_its_modalias);
    RUN(a_link_that_leads_out_of_sys_is_no_device);
    return tap_done();
}
