/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arming, the part that finds out: see arm.h. */
#include "arm/arm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arm/mounts.h"
#include "capture/content.h"
#include "host/guard.h"
#include "sender/address.h"

/* ---- the way */

/* The way to one more server has to go through the same port: a crash kernel has one. */
static int same_port(const struct pnd_arm *arm, size_t index, struct pnd_why *why)
{
    const struct pnd_route *first = &arm->routes[0], *r = &arm->routes[index];
    char a[PND_ADDRESS_CAP], b[PND_ADDRESS_CAP];

    if (strcmp(r->port, first->port) == 0 && r->vlan == first->vlan && r->own_ip == first->own_ip)
        return PND_OK;
    return pnd_why(why, PND_E_NOROUTE, 0,
                   "%s is reached through %s, and %s through %s: a crash kernel has one way; name "
                   "servers that share it, or choose it with --interface",
                   pnd_address_format(a, arm->request.servers[0].ip), first->interface,
                   pnd_address_format(b, arm->request.servers[index].ip), r->interface);
}

static int find_routes(struct pnd_arm *arm, struct pnd_why *why)
{
    const struct pnd_arm_request *q = &arm->request;
    int err = PND_OK;

    for (size_t i = 0; i < q->server_count && !err; i++) {
        err = pnd_route_find(q->servers[i].ip, q->interface, q->force, &arm->routes[i], why);
        if (!err)
            err = same_port(arm, i, why);
    }
    return err;
}

/* ---- the dump */

static void fill_options(struct pnd_arm *arm)
{
    const struct pnd_arm_request *q = &arm->request;
    const struct pnd_route *first = &arm->routes[0];
    struct pnd_capture_options *o = &arm->options;

    memset(o, 0, sizeof(*o));
    strcpy(o->vmcore, "/proc/vmcore");
    o->retry_s = PND_CAPTURE_RETRY_S;
    o->watchdog_s = PND_CAPTURE_WATCHDOG_S;
    o->filter = q->filter;
    o->after = q->after;
    memcpy(o->local, arm->local.word, sizeof(o->local));
    o->own_ip = first->own_ip;
    o->prefix = first->prefix;
    o->vlan = first->vlan;
    o->mtu = first->mtu;
    o->server_count = q->server_count;
    for (size_t i = 0; i < q->server_count; i++) {
        const struct pnd_route *r = &arm->routes[i];

        o->servers[i].at = q->servers[i];
        memcpy(o->servers[i].via, r->via, sizeof(r->via));
        if (!o->router_ip)
            o->router_ip = r->router_ip;
        if (r->mtu < o->mtu)
            o->mtu = r->mtu;
    }
    for (size_t i = 0; i < sizeof(first->port_mac); i++)
        snprintf(o->match_mac + 2 * i, sizeof(o->match_mac) - 2 * i, "%02x", first->port_mac[i]);
}

/* ---- modules */

/* @p sysfs: with the root, as pnd_local_find() and pnd_local_watchdog() give it. */
static int add_device(struct pnd_arm *arm, const char *sysfs, struct pnd_why *why)
{
    return pnd_modules_add_device(&arm->modules, sysfs + strlen(arm->request.root), why);
}

static int add_network(struct pnd_arm *arm, struct pnd_why *why)
{
    static const char *const links[] = {"device", "phydev"};
    char path[PND_ROOTED_CAP];
    int err = PND_OK;

    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]) && !err; i++) {
        pnd_rooted_path(path, "", "/sys/class/net/%s/%s", arm->routes[0].port, links[i]);
        if (pnd_rooted_exists(arm->request.root, path))
            err = pnd_modules_add_device(&arm->modules, path, why);
    }
    if (!err)
        err = pnd_modules_add(&arm->modules, "af_packet", why);
    return err == PND_E_NOTFOUND ? PND_OK : err; /* built in, in a kernel that does not list that */
}

static int add_local(struct pnd_arm *arm, struct pnd_why *why)
{
    const struct pnd_local *local = &arm->local;
    int err = PND_OK;

    if (!local->word[0])
        return PND_OK;
    if (local->sysfs[0])
        err = add_device(arm, local->sysfs, why);
    for (size_t i = 0; i < local->module_count && !err; i++) {
        err = pnd_modules_add(&arm->modules, local->modules[i].name, why);
        if (err == PND_E_NOTFOUND && local->modules[i].optional)
            err = PND_OK;
    }
    return err;
}

