/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes JSON into a buffer: compact, in ASCII, commas by itself. What does not fit is an error
 * that stays, so that it is asked for once, at the end. */
#ifndef PND_ADVICE_JSON_H
#define PND_ADVICE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pnd_json {
    char *text; /* always ends with NUL */
    size_t len, cap;
    bool full; /* something was left out */
};

/* @p cap is at least 1. */
void pnd_json_init(struct pnd_json *json, char *text, size_t cap);

/* A value, or, in an object, a member; @p key is ASCII that needs no escape, and NULL in a list and
 * at the top. */
void pnd_json_open(struct pnd_json *json, const char *key, char bracket); /* '{' or '[' */
void pnd_json_close(struct pnd_json *json, char bracket);                 /* '}' or ']' */
void pnd_json_number(struct pnd_json *json, const char *key, int64_t number);
void pnd_json_bool(struct pnd_json *json, const char *key, bool value);
void pnd_json_null(struct pnd_json *json, const char *key);

/* Any string, NULL for null: as it is when it is UTF-8, else as pnd_text_escape() has it. */
void pnd_json_text(struct pnd_json *json, const char *key, const char *text);
void pnd_json_bytes(struct pnd_json *json, const char *key, const char *text, size_t len);

#endif
