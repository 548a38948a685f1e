/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Kernel modules and what they need: see modules.h. */
#include "arm/modules.h"

#include <errno.h>
#include <libkmod.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "arm/rooted.h"
#include "host/guard.h"

/* Where modprobe looks, in its order. @source modprobe.d(5) */
static const char *const config_directories[] = {"/etc/modprobe.d", "/run/modprobe.d",
                                                 "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
                                                 "/lib/modprobe.d"};

enum { CONFIG_DIRECTORIES = sizeof(config_directories) / sizeof(config_directories[0]) };

static void free_list(struct kmod_list **list)
{
    kmod_module_unref_list(*list);
}

#define AUTO_LIST PND_AUTO(free_list) struct kmod_list *

static void free_module(struct kmod_module **mod)
{
    if (*mod)
        kmod_module_unref(*mod);
}

#define AUTO_MODULE PND_AUTO(free_module) struct kmod_module *

/* libkmod says on standard error what this program says itself, and better. */
static void say_nothing(void *data, int priority, const char *file, int line, const char *fn,
                        const char *format, va_list args)
{
    (void)data;
    (void)priority;
    (void)file;
    (void)line;
    (void)fn;
    (void)format;
    (void)args;
}

int pnd_modules_open(struct pnd_modules *modules, const char *root, const char *release,
                     struct pnd_why *why)
{
    static char paths[CONFIG_DIRECTORIES][PND_ROOTED_CAP];
    const char *list[CONFIG_DIRECTORIES + 1] = {NULL};
    char directory[PND_ROOTED_CAP], index[PND_ROOTED_CAP];

    memset(modules, 0, sizeof(*modules));
    modules->root = root;
    modules->release = release;
    pnd_rooted_path(directory, root, "/lib/modules/%s", release);
    pnd_rooted_path(index, directory, "/modules.dep.bin");
    if (access(index, R_OK) < 0)
        return pnd_why(why, errno == ENOENT ? PND_E_NOTFOUND : PND_E_SYS, errno,
                       "the modules of kernel %s: %s", release, index);
    for (size_t i = 0; i < CONFIG_DIRECTORIES; i++)
        list[i] = pnd_rooted_path(paths[i], root, "%s", config_directories[i]);
    modules->kmod = kmod_new(directory, list);
    if (!modules->kmod)
        return pnd_why(why, PND_E_SYS, errno, "read %s", directory);
    kmod_set_log_fn(modules->kmod, say_nothing, NULL);
    return PND_OK;
}

void pnd_modules_close(struct pnd_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        free(modules->list[i].name);
        free(modules->list[i].path);
        free(modules->list[i].options);
    }
    for (size_t i = 0; i < modules->firmware_count; i++) {
        free(modules->firmware[i].name);
        free(modules->firmware[i].path);
    }
    if (modules->kmod)
        kmod_unref(modules->kmod);
    memset(modules, 0, sizeof(*modules));
}

/* ---- firmware */

static int keep_firmware(struct pnd_modules *modules, const char *name, const char *path,
                         struct pnd_why *why)
{
    struct pnd_firmware *f = &modules->firmware[modules->firmware_count];

    if (modules->firmware_count == PND_MODULES_FIRMWARE_MAX)
        return pnd_why(why, PND_E_FULL, 0, "these modules have more than %d files of firmware",
                       PND_MODULES_FIRMWARE_MAX);
    f->name = strdup(name);
    f->path = strdup(path);
    if (!f->name || !f->path) {
        free(f->name);
        free(f->path);
        return pnd_why(why, PND_E_SYS, ENOMEM, "firmware %s", name);
    }
    modules->firmware_count++;
    return PND_OK;
}

/* One that this machine does not have is one that it does without.
 * @source Linux Documentation/driver-api/firmware/fw_search_path.rst */