/* One that runs now resets the machine in the middle of the dump, unless somebody calms it. */
static int add_watchdogs(struct pnd_arm *arm, struct pnd_why *why)
{
    static char sysfs[PND_LOCAL_SYSFS_CAP];
    int err = PND_OK;

    for (unsigned i = 0; !err && !pnd_local_watchdog(arm->request.root, i, sysfs); i++)
        err = add_device(arm, sysfs, why);
    return err;
}

/* A kernel that has everything built in has no modules, and needs none. */
static bool are_wanted(const struct pnd_arm *arm)
{
    char device[PND_ROOTED_CAP];

    pnd_rooted_path(device, "", "/sys/class/net/%s/device", arm->routes[0].port);
    return pnd_modules_wanted(arm->request.root, device) ||
           (arm->local.sysfs[0] &&
            pnd_modules_wanted(arm->request.root, arm->local.sysfs + strlen(arm->request.root)));
}

static int find_modules(struct pnd_arm *arm, struct pnd_why *why)
{
    int err = pnd_modules_open(&arm->modules, arm->request.root, arm->kernel.release, why);

    if (err == PND_E_NOTFOUND && !are_wanted(arm))
        return PND_OK;
    if (err == PND_E_NOTFOUND)
        return pnd_why_add(why, err,
                           "%s is driven by a module, and those of this kernel are gone (was it "
                           "updated? restart the machine)",
                           arm->routes[0].port);
    if (!err)
        err = add_network(arm, why);
    if (!err)
        err = add_local(arm, why);
    return err ? err : add_watchdogs(arm, why);
}

/* ---- the initramfs */

static int find_init(struct pnd_arm *arm, struct pnd_why *why)
{
    char self[PATH_MAX], *slash;
    ssize_t n;

    if (arm->request.init) {
        snprintf(arm->init, sizeof(arm->init), "%s", arm->request.init);
    } else {
        n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        self[n < 0 ? 0 : n] = '\0';
        slash = strrchr(self, '/');
        if (slash)
            *slash = '\0';
        pnd_rooted_path(arm->init, self, "/panicdump-static");
    }
    if (access(arm->init, R_OK) < 0)
        return pnd_why(why, PND_E_NOTFOUND, errno, "the program for the crash kernel, %s",
                       arm->init);
    return PND_OK;
}

static int find_shell(struct pnd_arm *arm, struct pnd_why *why)
{
    static const char *const places[] = {"/bin/busybox", "/usr/bin/busybox", "/sbin/busybox",
                                         "/usr/local/bin/busybox"};
    void *bytes;
    size_t len;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int err;

        pnd_rooted_path(arm->shell, arm->request.root, "%s", places[i]);
        if (pnd_module_read(arm->shell, &bytes, &len, NULL))
            continue;
        err = pnd_initramfs_trim(bytes, len, &len, NULL);
        free(bytes);
        if (!err)
            return PND_OK;
    }
    arm->shell[0] = '\0';
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "--shell: there is no static busybox to take along as a shell (package "
                   "busybox-static)");
}

static int find_makedumpfile(struct pnd_arm *arm, struct pnd_why *why)
{
    int err = pnd_program_find("makedumpfile", &arm->makedumpfile, why);

    if (err)
        return pnd_why_add(why, err,
                           "--makedumpfile (without it the crash kernel selects the same pages by "
                           "itself)");
    return PND_OK;
}

/* The kernel reads the file only when nobody can write to it. */
static int reopen_read_only(int fd)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int make_initramfs(struct pnd_arm *arm, struct pnd_why *why)
{
    struct pnd_initramfs initramfs = {
        .init = arm->init,
        .options = arm->options_text,
        .modules = arm->modules.kmod ? &arm->modules : NULL,
    };
    PND_AUTO_CLOSE int fd = memfd_create("panicd-initramfs", MFD_CLOEXEC);
    int err;

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "memory for the initramfs");
    if (arm->shell[0])
        initramfs.files[initramfs.file_count++] =
            (struct pnd_initramfs_file){"bin/sh", arm->shell, false};
    for (size_t i = 0; i < arm->makedumpfile.count; i++) {
        const char *path = arm->makedumpfile.files[i];

        initramfs.files[initramfs.file_count++] =
            (struct pnd_initramfs_file){i ? path + 1 : "usr/bin/makedumpfile", path, true};
    }
    err = pnd_initramfs_write(&initramfs, fd, &arm->initramfs_bytes, why);
    if (err)
        return err;
    arm->initramfs = reopen_read_only(fd);
    if (arm->initramfs < 0)
        return pnd_why(why, PND_E_SYS, errno, "open the initramfs again (is /proc mounted?)");
    return PND_OK;
}

