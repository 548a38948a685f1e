/* SPDX-License-Identifier: BSD-2-Clause */
#include "messenger/post.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "host/text.h"
#include "message/template.h"
#include "messenger/mail.h"

/* ---- secrets ---- */

/* The first line of a file that not everybody may read. */
static int read_secret(const char *path, char ret[PND_POST_SECRET_MAX + 1], struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t len;

    if (fd < 0 || fstat(fd, &st) < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s", path);
    if (st.st_mode & S_IROTH)
        return pnd_why(why, PND_E_FORMAT, 0, "everybody may read %s; type: chmod o= %s", path,
                       path);
    len = pnd_io_read_at(fd, 0, ret, PND_POST_SECRET_MAX + 1);
    if (len < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s", path);
    if (len > PND_POST_SECRET_MAX)
        return pnd_why(why, PND_E_FORMAT, 0, "%s has more than %d bytes", path,
                       PND_POST_SECRET_MAX);
    ret[len] = '\0';
    ret[strcspn(ret, "\r\n")] = '\0';
    return ret[0] ? PND_OK : pnd_why(why, PND_E_FORMAT, 0, "%s is empty", path);
}

int pnd_post_sign(const char *secret, int64_t now_s, const char *body, size_t len,
                  char ret[PND_POST_SIGNATURE_CAP])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len = sizeof(mac);
    char start[32], *all;
    size_t start_len;
    bool ok;

    start_len = (size_t)snprintf(start, sizeof(start), "%" PRId64 ".", now_s);
    all = malloc(start_len + len);
    if (!all)
        return PND_E_SYS;
    memcpy(all, start, start_len);
    memcpy(all + start_len, body, len);
    ok = HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)all,
              start_len + len, mac, &mac_len);
    free(all);
    if (!ok)
        return PND_E_SYS;
    memcpy(ret, "v1=", 4);
    for (unsigned i = 0; i < mac_len; i++)
        snprintf(ret + 3 + 2 * i, 3, "%02x", mac[i]);
    return PND_OK;
}

/* ---- what is sent ---- */

char *pnd_post_json(const struct pnd_message_channel *channel,
                    const struct pnd_queue_message *message)
{
    if (channel->body[0])
        return pnd_template_render(channel->body, message->fields, PND_TEMPLATE_JSON);
    return json_dumps(message->fields, JSON_COMPACT);
}

static size_t give(char *to, size_t size, size_t count, void *ctx)
{
    struct pnd_post *post = ctx;
    size_t len = size * count, left = post->body_len - post->body_at;

    if (len > left)
        len = left;
    memcpy(to, post->body + post->body_at, len);
    post->body_at += len;
    return len;
}

/* What is answered is nobody's business, and no room is given to it. */
static size_t ignore(char *data, size_t size, size_t count, void *ctx)
{
    struct pnd_post *post = ctx;

    (void)data;
    post->answered += size * count;
    return post->answered > PND_POST_ANSWER_MAX ? 0 : size * count;
}

static int add(struct pnd_post *post, const char *text)
{
    struct curl_slist *longer = curl_slist_append(post->list, text);

    if (!longer)
        return PND_E_SYS;
    post->list = longer;
    return PND_OK;
}

static int set_protocols(CURL *curl, bool mail)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return (int)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, mail ? "smtp,smtps" : "http,https");
#else
    return (int)curl_easy_setopt(curl, CURLOPT_PROTOCOLS,
                                 mail ? (long)(CURLPROTO_SMTP | CURLPROTO_SMTPS)
                                      : (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static int set_common(struct pnd_post *post, void *ctx)
{
    const struct pnd_message_channel *channel = post->channel;
    long time_ms = (long)channel->time_ms,
         connect_ms = time_ms < PND_POST_CONNECT_MS ? time_ms : PND_POST_CONNECT_MS;
    CURL *curl = post->curl;
    int err = set_protocols(curl, channel->way == PND_MESSAGE_MAIL);

    err |= (int)curl_easy_setopt(curl, CURLOPT_PRIVATE, ctx);
    err |= (int)curl_easy_setopt(curl, CURLOPT_URL, channel->url);
    err |= (int)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->error);
    err |= (int)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    err |= (int)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    err |= (int)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    err |= (int)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, time_ms);
    err |= (int)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    err |= (int)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    err |= (int)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    err |= (int)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (channel->ca_file[0])
        err |= (int)curl_easy_setopt(curl, CURLOPT_CAINFO, channel->ca_file);
    err |= (int)curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    err |= (int)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    err |= (int)curl_easy_setopt(curl, CURLOPT_WRITEDATA, post);
    return err ? PND_E_SYS : PND_OK;
}

static int sign(struct pnd_post *post, int64_t now_s, struct pnd_why *why)
{
    char secret[PND_POST_SECRET_MAX + 1], signature[PND_POST_SIGNATURE_CAP], line[128];
    int err;

    snprintf(line, sizeof(line), "Panicd-Timestamp: %" PRId64, now_s);
    err = add(post, line);
    if (err || !post->channel->secret_file[0])
        return err;
    err = read_secret(post->channel->secret_file, secret, why);
    if (!err)
        err = pnd_post_sign(secret, now_s, post->body, post->body_len, signature);
    OPENSSL_cleanse(secret, sizeof(secret));
    snprintf(line, sizeof(line), "Panicd-Signature: %s", err ? "" : signature);
    return err ? err : add(post, line);
}

