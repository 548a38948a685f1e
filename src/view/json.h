/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What people and scripts are told of dumps and groups, as JSON: the same for panicctl --json and
 * for the page. Everything that came from outside is UTF-8 afterwards. NULL is: no memory. */
#ifndef PND_VIEW_JSON_H
#define PND_VIEW_JSON_H

#include <jansson.h>

#include "store/catalog_facts.h"
#include "view/view.h"

/* Any string: as it is when it is UTF-8, else escaped. */
json_t *pnd_print_json_text(const char *text);
json_t *pnd_print_json_ranges(const struct pnd_dump_range *ranges, unsigned count);

/* RFC 3339, or null for 0. */
json_t *pnd_print_json_time(int64_t ms);

/* The fields of "list --json". @param catalog  NULL: nothing is known of it but @p view */
json_t *pnd_view_json(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                      const struct pnd_view *view);

/* The same, of what is known already. */
json_t *pnd_view_line_json(const struct pnd_spool *spool, const struct pnd_view *view,
                           const struct pnd_facts_line *line);

/* {"group","title","count","machines","kept","first_seen","last_seen","first_id","last_id",
 *  "note"}; note null for none */
json_t *pnd_group_json(const struct pnd_group *group);

#endif
