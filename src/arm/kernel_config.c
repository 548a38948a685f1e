/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A kernel's configuration, packed or not: zlib reads both alike. */
#include "arm/kernel_config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "arm/rooted.h"

static int read_all(const char *path, struct pnd_kernel_config *config, struct pnd_why *why)
{
    gzFile file = gzopen(path, "rbe");
    char *text;
    int len;

    if (!file)
        return errno == ENOENT || errno == ENOTDIR ? PND_E_NOTFOUND
                                                   : pnd_why(why, PND_E_SYS, errno, "%s", path);
    text = malloc(PND_KERNEL_CONFIG_BYTES_MAX);
    if (!text) {
        gzclose(file);
        return pnd_why(why, PND_E_SYS, ENOMEM, "%s", path);
    }
    len = gzread(file, text, PND_KERNEL_CONFIG_BYTES_MAX);
    gzclose(file);
    if (len < 0 || len == PND_KERNEL_CONFIG_BYTES_MAX) {
        free(text);
        return len < 0 ? pnd_why(why, PND_E_SYS, 0, "%s cannot be read or unpacked", path)
                       : pnd_why(why, PND_E_RANGE, 0, "%s is larger than %d MiB", path,
                                 PND_KERNEL_CONFIG_BYTES_MAX >> 20);
    }
    config->text = text;
    config->len = (size_t)len;
    return PND_OK;
}

static bool is_running(const char *root, const char *release)
{
    char running[256];

    return pnd_rooted_read(root, "/proc/sys/kernel/osrelease", running, sizeof(running)) ==
               PND_OK &&
           strcmp(running, release) == 0;
}

int pnd_kernel_config_open(const char *root, const char *release, struct pnd_kernel_config *ret,
                           struct pnd_why *why)
{
    static const struct {
        const char *before, *after;
    } places[] = {
        {"/boot/config-", ""}, {"/lib/modules/", "/config"}, {"/usr/lib/modules/", "/config"}};
    enum { PLACES = sizeof(places) / sizeof(places[0]) };
    struct pnd_kernel_config config = {0};
    char full[PND_ROOTED_CAP];

    for (size_t i = 0; i <= PLACES; i++) {
        if (i < PLACES) {
            snprintf(config.path, sizeof(config.path), "%s%s%s", places[i].before, release,
                     places[i].after);
        } else if (is_running(root, release)) {
            snprintf(config.path, sizeof(config.path), "/proc/config.gz");
        } else {
            break;
        }

        int err = read_all(pnd_rooted_path(full, root, "%s", config.path), &config, why);

        if (err == PND_E_NOTFOUND)
            continue;
        if (err == PND_OK)
            *ret = config;
        return err;
    }
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "no /boot/config-%s, no /lib/modules/%s/config, no /proc/config.gz", release,
                   release);
}

void pnd_kernel_config_close(struct pnd_kernel_config *config)
{
    free(config->text);
    *config = (struct pnd_kernel_config){0};
}

char pnd_kernel_config_get(const struct pnd_kernel_config *config, const char *name)
{
    size_t name_len = strlen(name);
    const char *at = config->text, *end = config->text + config->len;

    while (at && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);

        if (len == 7 + name_len + 2 && memcmp(at, "CONFIG_", 7) == 0 &&
            memcmp(at + 7, name, name_len) == 0 && at[7 + name_len] == '=') {
            char value = at[7 + name_len + 1];

            return value == 'y' || value == 'm' ? value : 'n';
        }
        at = newline ? newline + 1 : NULL;
    }
    return 'n';
}
