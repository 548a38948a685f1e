/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Passwords and tokens; see auth.h. */
#include "panicweb/auth.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "host/guard.h"
#include "host/io.h"

enum {
    DIGEST = 32,
    HASH_CAP = 256,
    ADDRESS_CAP = 64,
    KNOWN_MAX = 256,  /* passwords that were right, so that each is worked out once */
    FAILED_MAX = 256, /* addresses */
};

/* A name or token that is none: what an unknown one is compared with. */
#define NOBODY "$y$j9T$................$"

struct person {
    char name[PND_HTTP_NAME_CAP], hash[HASH_CAP];
    struct pnd_right right;
};

struct token {
    unsigned char digest[DIGEST];
    struct pnd_right right;
};

struct known {
    unsigned char digest[DIGEST]; /* of the salt, the name and the password */
    unsigned person;
    bool used;
};

struct failed {
    char address[ADDRESS_CAP];
    unsigned count;
    uint64_t since_ms;
};

struct pnd_auth {
    struct person *people;
    struct token *tokens;
    unsigned person_count, token_count, next_known;
    unsigned char salt[DIGEST];
    pthread_mutex_t lock; /* of what follows; one password at a time is worked out */
    struct known known[KNOWN_MAX];
    struct failed failed[FAILED_MAX];
    struct crypt_data work;
};

/* ---- the files ---- */

static int read_file(const char *path, char **ret, struct pnd_why *why)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text;
    ssize_t n;

    if (fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    text = calloc(1, PND_AUTH_FILE_MAX + 1);
    n = text ? pnd_io_read_at(fd, 0, text, PND_AUTH_FILE_MAX + 1) : -1;
    if (n < 0 || n > PND_AUTH_FILE_MAX) {
        int err = errno;

        free(text);
        return n < 0 ? pnd_why(why, PND_E_SYS, err, "read %s", path)
                     : pnd_why(why, PND_E_FULL, 0, "%s has more than %d bytes", path,
                               PND_AUTH_FILE_MAX);
    }
    text[n] = '\0';
    *ret = text;
    return PND_OK;
}

/* @p role  NULL: none is given. @return false: there is no such role */
static bool read_role(const char *role, bool may_measure_only, struct pnd_right *ret)
{
    *ret = (struct pnd_right){.see = true, .download = true, .measure = true};
    if (!role)
        return true;
    ret->download = false;
    if (strcmp(role, "view") == 0)
        return true;
    ret->see = false;
    return may_measure_only && strcmp(role, "metrics") == 0;
}

static bool add_person(struct pnd_auth *auth, char *line)
{
    struct person *person = &auth->people[auth->person_count];
    char *hash = strchr(line, ':'), *role = hash ? strchr(hash + 1, ':') : NULL;

    if (!hash || hash == line || auth->person_count == PND_AUTH_PEOPLE_MAX)
        return false;
    *hash++ = '\0';
    if (role)
        *role++ = '\0';
    if (strlen(line) >= sizeof(person->name) || strlen(hash) >= sizeof(person->hash) ||
        crypt_checksalt(hash) != CRYPT_SALT_OK || !read_role(role, false, &person->right))
        return false;
    memcpy(person->name, line, strlen(line) + 1);
    memcpy(person->hash, hash, strlen(hash) + 1);
    auth->person_count++;
    return true;
}

static void digest(const void *salt, size_t salt_len, const char *a, const char *b,
                   unsigned char ret[DIGEST])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    memset(ret, 0, DIGEST);
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
        EVP_DigestUpdate(ctx, salt, salt_len) && EVP_DigestUpdate(ctx, a, strlen(a) + 1) &&
        EVP_DigestUpdate(ctx, b, strlen(b) + 1))
        EVP_DigestFinal_ex(ctx, ret, NULL);
    EVP_MD_CTX_free(ctx);
}

static bool add_token(struct pnd_auth *auth, char *line)
{
    struct token *token = &auth->tokens[auth->token_count];
    char *role = strchr(line, ':');

    if (role)
        *role++ = '\0';
    if (strlen(line) < PND_AUTH_TOKEN_MIN || strlen(line) >= PND_HTTP_SECRET_CAP ||
        auth->token_count == PND_AUTH_TOKENS_MAX || !read_role(role, true, &token->right))
        return false;
    digest(auth->salt, sizeof(auth->salt), line, "", token->digest);
    auth->token_count++;
    return true;
}

static int read_lines(struct pnd_auth *auth, const char *path,
                      bool (*add)(struct pnd_auth *auth, char *line), const char *form,
                      struct pnd_why *why)
{
    char *text = NULL, *rest, *line;
    unsigned number = 0;
    int err = path ? read_file(path, &text, why) : PND_OK;

    rest = text;
    while (!err && (line = strsep(&rest, "\n")) != NULL) {
        number++;
        line[strcspn(line, "\r")] = '\0';
        if (line[0] && line[0] != '#' && !add(auth, line))
            err = pnd_why(why, PND_E_FORMAT, 0, "%s: line %u is not %s", path, number, form);
    }
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
    return err;
}

int pnd_auth_open(const char *passwords, const char *tokens, struct pnd_auth **ret,
                  struct pnd_why *why)
{
    struct pnd_auth *auth = calloc(1, sizeof(*auth));
    int err = PND_OK;

