/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Texts of the site's with ${field} in them (message/fields.h); "$${" is a plain "${". */
#ifndef PND_MESSAGE_TEMPLATE_H
#define PND_MESSAGE_TEMPLATE_H

#include <jansson.h>

#include "host/why.h"

/* Where the field stands: what it says cannot end that, nor begin another. */
enum pnd_template_place {
    PND_TEMPLATE_TEXT, /* a field is one line at most */
    PND_TEMPLATE_JSON, /* within the quotes of a string */
};

/* @return PND_OK; PND_E_FORMAT a field that is none, or one without its end: @p why names it */
int pnd_template_check(const char *text, struct pnd_why *why);

/* @return the caller's; NULL no memory */
char *pnd_template_render(const char *text, const json_t *fields, enum pnd_template_place place);

#endif
