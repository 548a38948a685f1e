/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What panicd.conf(5) says of streams; see receive.h. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "host/conf.h"
#include "panicctl/receive.h"

#define AT(member)       offsetof(struct pnd_receive_config, member)
#define TEXT_CAP(member) sizeof(((struct pnd_receive_config *)0)->member)

static const struct pnd_conf_key keys[] = {
    {.section = "stream",
     .key = "listen",
     .type = PND_CONF_STRING,
     .offset = AT(listen),
     .min = 1,
     .max = TEXT_CAP(listen),
     .allowed = "an address and a port such as 10.0.40.2:1069 or [::]:1069"},
    {.section = "stream",
     .key = "plain",
     .type = PND_CONF_BOOL,
     .offset = AT(plain),
     .allowed = "yes or no"},
    {.section = "stream",
     .key = "certificate",
     .type = PND_CONF_STRING,
     .offset = AT(certificate),
     .min = 1,
     .max = TEXT_CAP(certificate),
     .allowed = "a path"},
    {.section = "stream",
     .key = "key",
     .type = PND_CONF_STRING,
     .offset = AT(key),
     .min = 1,
     .max = TEXT_CAP(key),
     .allowed = "a path"},
    {.section = "stream",
     .key = "clients",
     .type = PND_CONF_STRING,
     .offset = AT(clients),
     .min = 1,
     .max = TEXT_CAP(clients),
     .allowed = "a path"},
    {.section = "stream",
     .key = "senders",
     .type = PND_CONF_UINT,
     .offset = AT(senders),
     .min = 1,
     .max = PND_RECEIVE_SENDERS_MAX,
     .allowed = "a number from 1 to 256"},
    {.section = "stream",
     .key = "idle",
     .type = PND_CONF_DURATION,
     .offset = AT(idle_ms),
     .min = PND_RECEIVE_IDLE_MS_MIN,
     .max = PND_RECEIVE_IDLE_MS_MAX,
     .allowed = "a time from 100ms to 1h"},
    {.section = "policy",
     .key = "dump-bytes",
     .type = PND_CONF_SIZE,
     .offset = AT(bytes_max),
     .min = 1,
     .max = UINT64_C(1) << 60,
     .allowed = "a size such as 64G"},
    {.section = "policy",
     .key = "floor",
     .type = PND_CONF_SIZE,
     .offset = AT(floor_bytes),
     .allowed = "a size such as 1G; 0 for none"},
    {.section = "policy"}, /* the rest is panicd's */
    {.section = "receive"},
    {.section = "time"},
    {.section = "message", .named = pnd_conf_any_name},
};

/* A path that does not begin with a slash is one beside the file that names it. */
static int place(char path[PND_RECEIVE_PATH_CAP], const char *file, struct pnd_why *why)
{
    const char *slash = strrchr(file, '/');
    size_t dir_len = slash ? (size_t)(slash - file) + 1 : 0, len = strlen(path);

    if (path[0] == '/' || dir_len == 0)
        return PND_OK;
    if (dir_len + len >= PND_RECEIVE_PATH_CAP)
        return pnd_why(why, PND_E_FORMAT, 0, "%s: [stream]: a path is too long", file);
    memmove(path + dir_len, path, len + 1);
    memcpy(path, file, dir_len);
    return PND_OK;
}

int pnd_receive_config_read(const char *path, struct pnd_receive_config *ret, struct pnd_why *why)
{
    struct pnd_receive_config config = {.listen = "[::]:1069",
                                        .certificate = "stream/server.pem",
                                        .key = "stream/server.key",
                                        .clients = "stream/clients.pem",
                                        .senders = PND_RECEIVE_SENDERS,
                                        .idle_ms = PND_RECEIVE_IDLE_MS,
                                        .bytes_max = PND_STREAM_BYTES_MAX,
                                        .floor_bytes = PND_RECEIVE_FLOOR};
    int err = pnd_conf_read(path, keys, sizeof(keys) / sizeof(*keys), &config, sizeof(config), why);

    if (!err)
        err = place(config.certificate, path, why);
    if (!err)
        err = place(config.key, path, why);
    if (!err)
        err = place(config.clients, path, why);
    if (!err)
        *ret = config;
    return err;
}

void pnd_receive_config_apply(const struct pnd_receive_config *config, struct pnd_receive *receive)
{
    bool tls = receive->certificate || receive->key || receive->clients;

    if (!receive->listen)
        receive->listen = config->listen;
    if (!receive->plain && !tls && config->plain)
        receive->plain = true;
    if (!receive->plain) {
        receive->certificate = receive->certificate ? receive->certificate : config->certificate;
        receive->key = receive->key ? receive->key : config->key;
        receive->clients = receive->clients ? receive->clients : config->clients;
    }
    if (!receive->senders)
        receive->senders = (unsigned)config->senders;
    if (!receive->idle_ms)
        receive->idle_ms = config->idle_ms;
    if (!receive->bytes_max)
        receive->bytes_max = config->bytes_max;
    if (receive->floor_bytes == PND_RECEIVE_NOT_SAID)
        receive->floor_bytes = config->floor_bytes;
}
