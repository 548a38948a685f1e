/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What arm, disarm and status show: a name, and what there is to say, wrapped at 79 columns. */
#ifndef PND_PANICDUMP_PAGE_H
#define PND_PANICDUMP_PAGE_H

#include <stdint.h>

#include "panicd/client.h"

#include "arm/machine.h"
#include "capture/options.h"

enum {
    PND_PAGE_INDENT = 13,
    PND_PAGE_COLUMNS = 79,
    PND_PAGE_TEXT_CAP = 16384,
    PND_PAGE_SERVER_CAP = 24, /* "255.255.255.255:65535" */
    PND_PAGE_MAC_CAP = 18,
};

/* On standard output. An empty @p name goes on with the one before. Newlines stay; what could
 * steer a terminal becomes '?'. */
__attribute__((format(printf, 2, 3))) void pnd_page_field(const char *name, const char *fmt, ...);

/* What @p machine found: what is not in order, and what to type; with @p all the rest as well. */
void pnd_page_checks(const struct pnd_machine *machine, bool all);

/* "everything, compressed; tried for 10 min; then the machine restarts" */
void pnd_page_dump(const struct pnd_capture_options *options);

/* @return @p dst */
const char *pnd_page_server(char dst[PND_PAGE_SERVER_CAP], struct pnd_endpoint server);
const char *pnd_page_mac(char dst[PND_PAGE_MAC_CAP], const uint8_t mac[6]);

#endif