static int find_firmware(struct pnd_modules *modules, const char *name, struct pnd_why *why)
{
    static const char *const packed[] = {"", ".zst", ".xz"};
    char places[4][PND_ROOTED_CAP], path[PND_ROOTED_CAP];

    if (name[0] == '/' || strstr(name, ".."))
        return PND_OK;
    for (size_t i = 0; i < modules->firmware_count; i++)
        if (strcmp(modules->firmware[i].name, name) == 0)
            return PND_OK;
    pnd_rooted_path(places[0], modules->root, "/lib/firmware/updates/%s", modules->release);
    pnd_rooted_path(places[1], modules->root, "/lib/firmware/updates");
    pnd_rooted_path(places[2], modules->root, "/lib/firmware/%s", modules->release);
    pnd_rooted_path(places[3], modules->root, "/lib/firmware");
    for (size_t i = 0; i < 4; i++) {
        for (size_t p = 0; p < sizeof(packed) / sizeof(packed[0]); p++) {
            pnd_rooted_path(path, places[i], "/%s%s", name, packed[p]);
            if (access(path, R_OK) == 0)
                return keep_firmware(modules, name, path, why);
        }
    }
    return PND_OK;
}

static int add_firmware(struct pnd_modules *modules, struct kmod_module *mod, struct pnd_why *why)
{
    struct kmod_list *list = NULL, *at;
    int err = PND_OK;

    if (kmod_module_get_info(mod, &list) < 0)
        return PND_OK; /* what is unreadable is said when it is read */
    kmod_list_foreach(at, list)
    {
        if (strcmp(kmod_module_info_get_key(at), "firmware") == 0 && !err)
            err = find_firmware(modules, kmod_module_info_get_value(at), why);
    }
    kmod_module_info_free_list(list);
    return err;
}

/* ---- modules */

static int add_module(struct pnd_modules *modules, struct kmod_module *mod, struct pnd_why *why);

static int add_list(struct pnd_modules *modules, struct kmod_list *list, struct pnd_why *why)
{
    struct kmod_list *at;
    int err = PND_OK;

    kmod_list_foreach(at, list)
    {
        AUTO_MODULE mod = kmod_module_get_module(at);

        if (!err)
            err = add_module(modules, mod, why);
    }
    return err;
}

