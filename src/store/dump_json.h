/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dump as JSON, the form of its extended attribute. The field names are those of
 * "panicctl list --json"; what JSON cannot hold is in hexadecimal beside it. */
#ifndef PND_STORE_DUMP_JSON_H
#define PND_STORE_DUMP_JSON_H

#include <jansson.h>

#include "store/catalog.h"

/* {"id","name" or "name_hex","state","checked","reason","format","sha256","bytes","peer",
 *  "peer_port","protocol","started_at","received_at","packets","repeats","missing"}; not the file
 * name, which the file itself has. @return the caller's; NULL no memory */
json_t *pnd_dump_to_json(const struct pnd_dump *dump);

/* What is missing, of a wrong type or out of bounds is 0 or ""; "file" is left as it is.
 * @return PND_OK; PND_E_FORMAT no object, or one without a usable id */
int pnd_dump_from_json(const json_t *json, struct pnd_dump *ret);

/* [{"start":0,"end":512},{"start":1024,"end":null}] */
json_t *pnd_dump_ranges_to_json(const struct pnd_dump_range *ranges, unsigned count);
/* @return how many are in @p ret, at most PND_DUMP_MISSING_CAP */
unsigned pnd_dump_ranges_from_json(const json_t *json, struct pnd_dump_range *ret);

/* "complete" ... @return false: not one of them, @p ret is PND_DUMP_RECEIVING */
bool pnd_dump_state_parse(const char *text, enum pnd_dump_state *ret);

/* The attribute of an open file. @return PND_OK; PND_E_NOTFOUND none; PND_E_FORMAT; PND_E_SYS */
int pnd_dump_read_label(int fd, struct pnd_dump *ret);

#endif
