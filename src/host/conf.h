/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A strict INI file: what the table does not name is an error that says what may stand there.
 * The whole file is judged before anything is taken, so that a program that reads it again keeps
 * all of its settings or gets all of the new ones. */
#ifndef PND_HOST_CONF_H
#define PND_HOST_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "host/why.h"

enum pnd_conf_type {
    PND_CONF_BOOL,     /* bool *: yes no true false on off 1 0 */
    PND_CONF_UINT,     /* uint64_t *: min..max */
    PND_CONF_SIZE,     /* uint64_t *: bytes, min..max, "10G" (host/text.h) */
    PND_CONF_DURATION, /* uint64_t *: ms, min..max, "20s" */
    PND_CONF_STRING,   /* char[max], NUL included; at least min bytes */
    PND_CONF_LIST,     /* add(): once per item, items parted by blanks and commas */
    PND_CONF_LINES,    /* char[max]: a text; lines that start with a blank go on with it, a line
                        * with nothing but "." is an empty one; check(), if any, for each line */
};

enum {
    PND_CONF_KEYS_MAX = 128,         /* entries in a table */
    PND_CONF_FILE_MAX = 1024 * 1024, /* bytes in a file */
    PND_CONF_NAME_CAP = 33,          /* of a [section NAME], with NUL; inih cuts longer ones */
};

struct pnd_conf_key {
    const char *section;
    const char *key; /* NULL: what else stands in this section is another program's */
    enum pnd_conf_type type;
    size_t offset;       /* of the value in the struct that the file is read into */
    uint64_t min, max;   /* max 0: no bound (STRING: its size, never 0) */
    const char *allowed; /* what may stand there, for the message: "a CIDR such as 10.0.0.0/8" */
    /* LIST: @p value is the struct's member at offset. @return PND_OK, or an error with @p why */
    int (*add)(void *value, const char *item, struct pnd_why *why);
    /* LIST: empties the member before the first item, so that a file replaces a default; may be
     * NULL */
    void (*clear)(void *value);
    /* LINES. @return PND_OK, or an error with @p why */
    int (*check)(const char *line, struct pnd_why *why);
    /* Not NULL: the section is [section NAME], and may stand there for any number of names. Called
     * once for each, for the keys of one section with the same function. @p dst is the struct.
     *   @return where the values of this NAME lie: their offsets count from there; NULL with @p
     * why: there may be none of this name */
    void *(*named)(void *dst, const char *name, struct pnd_why *why);
};

/* For pnd_conf_key.named of sections that are another program's. */
void *pnd_conf_any_name(void *dst, const char *name, struct pnd_why *why);

/* Reads @p path into @p dst, a struct of @p dst_size bytes that holds the defaults. Keys that the
 * file does not have keep them. Members that are pointers are the caller's trouble: the values
 * are gathered in a copy of the struct, and copied back only if the whole file is right.
 *   @return PND_OK; PND_E_NOTFOUND no such file; PND_E_SYS; PND_E_FORMAT (why: file, line, key,
 *           what is wrong and what is allowed); @p dst is untouched by every error */
int pnd_conf_read(const char *path, const struct pnd_conf_key *keys, size_t count, void *dst,
                  size_t dst_size, struct pnd_why *why);

#endif