static bool is_known(const struct pnd_modules *modules, const char *name)
{
    for (size_t i = 0; i < modules->count; i++)
        if (strcmp(modules->list[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < modules->depth; i++) /* soft dependencies may run in a circle */
        if (strcmp(modules->under_way[i], name) == 0)
            return true;
    return false;
}

static int keep_module(struct pnd_modules *modules, struct kmod_module *mod, struct pnd_why *why)
{
    const char *options = kmod_module_get_options(mod);
    struct pnd_module *m = &modules->list[modules->count];

    if (modules->count == PND_MODULES_MAX)
        return pnd_why(why, PND_E_FULL, 0, "more than %d modules would be needed", PND_MODULES_MAX);
    m->name = strdup(kmod_module_get_name(mod));
    m->path = strdup(kmod_module_get_path(mod));
    m->options = strdup(options ? options : "");
    modules->count++; /* frees what there is, whatever there is */
    if (!m->name || !m->path || !m->options)
        return pnd_why(why, PND_E_SYS, ENOMEM, "module %s", kmod_module_get_name(mod));
    return add_firmware(modules, mod, why);
}

static int add_module(struct pnd_modules *modules, struct kmod_module *mod, struct pnd_why *why)
{
    const char *name = kmod_module_get_name(mod);
    AUTO_LIST pre = NULL;
    AUTO_LIST post = NULL;
    int err;

    if (is_known(modules, name) || !kmod_module_get_path(mod)) /* no path: built in */
        return PND_OK;
    if (modules->depth == PND_MODULES_DEPTH_MAX)
        return pnd_why(why, PND_E_FULL, 0, "module %s: needs more than %d others, one another",
                       name, PND_MODULES_DEPTH_MAX);
    AUTO_LIST needs = kmod_module_get_dependencies(mod);

    kmod_module_get_softdeps(mod, &pre, &post);
    modules->under_way[modules->depth++] = name;
    err = add_list(modules, pre, why);
    if (!err)
        err = add_list(modules, needs, why);
    modules->depth--;
    if (!err)
        err = keep_module(modules, mod, why);
    return err ? err : add_list(modules, post, why);
}

static bool is_name_of(const char *name, struct kmod_list *list)
{
    AUTO_MODULE mod = kmod_module_get_module(list);
    const char *is = kmod_module_get_name(mod);

    for (; *name && *is; name++, is++)
        if ((*name == '-' ? '_' : *name) != *is)
            return false;
    return !*name && !*is;
}

int pnd_modules_add(struct pnd_modules *modules, const char *name, struct pnd_why *why)
{
    AUTO_LIST list = NULL;
    AUTO_LIST allowed = NULL;
    int err = kmod_module_new_from_lookup(modules->kmod, name, &list);

    if (err < 0)
        return pnd_why(why, PND_E_SYS, -err, "look up module %s", name);
    if (!list)
        return pnd_why(why, PND_E_NOTFOUND, 0, "kernel %s has no module \"%s\"", modules->release,
                       name);
    if (is_name_of(name, list))
        return add_list(modules, list, why);
    err = kmod_module_apply_filter(modules->kmod, KMOD_FILTER_BLACKLIST, list, &allowed);
    if (err < 0)
        return pnd_why(why, PND_E_SYS, -err, "look up module %s", name);
    return add_list(modules, allowed, why);
}

/* ---- devices */

/* The module behind @p device, a directory of sysfs that has its driver's link.
 *   @return false: no driver, or one of the kernel's own */
static bool driver_module(const char *device, char ret[NAME_MAX + 1])
{
    char link[PATH_MAX], target[PATH_MAX];
    const char *name;
    ssize_t n;

    if ((size_t)snprintf(link, sizeof(link), "%s/driver/module", device) >= sizeof(link))
        return false;
    n = readlink(link, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    name = strrchr(target, '/');
    name = name ? name + 1 : target;
    return (size_t)snprintf(ret, NAME_MAX + 1, "%s", name) <= NAME_MAX;
}

/* The real place of the device. *ret_from is where its parents begin in it: behind /sys/devices.
 *   @return PND_OK; PND_E_NOTFOUND */
static int device_path(const char *root, const char *sysfs, char ret[PATH_MAX], size_t *ret_from,
                       struct pnd_why *why)
{
    char path[PND_ROOTED_CAP], top[PATH_MAX];

    if (!realpath(pnd_rooted_path(path, root, "%s", sysfs), ret))
        return pnd_why(why, PND_E_NOTFOUND, errno, "%s", path);
    if (!realpath(pnd_rooted_path(path, root, "/sys/devices"), top))
        return pnd_why(why, PND_E_NOTFOUND, errno, "%s", path);
    if (strncmp(ret, top, strlen(top)) != 0)
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is not below %s", ret, top);
    *ret_from = strlen(top);
    return PND_OK;
}

bool pnd_modules_wanted(const char *root, const char *sysfs)
{
    char path[PATH_MAX], name[NAME_MAX + 1];
    size_t from = 0;

    if (device_path(root, sysfs, path, &from, NULL))
        return false;
    for (char *end = path + strlen(path); end > path + from; end = strrchr(path, '/')) {
        *end = '\0';
        if (driver_module(path, name))
            return true;
    }
    return false;
}

static int add_by_alias(struct pnd_modules *modules, const char *device, struct pnd_why *why)
{
    char alias[512], driver[PATH_MAX];

    if ((size_t)snprintf(driver, sizeof(driver), "%s/driver", device) >= sizeof(driver) ||
        access(driver, F_OK) == 0) /* the kernel's own */
        return PND_OK;
    if (pnd_rooted_read(device, "/modalias", alias, sizeof(alias)))
        return PND_OK;
    return pnd_modules_add(modules, alias, why);
}

int pnd_modules_add_device(struct pnd_modules *modules, const char *sysfs, struct pnd_why *why)
{
    char path[PATH_MAX], name[NAME_MAX + 1];
    size_t from = 0, len;
    int err = device_path(modules->root, sysfs, path, &from, why);

    if (err)
        return err;
    len = strlen(path);
    for (size_t at = from + 1; at <= len && !err; at++) { /* what it hangs on comes first */
        char cut = path[at];

        if (cut != '/' && cut != '\0')
            continue;
        path[at] = '\0';
        if (driver_module(path, name))
            err = pnd_modules_add(modules, name, why);
        else if (at == len)
            err = add_by_alias(modules, path, why);
        path[at] = cut;
    }
    return err;
}
