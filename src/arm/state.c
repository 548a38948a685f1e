/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is armed: see state.h. */
#include "arm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"

enum { VERSION = 1, BOOT_ID_CAP = 64, LOCK_STEP_MS = 50 };

#define LOCK_PATH "/run/panicd/arm.lock"

static void drop(json_t **json)
{
    json_decref(*json);
}

#define AUTO_JSON PND_AUTO(drop) json_t *

/* Which start of the machine this is. @source random(4), boot_id */
static void read_boot(const char *root, char ret[BOOT_ID_CAP])
{
    pnd_rooted_read(root, "/proc/sys/kernel/random/boot_id", ret, BOOT_ID_CAP);
}

static json_t *pack_nmi(const struct pnd_state *state)
{
    json_t *object = json_object();

    for (int i = 0; i < PND_NMI_SETTINGS; i++)
        if (state->nmi_before.value[i] != PND_NMI_ABSENT)
            json_object_set_new(object, pnd_nmi_name(i), json_integer(state->nmi_before.value[i]));
    return object;
}

static json_t *pack(const char *root, const struct pnd_state *s)
{
    char boot[BOOT_ID_CAP];
    json_t *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i}", "version",
        VERSION, "release", s->release, "kernel", s->kernel, "loader", s->loader, "since_ms",
        (json_int_t)s->since_ms, "options", s->options, "interface", s->interface, "port", s->port,
        "driver", s->driver, "kernel_bytes", (json_int_t)s->kernel_bytes, "initramfs_bytes",
        (json_int_t)s->initramfs_bytes, "reserved_bytes", (json_int_t)s->reserved_bytes,
        "needed_bytes", (json_int_t)s->needed_bytes, "modules", (int)s->module_count);

    if (json && s->on_nmi)
        json_object_set_new(json, "nmi_before", pack_nmi(s));
    if (json && s->unfinished)
        json_object_set_new(json, "unfinished", json_true());
    read_boot(root, boot);
    if (json)
        json_object_set_new(json, "boot_id", json_string(boot));
    return json;
}

/* Whole or not at all: under another name first. */
static int put_file(const char *path, const char *text)
{
    char draft[PND_ROOTED_CAP + 4];

    snprintf(draft, sizeof(draft), "%s.new", path);
    unlink(draft);
    PND_AUTO_CLOSE int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 || fchmod(fd, 0644) < 0 || pnd_io_write(fd, text, strlen(text)))
        return PND_E_SYS;
    return rename(draft, path) < 0 ? PND_E_SYS : PND_OK;
}

/* Everybody may read what is armed, whatever umask says. */
static void make_place(const char *root)
{
    char path[PND_ROOTED_CAP];

    mkdir(pnd_rooted_path(path, root, "/run"), 0755);
    if (mkdir(pnd_rooted_path(path, root, "/run/panicd"), 0755) == 0)
        chmod(path, 0755);
}

int pnd_state_lock(const char *root, unsigned wait_ms, int *ret, struct pnd_why *why)
{
    char path[PND_ROOTED_CAP];
    PND_AUTO_CLOSE int fd = -1;

    make_place(root);
    fd = open(pnd_rooted_path(path, root, LOCK_PATH), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
              0600);
    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return pnd_why(why, PND_E_SYS, errno, "lock %s", path);
        if (waited >= wait_ms)
            return pnd_why(why, PND_E_BUSY, 0,
                           "another panicdump arms or disarms at this moment, and has not ended "
                           "within %u s: see `fuser -v %s`",
                           wait_ms / 1000, path);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
    }
    *ret = pnd_steal_fd(&fd);
    return PND_OK;
}

