/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A private key and its passphrase; see private_key.h. */
#include "panicctl/private_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "host/guard.h"
#include "panicctl/print.h"

/* All of a file, or of a pipe. @return PND_OK; PND_E_SOURCE also when there is more than @p cap */
static int read_all(const char *file, char *ret, size_t cap, size_t *ret_len, struct pnd_why *why)
{
    char shown[PND_PRINT_NAME_CAP];
    size_t len = 0;
    ssize_t n = 1;

    PND_AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return pnd_why(why, PND_E_SOURCE, errno, "open %s", pnd_print_name(shown, file));
    while (n > 0 && len < cap) {
        n = read(fd, ret + len, cap - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    if (n < 0)
        return pnd_why(why, PND_E_SOURCE, errno, "read %s", pnd_print_name(shown, file));
    if (len == cap)
        return pnd_why(why, PND_E_SOURCE, 0, "%s is too large for what it should be",
                       pnd_print_name(shown, file));
    *ret_len = len;
    return PND_OK;
}

struct question {
    const struct pnd_private_key *with;
    struct pnd_why why; /* why there is no passphrase */
};

static int first_line(struct question *question, char *ret, size_t cap)
{
    char text[PND_EKCD_PASSPHRASE_CAP + 2] = "";
    size_t len = 0, end;
    int result = -1;

    if (read_all(question->with->passphrase_file, text, sizeof(text) - 1, &len, &question->why) ==
        PND_OK) {
        end = strcspn(text, "\r\n");
        if (end > cap) {
            pnd_why(&question->why, PND_E_ARG, 0, "the passphrase is too long");
        } else {
            memcpy(ret, text, end);
            result = (int)end;
        }
    }
    OPENSSL_cleanse(text, sizeof(text));
    return result;
}

/* At a terminal of the person's, whatever standard input is. */
static int ask(struct question *question, char *ret, size_t cap)
{
    char shown[PND_PRINT_NAME_CAP], prompt[PND_PRINT_NAME_CAP + 32],
        text[PND_EKCD_PASSPHRASE_CAP + 1] = "";
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), result = -1;
    size_t len;

    if (fd < 0) {
        pnd_why(&question->why, PND_E_ARG, 0,
                "the private key has a passphrase, and here is no terminal to ask for it: "
                "--passphrase-file names a file of it");
        return -1;
    }
    close(fd);
    snprintf(prompt, sizeof(prompt),
             "Passphrase of %s: ", pnd_print_name(shown, question->with->file));
    if (EVP_read_pw_string(text, (int)sizeof(text), prompt, 0) == 0) {
        len = strlen(text);
        if (len <= cap) {
            memcpy(ret, text, len);
            result = (int)len;
        }
    } else {
        pnd_why(&question->why, PND_E_ARG, 0, "no passphrase was typed");
    }
    OPENSSL_cleanse(text, sizeof(text));
    return result;
}

static int answer(void *ctx, char *ret, size_t cap)
{
    struct question *question = ctx;

    return question->with->passphrase_file ? first_line(question, ret, cap)
                                           : ask(question, ret, cap);
}

int pnd_private_key_unwrap(const struct pnd_private_key *with, const void *blob, size_t len,
                           struct pnd_decrypt_key *ret, struct pnd_why *why)
{
    struct question question = {.with = with};
    struct pnd_ekcd_private private = {.ctx = &question, .passphrase = answer};
    char *pem = malloc(PND_EKCD_PEM_CAP), shown[PND_PRINT_NAME_CAP];
    int err;

    if (!pem)
        return pnd_why(why, PND_E_SYS, ENOMEM, "make room for the private key");
    err = read_all(with->file, pem, PND_EKCD_PEM_CAP, &private.len, why);
    if (!err) {
        private.pem = pem;
        err = pnd_ekcd_unwrap(blob, len, &private, ret, why);
        if (err == PND_E_ARG && question.why.text[0])
            pnd_why(why, err, 0, "%s", question.why.text);
        if (err == PND_E_ARG || err == PND_E_REFUSED)
            pnd_why_add(why, err, "%s", pnd_print_name(shown, with->file));
    }
    OPENSSL_cleanse(pem, PND_EKCD_PEM_CAP);
    free(pem);
    return err;
}
