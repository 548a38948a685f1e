/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A message as RFC 5322 has it: nothing that came from outside begins a header, or ends one. */
#ifndef PND_MESSENGER_MAIL_H
#define PND_MESSENGER_MAIL_H

#include <stdio.h>

#include "message/config.h"
#include "message/queue.h"

enum { PND_MAIL_SUBJECT_MAX = 300 }; /* bytes, before they are encoded */

/* @param now_s  of its Date   @param ret_len  without NUL
 * @return the caller's; NULL no memory */
char *pnd_mail_write(const struct pnd_message_channel *channel,
                     const struct pnd_queue_message *message, int64_t now_s, size_t *ret_len);

/* The subject as a header has it: as it is, or as encoded words (RFC 2047), folded. */
void pnd_mail_put_subject(FILE *to, const char *text);

#endif
