/* SPDX-License-Identifier: BSD-2-Clause
 *
 * [message NAME] of panicd.conf(5): who is told, of what, and how. A channel is a hook, a webhook
 * or an address of e-mail, by which of its keys it has. Paths of secrets stand here, no secrets. */
#ifndef PND_MESSAGE_CONFIG_H
#define PND_MESSAGE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "host/conf.h"
#include "message/fields.h"

enum {
    PND_MESSAGE_CHANNELS_MAX = 16,
    PND_MESSAGE_URL_CAP = 180,
    PND_MESSAGE_PATH_CAP = 1024,
    PND_MESSAGE_TO_MAX = 16, /* recipients of one e-mail */
    PND_MESSAGE_ADDRESS_CAP = 128,
    PND_MESSAGE_SUBJECT_CAP = 256,
    PND_MESSAGE_BODY_CAP = 4096,
};

enum pnd_message_way { PND_MESSAGE_HOOK, PND_MESSAGE_WEBHOOK, PND_MESSAGE_MAIL };

struct pnd_message_to {
    char at[PND_MESSAGE_TO_MAX][PND_MESSAGE_ADDRESS_CAP];
    unsigned count;
};

struct pnd_message_channel {
    char name[PND_CONF_NAME_CAP]; /* letters, digits, '-' and '_' */
    enum pnd_message_way way;
    unsigned events;    /* bit of each pnd_message_kind that it is told of */
    uint64_t again_ms;  /* the same again is told in one message after so long; 0: each by itself */
    uint64_t expire_ms; /* what could not be told for so long is not told any more */
    uint64_t time_ms;   /* that one attempt may take */
    uint64_t room_bytes; /* less free than this is little room */
    char program[PND_MESSAGE_PATH_CAP], url[PND_MESSAGE_URL_CAP], page[PND_MESSAGE_URL_CAP];
    char secret_file[PND_MESSAGE_PATH_CAP], ca_file[PND_MESSAGE_PATH_CAP];
    char from[PND_MESSAGE_ADDRESS_CAP], user[PND_MESSAGE_ADDRESS_CAP];
    char password_file[PND_MESSAGE_PATH_CAP];
    struct pnd_message_to to;
    bool plain; /* e-mail may go without TLS */
    char subject[PND_MESSAGE_SUBJECT_CAP], body[PND_MESSAGE_BODY_CAP]; /* templates; "": ours */
};

struct pnd_message_config {
    struct pnd_message_channel at[PND_MESSAGE_CHANNELS_MAX];
    unsigned count;
};

/* Relative paths of files are beside @p path. No file but @p path is opened.
 *   @return PND_OK, also when nobody is to be told; as pnd_conf_read() */
int pnd_message_config_read(const char *path, struct pnd_message_config *ret, struct pnd_why *why);

/* Where it goes, fit to be printed and without secrets: the program, the host, the recipients. */
const char *pnd_message_target(const struct pnd_message_channel *channel, char *ret, size_t cap);

const char *pnd_message_way_name(enum pnd_message_way way); /* "hook", "webhook", "e-mail" */

#endif