    if (auth) {
        auth->people = calloc(PND_AUTH_PEOPLE_MAX, sizeof(*auth->people));
        auth->tokens = calloc(PND_AUTH_TOKENS_MAX, sizeof(*auth->tokens));
    }
    if (!auth || !auth->people || !auth->tokens || pthread_mutex_init(&auth->lock, NULL)) {
        pnd_auth_close(auth);
        return pnd_why(why, PND_E_SYS, ENOMEM, "read who may see the page");
    }
    if (RAND_bytes(auth->salt, sizeof(auth->salt)) != 1)
        err = pnd_why(why, PND_E_SYS, 0, "no random numbers are to be had");
    if (!err)
        err = read_lines(auth, passwords, add_person,
                         "NAME:HASH or NAME:HASH:view, with a hash of \"mkpasswd\"", why);
    if (!err)
        err = read_lines(auth, tokens, add_token,
                         "a token of at least 20 characters, alone or with :view or :metrics", why);
    if (err)
        pnd_auth_close(auth);
    else
        *ret = auth;
    return err;
}

void pnd_auth_close(struct pnd_auth *auth)
{
    if (!auth)
        return;
    free(auth->people);
    free(auth->tokens);
    OPENSSL_cleanse(auth, sizeof(*auth));
    free(auth);
}

/* ---- too often ---- */

/* With the lock. @return its entry, or one for it: unused, or the oldest */
static struct failed *failed_of(struct pnd_auth *auth, const char *address)
{
    struct failed *oldest = &auth->failed[0];

    for (unsigned i = 0; i < FAILED_MAX; i++) {
        if (strncmp(auth->failed[i].address, address, ADDRESS_CAP - 1) == 0)
            return &auth->failed[i];
        if (auth->failed[i].since_ms < oldest->since_ms)
            oldest = &auth->failed[i];
    }
    *oldest = (struct failed){0};
    strncpy(oldest->address, address, ADDRESS_CAP - 1);
    return oldest;
}

/* With the lock. @return true: it has to wait */
static bool waits(struct pnd_auth *auth, const char *address, uint64_t now_ms)
{
    struct failed *failed = failed_of(auth, address);

    if (now_ms >= failed->since_ms + PND_AUTH_PAUSE_MS)
        failed->count = 0;
    return failed->count >= PND_AUTH_FAILURES_MAX;
}

static void count_failure(struct pnd_auth *auth, const char *address, uint64_t now_ms)
{
    struct failed *failed = failed_of(auth, address);

    if (failed->count++ == 0)
        failed->since_ms = now_ms;
}

/* ---- the question ---- */

static bool check_token(const struct pnd_auth *auth, const char *secret, struct pnd_right *ret)
{
    unsigned char given[DIGEST];
    bool found = false;

    digest(auth->salt, sizeof(auth->salt), secret, "", given);
    for (unsigned i = 0; i < auth->token_count; i++) { /* to the end, wherever it is */
        if (CRYPTO_memcmp(given, auth->tokens[i].digest, DIGEST) == 0) {
            *ret = auth->tokens[i].right;
            found = true;
        }
    }
    return found;
}

/* With the lock: a password that was right before. */
static bool is_known(const struct pnd_auth *auth, const unsigned char given[DIGEST],
                     struct pnd_right *ret)
{
    bool found = false;

    for (unsigned i = 0; i < KNOWN_MAX; i++) {
        if (auth->known[i].used && CRYPTO_memcmp(given, auth->known[i].digest, DIGEST) == 0) {
            *ret = auth->people[auth->known[i].person].right;
            found = true;
        }
    }
    return found;
}

/* With the lock: some ms of work, for an unknown name, too. */
static bool check_password(struct pnd_auth *auth, const struct pnd_credentials *credentials,
                           const unsigned char given[DIGEST], struct pnd_right *ret)
{
    const char *hash = auth->person_count ? auth->people[0].hash : NOBODY, *got;
    unsigned who = auth->person_count;

    for (unsigned i = 0; i < auth->person_count; i++)
        if (strcmp(auth->people[i].name, credentials->name) == 0)
            who = i;
    if (who < auth->person_count)
        hash = auth->people[who].hash;
    got = crypt_r(credentials->secret, hash, &auth->work);
    if (!got || who == auth->person_count || strlen(got) != strlen(hash) ||
        CRYPTO_memcmp(got, hash, strlen(hash)) != 0)
        return false;
    memcpy(auth->known[auth->next_known].digest, given, DIGEST);
    auth->known[auth->next_known].person = who;
    auth->known[auth->next_known].used = true;
    auth->next_known = (auth->next_known + 1) % KNOWN_MAX;
    *ret = auth->people[who].right;
    return true;
}

enum pnd_auth_answer pnd_auth_check(struct pnd_auth *auth,
                                    const struct pnd_credentials *credentials, const char *address,
                                    uint64_t now_ms, struct pnd_right *ret)
{
    unsigned char given[DIGEST];
    bool yes;

    *ret = (struct pnd_right){0};
    if (credentials->kind == PND_CREDENTIALS_NONE)
        return PND_AUTH_NO;
    digest(auth->salt, sizeof(auth->salt), credentials->name, credentials->secret, given);
    pthread_mutex_lock(&auth->lock);
    if (credentials->kind == PND_CREDENTIALS_BEARER)
        yes = check_token(auth, credentials->secret, ret);
    else
        yes = is_known(auth, given, ret);
    if (!yes && waits(auth, address, now_ms)) {
        pthread_mutex_unlock(&auth->lock);
        return PND_AUTH_WAIT;
    }
    if (!yes && credentials->kind == PND_CREDENTIALS_BASIC)
        yes = check_password(auth, credentials, given, ret);
    if (!yes)
        count_failure(auth, address, now_ms);
    pthread_mutex_unlock(&auth->lock);
    return yes ? PND_AUTH_YES : PND_AUTH_NO;
}
