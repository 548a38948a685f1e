/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may what. A line of the password file is NAME:HASH or NAME:HASH:view, with a strong hash of
 * crypt(3); one of the token file TOKEN, TOKEN:view or TOKEN:metrics. "view": may see, and not
 * download; "metrics": /metrics alone. Lines that begin with '#' are none. */
#ifndef PND_PANICWEB_AUTH_H
#define PND_PANICWEB_AUTH_H

#include "panicweb/http.h"
#include "panicweb/web.h"

enum {
    PND_AUTH_PEOPLE_MAX = 1000,
    PND_AUTH_TOKENS_MAX = 1000,
    PND_AUTH_TOKEN_MIN = 20,     /* characters: not to be guessed */
    PND_AUTH_FILE_MAX = 1 << 20, /* bytes */
    PND_AUTH_FAILURES_MAX = 10,  /* of one address, in PND_AUTH_PAUSE_MS */
    PND_AUTH_PAUSE_MS = 60000,
};

/* @param passwords, tokens  paths; NULL: none
 *   @return PND_OK; PND_E_FORMAT a line that is none (why names it); PND_E_FULL; PND_E_SYS */
int pnd_auth_open(const char *passwords, const char *tokens, struct pnd_auth **ret,
                  struct pnd_why *why);
void pnd_auth_close(struct pnd_auth *auth); /* NULL is fine */

enum pnd_auth_answer {
    PND_AUTH_YES,
    PND_AUTH_NO,   /* none given, or wrong */
    PND_AUTH_WAIT, /* wrong too often from @p address */
};

/* Takes as long for a name that is not known, and for a token as for any other of its length.
 *   @param address  of who asks, for counting what is wrong */
enum pnd_auth_answer pnd_auth_check(struct pnd_auth *auth,
                                    const struct pnd_credentials *credentials, const char *address,
                                    uint64_t now_ms, struct pnd_right *ret);

#endif
