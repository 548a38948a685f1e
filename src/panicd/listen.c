/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "host/clock.h"
#include "host/log.h"
#include "panicd/server.h"
#include "panicd/service.h"

enum {
    BIND_PATIENCE_MS = 1000,
    BIND_PAUSE_MS = 10,
};

/* A server that was killed may leave a child that has its sockets for the moment until it starts
 * its own program: the port is waited for, as the directory's lock says that nobody serves it. */
static int bind_patiently(struct pnd_server *server, enum pnd_service service, const char *address,
                          struct pnd_why *why)
{
    const struct timespec pause = {.tv_nsec = BIND_PAUSE_MS * 1000000L};
    uint64_t end_ms = pnd_clock_ms() + BIND_PATIENCE_MS;
    uint16_t port = pnd_config_port(&server->config, service);
    int err;

    while ((err = pnd_net_bind(server->net, service, address, port, why)) == PND_E_BUSY &&
           pnd_clock_ms() < end_ms)
        nanosleep(&pause, NULL);
    if (err == PND_E_BUSY) {
        struct pnd_why busy = *why;

        pnd_why(why, err, 0, "%s, %s chooses another", busy.text,
                pnd_service(service)->port_option);
    }
    return err;
}

static int bind_all(struct pnd_server *server, enum pnd_service service, struct pnd_why *why)
{
    const struct pnd_config_addresses *addresses = &server->config.addresses;
    uint16_t port = pnd_config_port(&server->config, service);
    int err = PND_OK;

    if (port == 0)
        return PND_OK;
    for (unsigned i = 0; i < service; i++)
        if (pnd_config_port(&server->config, i) == port)
            return pnd_why(why, PND_E_ARG, 0,
                           "UDP port %u is to be for %s and for %s; %s chooses another", port,
                           pnd_service(i)->name, pnd_service(service)->name,
                           pnd_service(service)->port_option);
    for (unsigned i = 0; i < addresses->count && !err; i++)
        err = bind_patiently(server, service, addresses->at[i], why);
    return err;
}

/* A service whose port nobody asked for, and somebody else has, is done without. */
static int listen_for(struct pnd_server *server, enum pnd_service service, struct pnd_why *why)
{
    int err = bind_all(server, service, why);

    if (!err || pnd_service(service)->needed ||
        server->config.ports[service] != PND_CONFIG_PORT_UNSAID)
        return err;
    pnd_log(PND_WARNING, "not-listening", "protocol=%s port=%u why=\"%s\"",
            pnd_service(service)->name, pnd_service(service)->port, why->text);
    snprintf(server->unheard[service], sizeof(server->unheard[service]), "%s", why->text);
    return PND_OK;
}

/* A unit without FileDescriptorName= gives its socket its own name. */
static int service_of(const char *name, enum pnd_service *ret, struct pnd_why *why)
{
    static const char unit[] = ".socket";
    size_t len = strlen(name), unit_len = strlen(unit);

    if (pnd_service_find(name, ret) == PND_OK)
        return PND_OK;
    if (strcmp(name, "unknown") != 0 &&
        (len < unit_len || strcmp(name + len - unit_len, unit) != 0))
        return pnd_why(why, PND_E_ARG, 0,
                       "the service manager calls a socket \"%s\"; "
                       "FileDescriptorName= of the .socket unit names a protocol, such as %s",
                       name, pnd_service(PND_SERVICE_KDP)->name);
    *ret = PND_SERVICE_KDP;
    return PND_OK;
}

static int adopt(struct pnd_server *server, const char *name, int fd, bool *ret_made,
                 struct pnd_why *why)
{
    enum pnd_service service;
    int err = service_of(name, &service, why);

    if (!err)
        err = pnd_net_adopt(server->net, service, fd, why);
    if (!err)
        ret_made[service] = true;
    return err;
}

int pnd_listen_open(struct pnd_server *server, struct pnd_why *why)
{
    bool made[PND_SERVICES] = {false};
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names), err = PND_OK;

    server->net = pnd_net_create();
    if (!server->net)
        err = pnd_why(why, PND_E_SYS, ENOMEM, "network buffers");
    for (int i = 0; i < count; i++) {
        if (!err)
            err = adopt(server, names[i], SD_LISTEN_FDS_START + i, made, why);
        free(names[i]);
    }
    free((void *)names);
    for (unsigned i = 0; i < PND_SERVICES && !err; i++)
        if (!made[i])
            err = listen_for(server, i, why);
    return err;
}
