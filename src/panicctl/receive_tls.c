/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TLS by OpenSSL; see receive.h. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panicctl/receive.h"

struct pnd_tls {
    SSL_CTX *context;
    SSL *session;
};

/* What OpenSSL says of its first failure. */
static int failed(struct pnd_why *why, int err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    return pnd_why(why, err, 0, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
}

static int set_up(SSL_CTX *context, const struct pnd_receive *receive, struct pnd_why *why)
{
    char what[512];

    snprintf(what, sizeof(what), "use the certificate %s", receive->certificate);
    if (SSL_CTX_use_certificate_chain_file(context, receive->certificate) != 1)
        return failed(why, PND_E_SOURCE, what);
    snprintf(what, sizeof(what), "use the key %s", receive->key);
    if (SSL_CTX_use_PrivateKey_file(context, receive->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return failed(why, PND_E_SOURCE, what);
    snprintf(what, sizeof(what), "read who signs the senders' certificates from %s",
             receive->clients);
    if (SSL_CTX_load_verify_file(context, receive->clients) != 1)
        return failed(why, PND_E_SOURCE, what);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        return failed(why, PND_E_SYS, "set up TLS");
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(receive->clients));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    return PND_OK;
}

int pnd_tls_create(const struct pnd_receive *receive, struct pnd_tls **ret, struct pnd_why *why)
{
    struct pnd_tls *tls = calloc(1, sizeof(*tls));
    int err = PND_OK;

    if (!tls)
        return pnd_why(why, PND_E_SYS, ENOMEM, "set up TLS");
    tls->context = SSL_CTX_new(TLS_server_method());
    if (!tls->context)
        err = failed(why, PND_E_SYS, "set up TLS");
    if (!err)
        err = set_up(tls->context, receive, why);
    if (err) {
        pnd_tls_destroy(tls);
        return err;
    }
    *ret = tls;
    return PND_OK;
}

void pnd_tls_destroy(struct pnd_tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->session);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* A name with a NUL in it would be shown as another one. */
static bool take_name(const X509_NAME *subject, char *ret, size_t cap)
{
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING *name =
        at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)) : NULL;
    unsigned char *text = NULL;
    int len = name ? ASN1_STRING_to_UTF8(&text, name) : -1;
    bool taken = len > 0 && (size_t)len == strlen((char *)text);

    if (taken)
        snprintf(ret, cap, "%s", (char *)text);
    OPENSSL_free(text);
    return taken;
}

int pnd_tls_accept(struct pnd_tls *tls, int fd, char *ret_peer, size_t cap, struct pnd_why *why)
{
    X509 *certificate;
    int result, err = PND_OK;

    tls->session = SSL_new(tls->context);
    if (!tls->session || SSL_set_fd(tls->session, fd) != 1)
        return failed(why, PND_E_SYS, "begin TLS");
    result = SSL_accept(tls->session);
    if (result != 1) {
        result = SSL_get_error(tls->session, result);
        if (result == SSL_ERROR_WANT_READ)
            return pnd_why(why, PND_E_TIMEOUT, 0, "TLS: it fell silent");
        if (result == SSL_ERROR_SYSCALL)
            return pnd_why(why, PND_E_SOURCE, errno, "TLS: the connection broke");
        return failed(why, PND_E_REFUSED, "TLS");
    }
    certificate = SSL_get1_peer_certificate(tls->session);
    if (!certificate || SSL_get_verify_result(tls->session) != X509_V_OK)
        err = pnd_why(why, PND_E_REFUSED, 0, "TLS: it has no certificate that is good");
    else if (!take_name(X509_get_subject_name(certificate), ret_peer, cap))
        X509_NAME_oneline(X509_get_subject_name(certificate), ret_peer, (int)cap);
    X509_free(certificate);
    return err;
}

long pnd_tls_read(void *ctx, void *buf, size_t len, struct pnd_why *why)
{
    struct pnd_tls *tls = ctx;
    int n, result;

    do {
        ERR_clear_error();
        errno = 0;
        n = SSL_read(tls->session, buf, len < INT32_MAX ? (int)len : INT32_MAX);
        result = n > 0 ? SSL_ERROR_NONE : SSL_get_error(tls->session, n);
    } while (result == SSL_ERROR_WANT_READ && errno == EINTR && !pnd_stream_ended);
    switch (result) {
    case SSL_ERROR_NONE:
        return n;
    case SSL_ERROR_ZERO_RETURN: /* close_notify: the sender has said that this is all */
        return 0;
    case SSL_ERROR_WANT_READ:
        return pnd_why(why, PND_E_TIMEOUT, 0, "its sender fell silent");
    case SSL_ERROR_SYSCALL:
        return pnd_why(why, PND_E_SOURCE, errno, "the connection broke");
    default:
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            ERR_clear_error();
            return pnd_why(why, PND_E_SHORT, 0,
                           "the connection ended before its sender had said that this is all");
        }
        return failed(why, PND_E_SOURCE, "TLS");
    }
}

void pnd_tls_close(struct pnd_tls *tls, const char *answer, bool kept)
{
    bool hears = !(SSL_get_shutdown(tls->session) & SSL_RECEIVED_SHUTDOWN);

    ERR_clear_error();
    if (!hears || SSL_write(tls->session, answer, (int)strlen(answer)) > 0) {
        if (kept)
            SSL_shutdown(tls->session);
    }
    ERR_clear_error();
}
