/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Staying armed. What `systemctl enable` would do is done here, a link (systemctl(1)), so that it
 * also works below a root and for a system that is not running. */
#include "arm/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arm/look.h"
#include "arm/rooted.h"
#include "host/conf.h"
#include "host/guard.h"
#include "host/io.h"

#define WANTS_DIR    "/etc/systemd/system/multi-user.target.wants"
#define WANTS_LINK   WANTS_DIR "/" PND_PERSIST_UNIT
#define DEBIAN_DIR   "/etc/kernel/postinst.d"
#define DEBIAN_HOOK  DEBIAN_DIR "/zz-panicdump"
#define INSTALL_DIR  "/etc/kernel/install.d"
#define INSTALL_HOOK INSTALL_DIR "/95-panicdump.install"

enum { HOOK_CAP = 4096, CONF_CAP = 2048 };

#define AT(member) offsetof(struct pnd_persist, member)

static const struct pnd_conf_key keys[] = {
    {"arm", "server", PND_CONF_STRING, AT(server), 1, PND_PERSIST_WORD_CAP,
     .allowed = "addresses such as 10.0.40.2 or 10.0.40.2:1069"},
    {"arm", "interface", PND_CONF_STRING, AT(interface), 0, IFNAMSIZ,
     .allowed = "a name such as eth0"},
    {"arm", "after", PND_CONF_STRING, AT(after), 0, 16, .allowed = "reboot, poweroff or shell"},
    {"arm", "filter", PND_CONF_UINT, AT(filter), 0, 31, .allowed = "a number from 0 to 31"},
    {"arm", "makedumpfile", PND_CONF_BOOL, AT(makedumpfile), .allowed = "yes or no"},
    {"arm", "on-nmi", PND_CONF_BOOL, AT(on_nmi), .allowed = "yes or no"},
    {"arm", "force", PND_CONF_BOOL, AT(force), .allowed = "yes or no"},
    {"arm", "also-local", PND_CONF_STRING, AT(also_local), 0, PND_PERSIST_WORD_CAP,
     .allowed = "a directory or a device, absolute"},
    {"arm", "append", PND_CONF_STRING, AT(append), 0, PND_PERSIST_WORD_CAP,
     .allowed = "words for the crash kernel's command line"},
};

/* ---------------------------------------------------------------- the file */

static bool can_be_held(const char *value)
{
    size_t len = strlen(value);

    if (len > 0 && (value[0] == ' ' || value[len - 1] == ' '))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f ||
            ((value[i] == ';' || value[i] == '#') && (i == 0 || value[i - 1] == ' ')))
            return false;
    return true;
}

static int put_word(char text[CONF_CAP], const char *key, const char *value, struct pnd_why *why)
{
    size_t used = strlen(text);

    if (!*value)
        return PND_OK;
    if (!can_be_held(value))
        return pnd_why(why, PND_E_ARG, 0,
                       "--%s: it cannot be kept in " PND_PERSIST_CONF
                       ": no line breaks, no blanks at an end, no \" ;\" or \" #\"",
                       key);
    snprintf(text + used, CONF_CAP - used, "%s = %s\n", key, value);
    return PND_OK;
}

static int format_conf(const struct pnd_persist *persist, char text[CONF_CAP], struct pnd_why *why)
{
    const struct {
        const char *key, *value;
    } words[] = {
        {"server", persist->server},
        {"interface", persist->interface},
        {"after", persist->after},
        {"makedumpfile", persist->makedumpfile ? "yes" : ""},
        {"on-nmi", persist->on_nmi ? "yes" : ""},
        {"force", persist->force ? "yes" : ""},
        {"also-local", persist->also_local},
        {"append", persist->append},
    };
    int err = PND_OK;

    snprintf(text, CONF_CAP,
             "# Written by `panicdump arm --persist`; `panicdump arm` without --server reads it.\n"
             "[arm]\n");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !err; i++)
        err = put_word(text, words[i].key, words[i].value, why);
    if (!err && persist->filter > 0) {
        size_t used = strlen(text);

        snprintf(text + used, CONF_CAP - used, "filter = %u\n", (unsigned)persist->filter);
    }
    return err;
}