int pnd_arm_save_initramfs(const struct pnd_arm *arm, const char *path, struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    off_t at = 0;

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "create %s", path);
    while ((uint64_t)at < arm->initramfs_bytes) {
        char buf[64 * 1024];
        ssize_t n = pread(arm->initramfs, buf, sizeof(buf), at);

        if (n <= 0 || write(fd, buf, (size_t)n) != n)
            return pnd_why(why, PND_E_SYS, errno, "write %s", path);
        at += n;
    }
    return PND_OK;
}

/* ---- the machine */

static int find_kernel(struct pnd_arm *arm, struct pnd_why *why)
{
    struct utsname un;

    if (uname(&un) < 0)
        return pnd_why(why, PND_E_SYS, errno, "which kernel runs");
    if (arm->request.kernel)
        return pnd_kernel_take(arm->request.kernel, un.release, &arm->kernel, why);
    return pnd_kernel_find(arm->request.root, un.release, &arm->kernel, why);
}

static int make_cmdline(struct pnd_arm *arm, struct pnd_why *why)
{
    char running[4096];

    if (pnd_rooted_read(arm->request.root, "/proc/cmdline", running, sizeof(running)))
        return pnd_why(why, PND_E_SYS, errno, "read /proc/cmdline");
    return pnd_cmdline_crash(running, arm->request.append ? arm->request.append : "", arm->cmdline,
                             why);
}

static int check_machine(struct pnd_arm *arm, struct pnd_why *why)
{
    const struct pnd_arm_request *q = &arm->request;
    struct pnd_machine_load load = {
        .initramfs_bytes = arm->initramfs_bytes,
        .dump_bytes = pnd_content_filtered_bytes(pnd_memory_bytes(q->root), q->filter),
        .driver = arm->routes[0].driver,
    };
    int err = pnd_machine_image_memory(arm->kernel.path, &load.image_bytes, why);

    if (err)
        return err;
    arm->machine.root = q->root;
    arm->machine_ok =
        pnd_machine_check(&arm->machine, arm->kernel.release, pnd_machine_needed(&load)) == PND_OK;
    return PND_OK;
}

int pnd_arm_prepare(struct pnd_arm *arm, const struct pnd_arm_request *request, struct pnd_why *why)
{
    int err;

    memset(arm, 0, sizeof(*arm));
    arm->initramfs = -1;
    arm->request = *request;
    arm->may_come = true;
    err = find_routes(arm, why);
    if (!err && request->also_local) {
        err = pnd_local_find(request->root, request->also_local, &arm->local, why);
        if (err)
            return pnd_why_add(why, err, "--also-local");
    }
    if (err)
        return err;
    arm->may_come = false;
    if (request->on_nmi)
        err = pnd_nmi_check(request->root, why);
    if (!err)
        err = find_kernel(arm, why);
    if (!err)
        err = find_modules(arm, why);
    if (!err)
        err = find_init(arm, why);
    if (!err && request->after == PND_AFTER_SHELL)
        err = find_shell(arm, why);
    if (!err && request->makedumpfile)
        err = find_makedumpfile(arm, why);
    if (err)
        return err;
    fill_options(arm);
    if (pnd_capture_options_format(&arm->options, arm->options_text, sizeof(arm->options_text)))
        return pnd_why(why, PND_E_RANGE, 0, "the options of the dump do not fit into %d bytes",
                       PND_CAPTURE_OPTIONS_CAP);
    err = make_cmdline(arm, why);
    if (!err)
        err = make_initramfs(arm, why);
    return err ? err : check_machine(arm, why);
}

void pnd_arm_deinit(struct pnd_arm *arm)
{
    pnd_modules_close(&arm->modules);
    if (arm->initramfs >= 0)
        close(arm->initramfs);
    arm->initramfs = -1;
}
