/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a server counts, as the text that Prometheus reads (version 0.0.4 of the format);
 * panicd-metrics(7) lists the names. */
#ifndef PND_PANICWEB_METRICS_H
#define PND_PANICWEB_METRICS_H

#include <jansson.h>
#include <stddef.h>

#include "store/catalog_facts.h"

/* The content type of the answer. */
#define PND_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum {
    PND_METRICS_GROUPS_MAX = 32, /* told apart, those seen last; each is a time series for ever */
};

struct pnd_metrics_groups {
    struct pnd_group at[PND_METRICS_GROUPS_MAX];
    unsigned first, count; /* a ring, the one seen last at its end */
    uint64_t total;        /* all that there are */
};

/* @return PND_OK; errors of the catalog, and *ret is not to be used */
int pnd_metrics_read_groups(struct pnd_catalog *catalog, struct pnd_metrics_groups *ret,
                            struct pnd_why *why);

/* What is not in @p server, of whatever version it is, is left out; so is all of it when no server
 * answers, but for panicd_up. Labels are escaped whatever they hold.
 *   @param server  the answer to "metrics" of the control socket; NULL: nobody listens
 *   @param groups  NULL: there is no catalog that can be read
 *   @param ret  the caller's, free()
 *   @return PND_OK; PND_E_SYS no memory */
int pnd_metrics_write(const json_t *server, const struct pnd_metrics_groups *groups, char **ret,
                      size_t *ret_len);

#endif