static void make_parents(const char *root, const char *path)
{
    char full[PND_ROOTED_CAP];
    char *end;

    pnd_rooted_path(full, root, "%s", path);
    end = strrchr(full, '/');
    for (char *slash = strchr(full + 1, '/'); slash && slash <= end;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
}

/* A new file takes the place of @p path when it is whole. */
static int replace_file(const char *root, const char *path, const char *text, mode_t mode,
                        struct pnd_why *why)
{
    char full[PND_ROOTED_CAP], work[PND_ROOTED_CAP];
    bool done = false;

    make_parents(root, path);
    pnd_rooted_path(full, root, "%s", path);
    pnd_rooted_path(work, root, "%s.new", path);

    PND_AUTO_CLOSE int fd = open(work, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd >= 0 && fchmod(fd, mode) == 0 && pnd_io_write(fd, text, strlen(text)) == PND_OK &&
        fsync(fd) == 0)
        done = rename(work, full) == 0;
    if (!done) {
        int saved = errno;

        unlink(work);
        return pnd_why(why, PND_E_SYS, saved, "write %s", path);
    }
    return PND_OK;
}

int pnd_persist_write(const char *root, const struct pnd_persist *persist, struct pnd_why *why)
{
    char text[CONF_CAP];
    int err = format_conf(persist, text, why);

    return err ? err : replace_file(root, PND_PERSIST_CONF, text, 0644, why);
}

int pnd_persist_read(const char *root, struct pnd_persist *ret, struct pnd_why *why)
{
    char path[PND_ROOTED_CAP];
    struct pnd_persist persist = PND_PERSIST_NOTHING;
    int err = pnd_conf_read(pnd_rooted_path(path, root, "%s", PND_PERSIST_CONF), keys,
                            sizeof(keys) / sizeof(keys[0]), &persist, sizeof(persist), why);

    if (err)
        return err;
    if (!*persist.server)
        return pnd_why(why, PND_E_FORMAT, 0, "%s: no server = ADDRESS in [arm]", path);
    *ret = persist;
    return PND_OK;
}

/* ---------------------------------------------------------------- unit and hook */

static const char *find_unit(const char *root)
{
    static const char *const places[] = {
        "/etc/systemd/system/" PND_PERSIST_UNIT, "/usr/local/lib/systemd/system/" PND_PERSIST_UNIT,
        "/usr/lib/systemd/system/" PND_PERSIST_UNIT, "/lib/systemd/system/" PND_PERSIST_UNIT};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (pnd_rooted_exists(root, places[i]))
            return places[i];
    return NULL;
}

static bool has_systemd(const char *root)
{
    return pnd_rooted_exists(root, "/usr/lib/systemd/systemd") ||
           pnd_rooted_exists(root, "/lib/systemd/systemd");
}

/* The place where a system without systemd runs a command when it has started. */
static int say_by_hand(const char *root, struct pnd_why *why)
{
    const char *place = "what your system runs at boot, once the network is there";

    if (pnd_rooted_exists(root, "/etc/local.d"))
        place = "/etc/local.d/panicdump.start (executable; rc-update add local default)";
    else if (pnd_rooted_exists(root, "/etc/runit"))
        place = "/etc/rc.local";
    else if (pnd_rooted_exists(root, "/etc/rc.local"))
        place = "/etc/rc.local, before its exit 0";
    else if (pnd_rooted_exists(root, "/etc/init.d/rcS"))
        place = "/etc/init.d/S99panicdump (executable)";
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "this system has no systemd. What was asked for is kept in " PND_PERSIST_CONF
                   "; put this line into %s: panicdump arm",
                   place);
}

/* Debian's kernel packages run what lies in the one directory; that exists elsewhere, too, made by
 * other packages, where kernels come by kernel-install, which runs what lies in the other. */
static const char *hook_path(const char *root)
{
    bool has_directory = pnd_rooted_exists(root, DEBIAN_DIR);

    if (has_directory && pnd_look_program(root, "dpkg"))
        return DEBIAN_HOOK;
    if (pnd_look_program(root, "kernel-install"))
        return INSTALL_HOOK;
    return has_directory ? DEBIAN_HOOK : NULL;
}

static int put_hook(const char *root, struct pnd_why *why)
{
    char hook[HOOK_CAP];
    const char *path = hook_path(root);
    size_t len;

    if (!path)
        return PND_OK; /* kernels come some other way, and then with a boot */
    if (pnd_rooted_read(root, "/usr/local/share/panicd/kernel-hook", hook, sizeof(hook) - 1) !=
            PND_OK &&
        pnd_rooted_read(root, "/usr/share/panicd/kernel-hook", hook, sizeof(hook) - 1) != PND_OK)
        return pnd_why(why, PND_E_NOTFOUND, errno,
                       "/usr/share/panicd/kernel-hook: install panicd anew");
    len = strlen(hook);
    memcpy(hook + len, "\n", 2);
    return replace_file(root, path, hook, 0755, why);
}

int pnd_persist_enable(const char *root, struct pnd_why *why)
{
    char link_path[PND_ROOTED_CAP], target[PND_ROOTED_CAP];
    const char *unit = find_unit(root);
    ssize_t len;
    int err;

    if (!has_systemd(root))
        return say_by_hand(root, why);
    if (!unit)
        return pnd_why(why, PND_E_NOTFOUND, 0,
                       PND_PERSIST_UNIT " is not installed: `meson install` puts it beside the "
                                        "others, or install the package");
    err = put_hook(root, why);
    if (err)
        return err;
    make_parents(root, WANTS_LINK);
    pnd_rooted_path(link_path, root, "%s", WANTS_LINK);
    len = readlink(link_path, target, sizeof(target) - 1);
    if (len > 0)
        target[len] = '\0';
    if (len <= 0 || strcmp(target, unit) != 0) {
        unlink(link_path);
        if (symlink(unit, link_path) < 0)
            return pnd_why(why, PND_E_SYS, errno, "enable " PND_PERSIST_UNIT ": %s", WANTS_LINK);
    }
    return PND_OK;
}

/* A link may lead to what is only there on the running system. */
static bool is_there(const char *root, const char *path)
{
    char full[PND_ROOTED_CAP];

    return faccessat(AT_FDCWD, pnd_rooted_path(full, root, "%s", path), F_OK,
                     AT_SYMLINK_NOFOLLOW) == 0;
}

bool pnd_persist_is_enabled(const char *root)
{
    return is_there(root, WANTS_LINK) && find_unit(root) && is_there(root, PND_PERSIST_CONF);
}

int pnd_persist_disable(const char *root, struct pnd_why *why)
{
    static const char *const paths[] = {WANTS_LINK, DEBIAN_HOOK, INSTALL_HOOK, PND_PERSIST_CONF};
    char full[PND_ROOTED_CAP];
    int err = PND_E_NOTFOUND;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (!is_there(root, paths[i]))
            continue;
        if (unlink(pnd_rooted_path(full, root, "%s", paths[i])) < 0)
            err = pnd_why(why, PND_E_SYS, errno, "remove %s", paths[i]);
        else if (err == PND_E_NOTFOUND)
            err = PND_OK;
    }
    if (err == PND_E_NOTFOUND)
        return pnd_why(why, err, 0, "nothing is set up to arm at boot");
    return err;
}