int pnd_state_write(const char *root, const struct pnd_state *state, struct pnd_why *why)
{
    char path[PND_ROOTED_CAP], *text;
    AUTO_JSON json = pack(root, state);
    int err;

    if (!json)
        return pnd_why(why, PND_E_FORMAT, 0, "what is armed cannot be written as JSON");
    text = json_dumps(json, JSON_INDENT(1));
    if (!text)
        return pnd_why(why, PND_E_SYS, ENOMEM, "write " PND_STATE_PATH);
    make_place(root);
    err = put_file(pnd_rooted_path(path, root, PND_STATE_PATH), text);
    if (err)
        pnd_why(why, err, errno, "write %s", path);
    free(text);
    return err;
}

static void take_text(const json_t *json, const char *key, char *dst, size_t cap)
{
    const char *text = json_string_value(json_object_get(json, key));

    snprintf(dst, cap, "%s", text ? text : "");
}

static uint64_t take_number(const json_t *json, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(json, key));

    return n < 0 ? 0 : (uint64_t)n;
}

static void unpack(const json_t *json, struct pnd_state *s)
{
    const json_t *nmi = json_object_get(json, "nmi_before");

    take_text(json, "release", s->release, sizeof(s->release));
    take_text(json, "kernel", s->kernel, sizeof(s->kernel));
    take_text(json, "loader", s->loader, sizeof(s->loader));
    take_text(json, "options", s->options, sizeof(s->options));
    take_text(json, "interface", s->interface, sizeof(s->interface));
    take_text(json, "port", s->port, sizeof(s->port));
    take_text(json, "driver", s->driver, sizeof(s->driver));
    s->since_ms = (int64_t)take_number(json, "since_ms");
    s->kernel_bytes = take_number(json, "kernel_bytes");
    s->initramfs_bytes = take_number(json, "initramfs_bytes");
    s->reserved_bytes = take_number(json, "reserved_bytes");
    s->needed_bytes = take_number(json, "needed_bytes");
    s->module_count = (uint32_t)take_number(json, "modules");
    s->unfinished = json_is_true(json_object_get(json, "unfinished"));
    s->on_nmi = nmi != NULL;
    for (int i = 0; i < PND_NMI_SETTINGS; i++) {
        const json_t *value = json_object_get(nmi, pnd_nmi_name(i));

        s->nmi_before.value[i] = value ? (int)json_integer_value(value) : PND_NMI_ABSENT;
    }
}

int pnd_state_read(const char *root, struct pnd_state *ret, struct pnd_why *why)
{
    char path[PND_ROOTED_CAP], boot[BOOT_ID_CAP], of_boot[BOOT_ID_CAP];
    static char text[PND_STATE_BYTES_MAX];
    json_error_t error;

    if (pnd_rooted_read(root, PND_STATE_PATH, text, sizeof(text)))
        return pnd_why(why, errno == ENOENT ? PND_E_NOTFOUND : PND_E_SYS, errno, "read %s",
                       pnd_rooted_path(path, root, PND_STATE_PATH));
    AUTO_JSON json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!json)
        return pnd_why(why, PND_E_FORMAT, 0, "%s, line %d: %s",
                       pnd_rooted_path(path, root, PND_STATE_PATH), error.line, error.text);
    if (take_number(json, "version") != VERSION)
        return pnd_why(why, PND_E_FORMAT, 0,
                       "%s is not of this version: type \"panicdump arm\" again",
                       pnd_rooted_path(path, root, PND_STATE_PATH));
    read_boot(root, boot);
    take_text(json, "boot_id", of_boot, sizeof(of_boot));
    if (strcmp(boot, of_boot) != 0)
        return pnd_why(why, PND_E_NOTFOUND, 0, "%s is of an earlier start of this machine",
                       pnd_rooted_path(path, root, PND_STATE_PATH));
    memset(ret, 0, sizeof(*ret));
    unpack(json, ret);
    return PND_OK;
}

int pnd_state_remove(const char *root, struct pnd_why *why)
{
    char path[PND_ROOTED_CAP];

    if (unlink(pnd_rooted_path(path, root, PND_STATE_PATH)) < 0 && errno != ENOENT)
        return pnd_why(why, PND_E_SYS, errno, "remove %s", path);
    return PND_OK;
}