static int set_webhook(struct pnd_post *post, const struct pnd_queue_message *message,
                       int64_t now_s, struct pnd_why *why)
{
    char line[PND_QUEUE_ID_CAP + 32];
    int err, failed = 0;

    post->body = pnd_post_json(post->channel, message);
    if (!post->body)
        return pnd_why(why, PND_E_SYS, ENOMEM, "write the message");
    post->body_len = strlen(post->body);
    snprintf(line, sizeof(line), "Idempotency-Key: %s", message->id);
    err = add(post, "Content-Type: application/json");
    if (!err)
        err = add(post, "Expect:");
    if (!err)
        err = add(post, line);
    if (!err)
        err = sign(post, now_s, why);
    if (err)
        return err;
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_USERAGENT, "panicd/" PND_VERSION);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, post->list);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE, (long)post->body_len);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, post->body);
    return failed ? PND_E_SYS : PND_OK;
}

static int set_login(struct pnd_post *post, struct pnd_why *why)
{
    char password[PND_POST_SECRET_MAX + 1];
    int err, failed = 0;

    if (!post->channel->user[0])
        return PND_OK;
    err = read_secret(post->channel->password_file, password, why);
    if (!err) {
        failed |= (int)curl_easy_setopt(post->curl, CURLOPT_USERNAME, post->channel->user);
        failed |= (int)curl_easy_setopt(post->curl, CURLOPT_PASSWORD, password);
    }
    OPENSSL_cleanse(password, sizeof(password));
    return failed ? PND_E_SYS : err;
}

static int set_mail(struct pnd_post *post, const struct pnd_queue_message *message, int64_t now_s,
                    struct pnd_why *why)
{
    const struct pnd_message_channel *channel = post->channel;
    int err = PND_OK, failed = 0;

    post->body = pnd_mail_write(channel, message, now_s, &post->body_len);
    if (!post->body)
        return pnd_why(why, PND_E_SYS, ENOMEM, "write the message");
    for (unsigned i = 0; !err && i < channel->to.count; i++)
        err = add(post, channel->to.at[i]);
    if (!err)
        err = set_login(post, why);
    if (err)
        return err;
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_USE_SSL,
                                    channel->plain ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_MAIL_FROM, channel->from);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_MAIL_RCPT, post->list);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_UPLOAD, 1L);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_READFUNCTION, give);
    failed |= (int)curl_easy_setopt(post->curl, CURLOPT_READDATA, post);
    return failed ? PND_E_SYS : PND_OK;
}

/* ---- its way ---- */

int pnd_post_start(CURLM *multi, const struct pnd_message_channel *channel,
                   const struct pnd_queue_message *message, int64_t now_s, void *ctx,
                   struct pnd_post *ret, struct pnd_why *why)
{
    int err = PND_OK;

    why->text[0] = '\0';
    *ret = (struct pnd_post){.channel = channel, .curl = curl_easy_init()};
    if (!ret->curl)
        return pnd_why(why, PND_E_SYS, 0, "no memory");
    err = set_common(ret, ctx);
    if (!err)
        err = channel->way == PND_MESSAGE_MAIL ? set_mail(ret, message, now_s, why)
                                               : set_webhook(ret, message, now_s, why);
    if (!err && curl_multi_add_handle(multi, ret->curl))
        err = PND_E_SYS;
    if (!err)
        return PND_OK;
    if (!why->text[0])
        pnd_why(why, err, 0, "libcurl does not take the settings");
    pnd_post_drop(multi, ret);
    return err;
}

void pnd_post_drop(CURLM *multi, struct pnd_post *post)
{
    if (!post->curl)
        return;
    curl_multi_remove_handle(multi, post->curl);
    curl_easy_cleanup(post->curl);
    curl_slist_free_all(post->list);
    free(post->body);
    *post = (struct pnd_post){0};
}

/* 2xx: it has it. 5xx and a few of 4xx: it could not now. The rest: it will not. */
static enum pnd_queue_outcome judge_http(long code)
{
    if (code >= 200 && code < 300)
        return PND_QUEUE_SENT;
    return code >= 500 || code == 408 || code == 409 || code == 425 || code == 429
               ? PND_QUEUE_LATER
               : PND_QUEUE_REFUSED;
}

static void say_http(const struct pnd_post *post, long code, struct pnd_post_result *ret)
{
    curl_off_t after_s = 0;

    ret->outcome = judge_http(code);
    snprintf(ret->said, sizeof(ret->said), "it answered with status %ld%s", code,
             code >= 300 && code < 400 ? "; redirects are not followed" : "");
    if (ret->outcome == PND_QUEUE_LATER &&
        !curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &after_s) && after_s > 0)
        ret->after_ms =
            after_s > PND_QUEUE_AFTER_MAX_MS / 1000 ? PND_QUEUE_AFTER_MAX_MS : after_s * 1000;
}

void pnd_post_finish(CURLM *multi, struct pnd_post *post, CURLcode code,
                     struct pnd_post_result *ret)
{
    bool mail = post->channel->way == PND_MESSAGE_MAIL;
    const char *words = post->error[0] ? post->error : curl_easy_strerror(code);
    long status = 0;

    *ret = (struct pnd_post_result){.outcome = PND_QUEUE_LATER};
    curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &status);
    /* An answer that was cut off, or too long, is one: its status has come. */
    if (!mail && status >= 200 &&
        (code == CURLE_OK || code == CURLE_WRITE_ERROR || code == CURLE_PARTIAL_FILE)) {
        say_http(post, status, ret);
    } else if (mail && code == CURLE_OK) {
        ret->outcome = PND_QUEUE_SENT;
        snprintf(ret->said, sizeof(ret->said), "the mail server took it, with %ld", status);
    } else {
        if (mail && status >= 500 && status < 600 && code != CURLE_LOGIN_DENIED &&
            code != CURLE_USE_SSL_FAILED)
            ret->outcome = PND_QUEUE_REFUSED;
        pnd_text_escape(ret->said, sizeof(ret->said), words, strlen(words));
    }
    pnd_post_drop(multi, post);
}
