/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/service.h"

#include <string.h>

#include "panicd/err.h"
#include "panicd/extension.h"
#include "wire/kdp.h"
#include "wire/netdump.h"

static const struct pnd_service_is services[PND_SERVICES] = {
    [PND_SERVICE_KDP] = {.name = "kdp",
                         .port_option = "--port",
                         .port = PND_KDP_PORT,
                         .needed = true,
                         .protocol = PND_PROTOCOL_KDP,
                         .aside = pnd_extension_aside},
    [PND_SERVICE_NETDUMP] = {.name = "netdump",
                             .port_option = "--netdump-port",
                             .port = PND_NETDUMP_PORT,
                             .protocol = PND_PROTOCOL_NETDUMP},
    [PND_SERVICE_TFTP] = {.name = "tftp",
                          .port_option = "--tftp-port",
                          .protocol = PND_PROTOCOL_TFTP},
};

const struct pnd_service_is *pnd_service(enum pnd_service service)
{
    return &services[service];
}

int pnd_service_find(const char *name, enum pnd_service *ret)
{
    for (unsigned i = 0; i < PND_SERVICES; i++) {
        if (strcmp(services[i].name, name) == 0) {
            *ret = i;
            return PND_OK;
        }
    }
    return PND_E_NOTFOUND;
}
