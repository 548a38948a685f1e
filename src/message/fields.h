/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a message tells: an event as a flat JSON object, whose members are also the fields of
 * templates and the environment of hooks. panicd.conf(5) lists them. Names of dumps are those of
 * "panicctl list --json". Text from outside is clean in it: UTF-8, one line without control
 * characters, so that no name can pretend to be a line of ours, PND_FIELD_TEXT_MAX bytes at most.
 */
#ifndef PND_MESSAGE_FIELDS_H
#define PND_MESSAGE_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/catalog_facts.h"

enum pnd_message_kind {
    PND_MESSAGE_BEGIN,      /* a dump begins to arrive */
    PND_MESSAGE_PANIC,      /* it is known why its machine died */
    PND_MESSAGE_COMPLETE,   /* it has its verdict */
    PND_MESSAGE_INCOMPLETE, /* the same */
    PND_MESSAGE_REFUSED,    /* a sender was refused */
    PND_MESSAGE_ROOM,       /* little room is left */
    PND_MESSAGE_KINDS,
    PND_MESSAGE_TEST = PND_MESSAGE_KINDS, /* somebody asks whether a channel works */
};

enum { PND_FIELD_TEXT_MAX = 1024 };

const char *pnd_message_kind_name(enum pnd_message_kind kind); /* "begin", ... "test" */

/* @return whether there is a field of this name, of @p len bytes */
bool pnd_field_known(const char *name, size_t len);
/* One after the other; NULL behind the last. */
const char *pnd_field_name(unsigned at);

/* {"event","time","server","directory"}. @return the caller's; NULL no memory */
json_t *pnd_fields_create(enum pnd_message_kind kind, int64_t now_ms, const char *directory);

/* "" and 0 leave the field out. */
void pnd_fields_set(json_t *fields, const char *name, const char *text);
void pnd_fields_set_time(json_t *fields, const char *name, int64_t ms);
void pnd_fields_set_dump(json_t *fields, const struct pnd_dump *dump, const char *directory);
void pnd_fields_set_facts(json_t *fields, const struct pnd_facts_line *line);
void pnd_fields_set_group(json_t *fields, const struct pnd_group *group);

/* "text": all of it in a sentence, and "machine", which is the host or else the peer. When nothing
 * else is to come. */
void pnd_fields_settle(json_t *fields);

/* The value for a reader: "" if there is none. Lists are parted by ", ".
 *   @return the caller's; NULL no memory */
char *pnd_field_text(const json_t *fields, const char *name, size_t len);

/* A line for each field that is there. @return the caller's; NULL no memory */
char *pnd_fields_page(const json_t *fields);

#endif
