/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicweb/auth.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

static char passwords[] = "/tmp/web-auth-XXXXXX", tokens[] = "/tmp/web-auth-XXXXXX";

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

static enum pnd_auth_answer ask(struct pnd_auth *auth, const char *name, const char *secret,
                                const char *address, uint64_t now_ms, struct pnd_right *ret)
{
    struct pnd_credentials credentials = {.kind = name ? PND_CREDENTIALS_BASIC
                                                       : PND_CREDENTIALS_BEARER};

    snprintf(credentials.name, sizeof(credentials.name), "%s", name ? name : "");
    snprintf(credentials.secret, sizeof(credentials.secret), "%s", secret);
    return pnd_auth_check(auth, &credentials, address, now_ms, ret);
}

static struct pnd_auth *open_both(void)
{
    struct pnd_auth *auth = NULL;
    struct pnd_why why = {0};
    char text[512];

    snprintf(text, sizeof(text), "ann:%s\nbob:%s:view\n", crypt("right", "$6$saltsalt$"),
             "$6$saltsalt$nothing-hashes-to-this");
    put(passwords, text);
    put(tokens, "# machines\naaaaaaaaaaaaaaaaaaaa\nbbbbbbbbbbbbbbbbbbbb:view\r\n"
                "cccccccccccccccccccc:metrics\n");
    CHECK(pnd_auth_open(passwords, tokens, &auth, &why) == PND_OK);
    return auth;
}

static void knows_people_and_tokens(void)
{
    struct pnd_auth *auth = open_both();
    struct pnd_right right;

    for (int i = 0; i < 2; i++) { /* the second time from what is known */
        CHECK(ask(auth, "ann", "right", "a", 1, &right) == PND_AUTH_YES && right.download);
        CHECK(ask(auth, "ann", "wrong", "b", 1, &right) == PND_AUTH_NO && !right.see);
    }
    CHECK(ask(auth, "eve", "right", "a", 1, &right) == PND_AUTH_NO);
    CHECK(ask(auth, "", "", "a", 1, &right) == PND_AUTH_NO);
    CHECK(ask(auth, NULL, "aaaaaaaaaaaaaaaaaaaa", "a", 1, &right) == PND_AUTH_YES &&
          right.download && right.see && right.measure);
    CHECK(ask(auth, NULL, "bbbbbbbbbbbbbbbbbbbb", "a", 1, &right) == PND_AUTH_YES &&
          !right.download && right.see);
    CHECK(ask(auth, NULL, "cccccccccccccccccccc", "a", 1, &right) == PND_AUTH_YES && !right.see &&
          right.measure && !right.download);
    CHECK(ask(auth, NULL, "aaaaaaaaaaaaaaaaaaa", "c", 1, &right) == PND_AUTH_NO);
    CHECK(ask(auth, NULL, "aaaaaaaaaaaaaaaaaaaaa", "c", 1, &right) == PND_AUTH_NO);
    CHECK(ask(auth, NULL, "right", "c", 1, &right) == PND_AUTH_NO);
    pnd_auth_close(auth);
}

static void lets_an_address_wait(void)
{
    struct pnd_auth *auth = open_both();
    struct pnd_right right;

    for (int i = 0; i < PND_AUTH_FAILURES_MAX; i++)
        CHECK(ask(auth, NULL, "no such token at all", "a", 1000, &right) == PND_AUTH_NO);
    CHECK(ask(auth, NULL, "no such token at all", "a", 1001, &right) == PND_AUTH_WAIT);
    CHECK(ask(auth, "ann", "right", "a", 1001, &right) == PND_AUTH_WAIT && !right.see);
    CHECK(ask(auth, NULL, "aaaaaaaaaaaaaaaaaaaa", "a", 1001, &right) == PND_AUTH_YES);
    CHECK(ask(auth, "ann", "right", "b", 1001, &right) == PND_AUTH_YES);
    CHECK(ask(auth, "ann", "right", "a", 1001, &right) == PND_AUTH_YES); /* known meanwhile */
    CHECK(ask(auth, "ann", "other", "a", 1000 + PND_AUTH_PAUSE_MS, &right) == PND_AUTH_NO);
    /* As many addresses as there are do not make it forget more than the oldest. */
    for (int i = 0; i < 1000; i++) {
        char address[16];

        snprintf(address, sizeof(address), "10.0.%d.%d", i / 250, i % 250);
        CHECK(ask(auth, NULL, "no such token at all", address, 2000, &right) == PND_AUTH_NO);
    }
    pnd_auth_close(auth);
}

static void refuses_lines_that_are_none(void)
{
    static const char *const bad[] = {
        "ann",        "ann:", ":$6$s$x", "ann:plain", "ann:$6$s$x:admin", "ann:$6$s$x:view:x",
        "ann:$99$s$x"};
    struct pnd_auth *auth = NULL;
    struct pnd_why why = {0};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        put(passwords, bad[i]);
        CHECK(pnd_auth_open(passwords, NULL, &auth, &why) == PND_E_FORMAT &&
              strstr(why.text, "line 1"));
    }
    put(tokens, "\n\nshort:view\n");
    CHECK(pnd_auth_open(NULL, tokens, &auth, &why) == PND_E_FORMAT && strstr(why.text, "line 3"));
    CHECK(pnd_auth_open("/nowhere", NULL, &auth, &why) == PND_E_SYS);
}

/* What makes a comparison depend on the secret is that it stops where the two differ. Here only
 * digests are compared, all of them and each to its end (CRYPTO_memcmp); that can be seen, other
 * than times: the last of many tokens is found, and one that shares all but its last byte is not.
 */
static void compares_all_tokens(void)
{
    struct pnd_auth *auth = NULL;
    struct pnd_right right;
    struct pnd_why why = {0};
    FILE *file = fopen(tokens, "w");

    for (int i = 0; file && i < PND_AUTH_TOKENS_MAX; i++)
        fprintf(file, "token-number-%08d\n", i);
    if (!file || fclose(file) != 0)
        abort();
    CHECK(pnd_auth_open(NULL, tokens, &auth, &why) == PND_OK);
    CHECK(ask(auth, NULL, "token-number-00000000", "a", 1, &right) == PND_AUTH_YES);
    CHECK(ask(auth, NULL, "token-number-00000999", "a", 1, &right) == PND_AUTH_YES);
    CHECK(ask(auth, NULL, "token-number-00001000", "a", 1, &right) == PND_AUTH_NO);
    CHECK(ask(auth, "ann", "right", "a", 1, &right) == PND_AUTH_NO); /* there are no people */
    pnd_auth_close(auth);
}

int main(void)
{
    if (close(mkstemp(passwords)) || close(mkstemp(tokens)))
        return 1;
    RUN(knows_people_and_tokens);
    RUN(lets_an_address_wait);
    RUN(refuses_lines_that_are_none);
    RUN(compares_all_tokens);
    unlink(passwords);
    unlink(tokens);
    return tap_done();
}
