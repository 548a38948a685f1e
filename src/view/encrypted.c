/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of an encrypted dump without opening it; see encrypted.h. */
#include "view/encrypted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "host/text.h"
#include "image/kdh.h"

#define SAVED_AS "vmcore_encrypted"

enum {
    PATH_CAP = 8192,
    BLOCK_MIN = 512,
    BLOCK_MAX = 4096,
    BITS = 8,
};

static void cut_suffix(char *path, const char *suffix)
{
    size_t len = strlen(path), cut = strlen(suffix);

    if (len > cut && strcmp(path + len - cut, suffix) == 0)
        path[len - cut] = '\0';
}

static char *saved_name(char *path)
{
    char *slash = strrchr(path, '/');

    return strstr(slash ? slash : path, SAVED_AS);
}

void pnd_encrypted_rename(char *name)
{
    static const char plain[] = "vmcore";
    char *at = saved_name(name);

    if (at)
        memmove(at + strlen(plain), at + strlen(SAVED_AS), strlen(at + strlen(SAVED_AS)) + 1);
}

/* The file beside a dump that would hold its key. @param received  the server's name for it, else
 * savecore's. @return false: it has none */
static bool key_path(const char *path, bool received, char ret[PATH_CAP])
{
    char *at;

    if (snprintf(ret, PATH_CAP - sizeof(".key"), "%s", path) >= PATH_CAP - (int)sizeof(".key"))
        return false;
    cut_suffix(ret, ".incomplete");
    if (received) {
        memcpy(ret + strlen(ret), ".key", sizeof(".key"));
        return true;
    }
    cut_suffix(ret, ".gz");
    cut_suffix(ret, ".zst");
    at = saved_name(ret);
    if (at) {
        memcpy(at, "key", strlen("key"));
        memmove(at + strlen("key"), at + strlen(SAVED_AS), strlen(at + strlen(SAVED_AS)) + 1);
    }
    return at != NULL;
}

static int read_blob(const char *path, struct pnd_encrypted *ret)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd >= 0 ? pnd_io_read_at(fd, 0, ret->blob, sizeof(ret->blob)) : -1;

    if (n < 0)
        return PND_E_SOURCE;
    ret->how = PND_ENCRYPTED_BESIDE;
    ret->len = (size_t)n;
    return PND_OK;
}

int pnd_encrypted_read(const char *path, struct pnd_encrypted *ret, struct pnd_why *why)
{
    char shown[PATH_CAP];

    if (read_blob(path, ret))
        return pnd_why(why, PND_E_SOURCE, errno, "read the key of the dump from %s",
                       pnd_text_escape(shown, sizeof(shown), path, strlen(path)));
    return PND_OK;
}

/* Header, key, data. @return false: it is no such file, or is not encrypted */
static bool read_device(int fd, struct pnd_encrypted *ret)
{
    uint8_t header[PND_KDH_BYTES];
    struct pnd_kdh kdh;
    size_t want = sizeof(ret->blob);
    uint32_t block;
    ssize_t n;

    if (pnd_io_read_at(fd, 0, header, sizeof(header)) != (ssize_t)sizeof(header) ||
        pnd_kdh_read(header, sizeof(header), &kdh) != PND_OK || !kdh.parity_ok || !kdh.key_bytes)
        return false;
    block =
        kdh.block_bytes >= BLOCK_MIN && kdh.block_bytes <= BLOCK_MAX ? kdh.block_bytes : BLOCK_MIN;
    want = kdh.key_bytes < want ? kdh.key_bytes : want;
    n = pnd_io_read_at(fd, block, ret->blob, want);
    ret->how = PND_ENCRYPTED_DEVICE;
    ret->len = n > 0 ? (size_t)n : 0;
    return true;
}

void pnd_encrypted_find(const char *path, int fd, struct pnd_encrypted *ret)
{
    char name[PATH_CAP], beside[PATH_CAP];

    *ret = (struct pnd_encrypted){.how = PND_ENCRYPTED_NOT};
    if (fd >= 0 && read_device(fd, ret))
        return;
    snprintf(name, sizeof(name), "%s", path);
    for (int received = 1; received >= 0; received--) {
        if (key_path(name, received, beside) && read_blob(beside, ret) == PND_OK)
            return;
    }
    if (saved_name(name))
        ret->how = PND_ENCRYPTED_NAMED;
}

/* Whatever lies beside a file under such a name need not be a blob. */
static bool makes_sense(const struct pnd_encrypted *encrypted, struct pnd_kdh_key *ret)
{
    return pnd_kdh_key_read(encrypted->blob, encrypted->len, ret) == PND_OK &&
           (ret->cipher == PND_DECRYPT_AES_256_CBC || ret->cipher == PND_DECRYPT_CHACHA20);
}

const char *pnd_encrypted_words(const struct pnd_encrypted *encrypted, char *dst, size_t cap)
{
    struct pnd_kdh_key key;

    if (makes_sense(encrypted, &key))
        snprintf(dst, cap, "%s, for an RSA key of %" PRIu32 " bits",
                 pnd_kdh_cipher_name(key.cipher), key.bytes * BITS);
    else
        snprintf(dst, cap,
                 encrypted->how == PND_ENCRYPTED_NAMED
                     ? "by its name; the key that came with it (key.N) is not beside it"
                     : "the key that came with it is damaged, or of a cipher not known here");
    return dst;
}

const char *pnd_encrypted_command(const struct pnd_encrypted *encrypted, const char *name,
                                  char *dst, size_t cap)
{
    snprintf(dst, cap, "panicctl %s %s --private-key FILE%s",
             encrypted->how == PND_ENCRYPTED_DEVICE ? "extract" : "export", name,
             encrypted->how == PND_ENCRYPTED_NAMED ? " --key-blob KEY.N" : "");
    return dst;
}

/* A file beside it that makes no sense says nothing of the dump, unless its name does. */
static bool is_shown(const struct pnd_encrypted *encrypted)
{
    struct pnd_kdh_key key;

    return encrypted->how != PND_ENCRYPTED_NOT &&
           (encrypted->how != PND_ENCRYPTED_BESIDE || makes_sense(encrypted, &key));
}

void pnd_encrypted_print(const struct pnd_encrypted *encrypted, const char *name)
{
    char words[PND_ENCRYPTED_LINE_CAP], line[PND_ENCRYPTED_LINE_CAP];

    if (!is_shown(encrypted))
        return;
    printf("  encrypted  %s\n", pnd_encrypted_words(encrypted, words, sizeof(words)));
    printf("             who has the private key: %s\n",
           pnd_encrypted_command(encrypted, name, line, sizeof(line)));
}

json_t *pnd_encrypted_json(const struct pnd_encrypted *encrypted, const char *name)
{
    char line[PND_ENCRYPTED_LINE_CAP];
    struct pnd_kdh_key key;
    bool known = makes_sense(encrypted, &key);

    if (!is_shown(encrypted))
        return json_null();
    return json_pack("{s:s?, s:o, s:s}", "cipher", known ? pnd_kdh_cipher_name(key.cipher) : NULL,
                     "rsa_bits", known ? json_integer((json_int_t)key.bytes * BITS) : json_null(),
                     "open", pnd_encrypted_command(encrypted, name, line, sizeof(line)));
}
