/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One message on its way over the network, by libcurl: a webhook's POST, or an e-mail. Redirects
 * and proxies are not followed, certificates are verified. Secrets are read for each message, so
 * that a new one counts at once; they are in no text that comes out of here. */
#ifndef PND_MESSENGER_POST_H
#define PND_MESSENGER_POST_H

#include <curl/curl.h>

#include "message/config.h"
#include "message/queue.h"

enum {
    PND_POST_SECRET_MAX = 512,      /* bytes of a file's first line */
    PND_POST_ANSWER_MAX = 64 << 10, /* more than this of an answer ends the attempt */
    PND_POST_CONNECT_MS = 10000,    /* at most; less if all of it may take less */
};

struct pnd_post {
    CURL *curl; /* NULL: nothing is on its way */
    const struct pnd_message_channel *channel;
    struct curl_slist *list; /* headers, or recipients */
    char *body;
    size_t body_len, body_at, answered;
    char error[CURL_ERROR_SIZE];
};

/* What the other side says of it. */
struct pnd_post_result {
    enum pnd_queue_outcome outcome;
    char said[PND_QUEUE_ERROR_CAP]; /* fit to be printed */
    int64_t after_ms;               /* it asks for so much time; 0: it does not */
};

/* @param ret  curl's private pointer is @p ctx
 * @return PND_OK; PND_E_FORMAT a secret cannot be used; PND_E_SYS */
int pnd_post_start(CURLM *multi, const struct pnd_message_channel *channel,
                   const struct pnd_queue_message *message, int64_t now_s, void *ctx,
                   struct pnd_post *ret, struct pnd_why *why);
void pnd_post_finish(CURLM *multi, struct pnd_post *post, CURLcode code,
                     struct pnd_post_result *ret);
void pnd_post_drop(CURLM *multi, struct pnd_post *post);

/* The body of a webhook. @return the caller's; NULL no memory */
char *pnd_post_json(const struct pnd_message_channel *channel,
                    const struct pnd_queue_message *message);

/* "v1=" and the HMAC-SHA256 of "SECONDS.BODY" in hexadecimal. */
enum { PND_POST_SIGNATURE_CAP = 3 + 64 + 1 };
int pnd_post_sign(const char *secret, int64_t now_s, const char *body, size_t len,
                  char ret[PND_POST_SIGNATURE_CAP]);

#endif
