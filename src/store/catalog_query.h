/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Questions of somebody who looks at many dumps: some of the rows, the newest first, and what the
 * sightings of all panics look like over time. Errors as in catalog.h. */
#ifndef PND_STORE_CATALOG_QUERY_H
#define PND_STORE_CATALOG_QUERY_H

#include "store/catalog_facts.h"

enum { PND_FILTER_TEXT_CAP = 256 };

/* All that is set has to be so; "" is anything. Upper and lower case are the same. */
struct pnd_filter {
    char machine[PND_FILTER_TEXT_CAP]; /* its own name, or the sender's address */
    char os[PND_FILTER_TEXT_CAP];      /* "Linux" */
    char kernel[PND_FILTER_TEXT_CAP];  /* begins so */
    char text[PND_FILTER_TEXT_CAP];    /* somewhere in name, title, machine, address or note */
    char group[PND_SIGNATURE_CAP];
    char state[16]; /* as pnd_dump_state_text() has it */
};

/* Rows with an id below @p before (0: all), the newest first, at most @p limit of them, with what
 * is known of each. @p each may not use the catalog; false stops.
 *   @param ret_total  of all that the filter lets through, whatever @p before; may be NULL */
int pnd_catalog_select(struct pnd_catalog *catalog, const struct pnd_filter *filter,
                       uint64_t before, unsigned limit,
                       bool (*each)(const struct pnd_dump *dump, const struct pnd_facts_line *line,
                                    void *ctx),
                       void *ctx, uint64_t *ret_total, struct pnd_why *why);

/* How many rows there are. */
int pnd_catalog_count(struct pnd_catalog *catalog, uint64_t *ret, struct pnd_why *why);

/* The groups of which the filter lets a sighting through, each as a whole; in the order of
 * pnd_catalog_groups(). */
int pnd_catalog_groups_select(struct pnd_catalog *catalog, const struct pnd_filter *filter,
                              bool (*each)(const struct pnd_group *group, void *ctx), void *ctx,
                              struct pnd_why *why);

/* One dump on the line of time: of a sighting, or of a row without one. */
struct pnd_point {
    int64_t ms;
    char machine[64]; /* "" not known */
    uint64_t id;
    char group[PND_SIGNATURE_CAP]; /* "" none */
    bool kept;                     /* the dump is still there */
};

/* Those since @p since_ms that the filter lets through, the newest first, at most @p limit. @p each
 * as above. */
int pnd_catalog_points(struct pnd_catalog *catalog, const struct pnd_filter *filter,
                       int64_t since_ms, unsigned limit,
                       bool (*each)(const struct pnd_point *point, void *ctx), void *ctx,
                       struct pnd_why *why);

/* A number that changes when another program has changed the catalog; of one handle. */
int pnd_catalog_version(struct pnd_catalog *catalog, int64_t *ret, struct pnd_why *why);

#endif
