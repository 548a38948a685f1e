/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's encrypted dumps: the session key comes out of its blob with the right private key and
 * no other, the ciphers give what is published for them, and a dump comes out as it went in. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <zlib.h>

#include "image/kdh.h"
#include "inspect/ekcd.h"
#include "inspect/unpack.h"
#include "tap.h"

enum {
    RSA_BITS = 1024, /* made in no time */
    BLOB_CAP = 1024,
    PEM_CAP = 8192,
    CONTENT_LEN = 200000,
    OFFSET = 4096,
};

struct pem {
    char text[PEM_CAP];
    size_t len;
};

static EVP_PKEY *pair, *other, *larger;
static struct pem pair_pem, other_pem, larger_pem, locked_pem, public_pem;
static uint8_t session[PND_DECRYPT_KEY_BYTES], iv[PND_DECRYPT_IV_BYTES];
static uint8_t content[CONTENT_LEN], stored[2 * CONTENT_LEN], got[CONTENT_LEN];

/* ---- what a machine would have made ---- */

static size_t wrap(uint8_t blob[BLOB_CAP], unsigned cipher, EVP_PKEY *public, int padding,
                   size_t key_len)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(public, NULL);
    size_t len = BLOB_CAP - 37;

    memset(blob, 0, BLOB_CAP);
    blob[0] = (uint8_t)cipher;
    memcpy(blob + 1, iv, sizeof(iv));
    CHECK(EVP_PKEY_encrypt_init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1 &&
          EVP_PKEY_encrypt(ctx, blob + 37, &len, session, key_len) == 1);
    EVP_PKEY_CTX_free(ctx);
    blob[35] = (uint8_t)(len >> 8);
    blob[36] = (uint8_t)len;
    return 37 + len;
}

static struct pem pem_of(EVP_PKEY *key, const char *passphrase, bool public)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct pem pem = {.len = 0};
    int n;

    CHECK(public ? PEM_write_bio_PUBKEY(bio, key) == 1
                 : PEM_write_bio_PKCS8PrivateKey(
                       bio, key, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                       passphrase ? (int)strlen(passphrase) : 0, NULL, NULL) == 1);
    n = BIO_read(bio, pem.text, sizeof(pem.text));
    CHECK(n > 0);
    pem.len = n > 0 ? (size_t)n : 0;
    BIO_free(bio);
    return pem;
}

static struct pnd_ekcd_private private_of(const struct pem *pem)
{
    return (struct pnd_ekcd_private){.pem = pem->text, .len = pem->len};
}

static size_t encrypt(const struct pnd_decrypt_key *key, const uint8_t *data, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t start[16] = {0};
    size_t zeros = 0;
    int n = 0;

    if (key->cipher == PND_DECRYPT_CHACHA20 && key->nonce != PND_DECRYPT_NONCE_COUNTED)
        zeros = key->nonce == PND_DECRYPT_NONCE_64 ? 8 : 4;
    memcpy(start + zeros, key->iv, sizeof(start) - zeros);
    CHECK(EVP_EncryptInit_ex(
              ctx, key->cipher == PND_DECRYPT_CHACHA20 ? EVP_chacha20() : EVP_aes_256_cbc(), NULL,
              key->key, start) == 1);
    EVP_CIPHER_CTX_set_padding(ctx, 0);
    CHECK(EVP_EncryptUpdate(ctx, stored, &n, data, (int)len) == 1);
    EVP_CIPHER_CTX_free(ctx);
    return (size_t)n;
}

static struct pnd_decrypt_key key_of(enum pnd_decrypt_cipher cipher, enum pnd_decrypt_nonce nonce)
{
    struct pnd_decrypt_key key = {.cipher = cipher, .nonce = nonce};

    memcpy(key.key, session, sizeof(key.key));
    memcpy(key.iv, iv, sizeof(key.iv));
    return key;
}

static int source_of(size_t len)
{
    int fd = memfd_create("source", MFD_CLOEXEC);

    CHECK(fd >= 0 && pwrite(fd, stored, len, OFFSET) == (ssize_t)len);
    return fd;
}

/* ---- the ciphers ---- */

static void from_hex(const char *hex, uint8_t *ret)
{
    for (; hex[0]; hex += 2) {
        const char digits[] = {hex[0], hex[1], '\0'};

        *ret++ = (uint8_t)strtoul(digits, NULL, 16);
    }
}

/* NIST SP 800-38A F.2.5; for ChaCha20 the keystreams of a key of zeros: with 64 bits of nonce
 * draft-agl-tls-chacha20poly1305-04, else RFC 8439, A.1, #5 and #2. */
static void the_published_vectors_come_out(void)
{
    static const struct {
        struct pnd_decrypt_key key; /* what of it is not written as hex */
        const char *hex_key, *hex_iv, *in, *out;
    } cases[] = {
        {{.cipher = PND_DECRYPT_AES_256_CBC},
         "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
         "000102030405060708090a0b0c0d0e0f",
         "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
         "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"},
        {{.cipher = PND_DECRYPT_CHACHA20, .nonce = PND_DECRYPT_NONCE_64},
         "",
         "0100000000000000",
         "ef3fdfd6c61578fbf5cf35bd3dd33b8009631634d21e42ac33960bd138e50d32",
         ""},
        {{.cipher = PND_DECRYPT_CHACHA20, .nonce = PND_DECRYPT_NONCE_96},
         "",
         "000000000000000000000002",
         "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7",
         ""},
        {{.cipher = PND_DECRYPT_CHACHA20, .nonce = PND_DECRYPT_NONCE_COUNTED},
         "",
         "01",
         "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed",
         ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pnd_decrypt_key key = cases[i].key;
        uint8_t want[32] = {0}, out[32];
        size_t len = 0;
        int fd;

        from_hex(cases[i].hex_key, key.key);
        from_hex(cases[i].hex_iv, key.iv);
        from_hex(cases[i].in, stored);
        from_hex(cases[i].out, want);
        fd = source_of(32);
        CHECK_EQ(pnd_ekcd_head(fd, OFFSET, 32, &key, out, sizeof(out), &len, NULL), PND_OK);
        CHECK_EQ(len, 32);
        CHECK_MEM(out, want, 32);
        close(fd);
    }
}

static void read_in_any_pieces_it_is_the_same(void)
{
    static const size_t pieces[] = {1, 15, 16, 17, 4096, 65536, CONTENT_LEN};

    for (int cipher = PND_DECRYPT_AES_256_CBC; cipher <= PND_DECRYPT_CHACHA20; cipher++) {
        struct pnd_decrypt_key key = key_of((enum pnd_decrypt_cipher)cipher, 0);
        size_t len = encrypt(&key, content, CONTENT_LEN);
        int fd = source_of(len);

        CHECK_EQ(len, CONTENT_LEN);
        for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
            struct pnd_decrypt *decrypt;
            size_t at = 0;
            long n = 1;

            CHECK_EQ(pnd_decrypt_create(fd, OFFSET, len, &key, &decrypt, NULL), PND_OK);
            memset(got, 0, sizeof(got));
            while (n > 0) {
                size_t room = len - at < pieces[i] ? len - at : pieces[i];

                n = pnd_decrypt_read(decrypt, OFFSET + at, got + at, room ? room : 1);
                at += n > 0 ? (size_t)n : 0;
            }
            CHECK_EQ(n, 0);
            CHECK_EQ(at, len);
            CHECK_EQ(pnd_decrypt_odd(decrypt), 0);
            CHECK_MEM(got, content, len);
            pnd_decrypt_destroy(decrypt);
        }
        close(fd);
    }
}

static void a_cipher_that_is_not_known_is_refused(void)
{
    struct pnd_decrypt_key key = key_of(3, 0);
    struct pnd_decrypt *decrypt;
    struct pnd_why why;

    CHECK_EQ(pnd_decrypt_create(0, 0, 1, &key, &decrypt, &why), PND_E_TYPE);
    key = key_of(PND_DECRYPT_CHACHA20, PND_DECRYPT_NONCE_COUNT);
    CHECK_EQ(pnd_decrypt_create(0, 0, 1, &key, &decrypt, &why), PND_E_TYPE);
    pnd_decrypt_destroy(NULL);
}

static void a_source_that_cannot_be_read_is_an_error(void)
{
    struct pnd_decrypt_key key = key_of(PND_DECRYPT_CHACHA20, 0);
    bool known;
    int pipes[2];
    struct pnd_why why;

    CHECK(pipe(pipes) == 0);
    CHECK_EQ(pnd_ekcd_look(pipes[0], 0, 100, &key, &known, &why), PND_E_SOURCE);
    CHECK(strstr(why.text, "at byte 0"));
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- the session key ---- */

static void the_session_key_is_unwrapped_with_either_padding(void)
{
    static const int paddings[] = {RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_PADDING};
    struct pnd_ekcd_private with = private_of(&pair_pem);
    uint8_t blob[BLOB_CAP];

    for (unsigned i = 0; i < 2; i++) {
        for (unsigned cipher = 1; cipher <= 2; cipher++) {
            struct pnd_decrypt_key key = {0};

            wrap(blob, cipher, pair, paddings[i], sizeof(session));
            CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, NULL), PND_OK);
            CHECK_EQ(key.cipher, cipher);
            CHECK_MEM(key.key, session, sizeof(session));
            CHECK_MEM(key.iv, iv, sizeof(iv));
            pnd_decrypt_forget(&key);
            CHECK(key.cipher == 0 && key.key[0] == 0);
        }
    }
}

static void another_private_key_is_told_from_the_right_one(void)
{
    static const int paddings[] = {RSA_PKCS1_OAEP_PADDING, RSA_PKCS1_PADDING};
    struct pnd_ekcd_private wrong = private_of(&other_pem), sized = private_of(&larger_pem),
                            right = private_of(&pair_pem);
    struct pnd_decrypt_key key = {.cipher = 9};
    uint8_t blob[BLOB_CAP];
    struct pnd_why why;

    for (unsigned i = 0; i < 2; i++) {
        wrap(blob, 1, pair, paddings[i], sizeof(session));
        CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &wrong, &key, &why), PND_E_REFUSED);
        CHECK(strstr(why.text, "not the one to this dump"));
        CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &sized, &key, &why), PND_E_REFUSED);
        CHECK(strstr(why.text, "it has 2048 bits, and the dump's was wrapped for one of 1024"));
        blob[60] ^= 1;
        CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &right, &key, &why), PND_E_REFUSED);
        wrap(blob, 1, pair, paddings[i], 16); /* no session key is so short */
        CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &right, &key, &why), PND_E_REFUSED);
    }
    CHECK_EQ(key.cipher, 9);
}

static void every_truncation_of_the_blob_is_told(void)
{
    struct pnd_ekcd_private with = private_of(&pair_pem);
    struct pnd_decrypt_key key;
    uint8_t blob[BLOB_CAP];
    struct pnd_why why;
    size_t len = wrap(blob, 2, pair, RSA_PKCS1_OAEP_PADDING, sizeof(session));

    for (size_t cut = 0; cut < len; cut++) {
        CHECK_EQ(pnd_ekcd_unwrap(blob, cut, &with, &key, &why), PND_E_SHORT);
        CHECK(strstr(why.text, "cut off"));
    }
    CHECK_EQ(pnd_ekcd_unwrap(blob, len, &with, &key, &why), PND_OK);
    blob[35] = 0xff;
    CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_RANGE);
    for (unsigned cipher = 0; cipher < 256; cipher += cipher ? 63 : 3) {
        wrap(blob, cipher, pair, RSA_PKCS1_OAEP_PADDING, sizeof(session));
        CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_TYPE);
        CHECK(strstr(why.text, "is not known here"));
    }
}

/* ---- the private key ---- */

static int answer(void *ctx, char *ret, size_t cap)
{
    const char *passphrase = ctx;

    if (!passphrase)
        return -1;
    CHECK(strlen(passphrase) <= cap);
    memcpy(ret, passphrase, strlen(passphrase));
    return (int)strlen(passphrase);
}

static void a_passphrase_opens_a_private_key_and_a_wrong_one_does_not(void)
{
    struct pnd_ekcd_private with = private_of(&locked_pem);
    struct pnd_decrypt_key key;
    uint8_t blob[BLOB_CAP];
    struct pnd_why why;
    char right[] = "correct horse", wrong[] = "battery", empty[] = "";

    wrap(blob, 1, pair, RSA_PKCS1_OAEP_PADDING, sizeof(session));
    CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_ARG);
    CHECK(strstr(why.text, "has a passphrase, and there is none"));
    with.passphrase = answer;
    CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_ARG);
    CHECK(strstr(why.text, "has a passphrase, and there is none"));
    with.ctx = wrong;
    CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_ARG);
    CHECK(strstr(why.text, "does not open with this passphrase"));
    with.ctx = empty;
    CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_ARG);
    with.ctx = right;
    CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_OK);
    CHECK_MEM(key.key, session, sizeof(session));
}

static void what_is_no_private_key_of_rsa_is_told_by_what_it_is(void)
{
    static char large[PND_EKCD_PEM_CAP + 1];
    EVP_PKEY *curve = EVP_EC_gen("P-256");
    struct pem curve_pem = pem_of(curve, NULL, false);
    char cut[PEM_CAP];
    const struct {
        const char *pem;
        size_t len;
        const char *says;
    } cases[] = {
        {public_pem.text, public_pem.len, "that is a public key"},
        {curve_pem.text, curve_pem.len, "is not one of RSA"},
        {"-----BEGIN OPENSSH PRIVATE KEY-----\n", 36, "ssh-keygen -p -m PEM"},
        {"", 0, "no private key in PEM form"},
        {"hello", 5, "no private key in PEM form"},
        {large, sizeof(large), "too large"},
        {cut, pair_pem.len / 2, "or it is damaged"},
    };
    uint8_t blob[BLOB_CAP];

    memcpy(cut, pair_pem.text, sizeof(cut));
    wrap(blob, 1, pair, RSA_PKCS1_OAEP_PADDING, sizeof(session));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct pnd_ekcd_private with = {.pem = cases[i].pem, .len = cases[i].len};
        struct pnd_decrypt_key key;
        struct pnd_why why = {0};

        CHECK_EQ(pnd_ekcd_unwrap(blob, sizeof(blob), &with, &key, &why), PND_E_ARG);
        CHECK(strstr(why.text, cases[i].says));
    }
    EVP_PKEY_free(curve);
}

/* ---- the dump ---- */

static void the_nonce_is_the_one_with_which_a_dump_begins(void)
{
    static const char *const begins[] = {"minidump FreeBSD/amd64", "\177ELF\2\1\1", "\x1f\x8b\x08",
                                         "\x28\xb5\x2f\xfd"};
    uint8_t head[4096];

    for (int nonce = 0; nonce < PND_DECRYPT_NONCE_COUNT; nonce++) {
        struct pnd_decrypt_key key = key_of(PND_DECRYPT_CHACHA20, (enum pnd_decrypt_nonce)nonce);

        for (size_t i = 0; i <= sizeof(begins) / sizeof(*begins); i++) {
            bool plain = i == sizeof(begins) / sizeof(*begins), known;
            struct pnd_decrypt_key found = key_of(PND_DECRYPT_CHACHA20, 0);
            int fd;

            memset(head, 0, sizeof(head));
            if (!plain)
                memcpy(head, begins[i], strlen(begins[i]) + 1);
            fd = source_of(encrypt(&key, head, sizeof(head)));
            known = plain;
            CHECK_EQ(pnd_ekcd_look(fd, OFFSET, sizeof(head), &found, &known, NULL), PND_OK);
            CHECK_EQ(known, !plain);
            CHECK_EQ(found.nonce, plain ? 0 : nonce);
            close(fd);
        }
    }
}

struct taker {
    size_t len;
};

static int take(void *ctx, const void *data, size_t len, uint64_t done)
{
    struct taker *taker = ctx;

    (void)done;
    CHECK(len <= sizeof(got) - taker->len);
    if (len > sizeof(got) - taker->len)
        return PND_E_FULL;
    memcpy(got + taker->len, data, len);
    taker->len += len;
    return PND_OK;
}

/* Both ways, which must agree. @return the result; what came out is in got */
static int unpack(const struct pnd_decrypt_key *key, enum pnd_unpack_packing packing, size_t there,
                  size_t len, size_t *ret_len, struct pnd_why *why)
{
    struct pnd_unpack_job job = {.offset = OFFSET, .length = len, .packing = packing, .key = key};
    struct taker here = {0}, caged = {0};
    struct pnd_unpack_sink sink = {.ctx = &here, .write = take},
                           caged_sink = {.ctx = &caged, .write = take};
    struct pnd_why caged_why = {0};
    uint64_t at = 0, caged_at = 0;
    int fd = source_of(there), err;

    *why = (struct pnd_why){0};
    err = pnd_unpack(fd, &job, &sink, &at, why);
    CHECK_EQ(pnd_unpack_caged(fd, &job, &caged_sink, &caged_at, &caged_why), err);
    CHECK_STR(caged_why.text, why->text);
    CHECK_EQ(caged_at, at);
    CHECK_EQ(caged.len, here.len);
    *ret_len = here.len;
    close(fd);
    return err;
}

static size_t gzip_content(uint8_t *dst, size_t cap)
{
    z_stream z = {0};

    CHECK_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = content;
    z.avail_in = sizeof(content);
    z.next_out = dst;
    z.avail_out = (uInt)cap;
    CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void an_encrypted_dump_comes_out_as_it_went_in(void)
{
    static uint8_t packed[CONTENT_LEN + 4096];
    struct pnd_decrypt_key aes = key_of(PND_DECRYPT_AES_256_CBC, 0),
                           chacha = key_of(PND_DECRYPT_CHACHA20, 0), wrong;
    struct pnd_why why;
    size_t len = encrypt(&aes, content, CONTENT_LEN), out;

    CHECK_EQ(unpack(&aes, PND_UNPACK_RAW, len, len, &out, &why), PND_OK);
    CHECK_EQ(out, CONTENT_LEN);
    CHECK_MEM(got, content, CONTENT_LEN);
    len = encrypt(&chacha, content, CONTENT_LEN - 1); /* it has no blocks */
    CHECK_EQ(unpack(&chacha, PND_UNPACK_RAW, len, len, &out, &why), PND_OK);
    CHECK_EQ(out, CONTENT_LEN - 1);
    CHECK_MEM(got, content, CONTENT_LEN - 1);
    memset(packed, 0, sizeof(packed)); /* zeros up to a block of the disk */
    len = (gzip_content(packed, CONTENT_LEN) + 4095) / 4096 * 4096;
    CHECK_EQ(encrypt(&chacha, packed, len), len);
    CHECK_EQ(unpack(&chacha, PND_UNPACK_GZIP, len, len, &out, &why), PND_OK);
    CHECK_EQ(out, CONTENT_LEN);
    CHECK_MEM(got, content, CONTENT_LEN);
    wrong = chacha;
    wrong.key[0] ^= 1;
    CHECK_EQ(unpack(&wrong, PND_UNPACK_GZIP, len, len, &out, &why), PND_E_FORMAT);
    wrong.cipher = 7; /* the child has no words for what the caller has done wrong */
    len = 4096;
    CHECK_EQ(pnd_unpack(0, &(struct pnd_unpack_job){.length = len, .key = &wrong}, NULL,
                        &(uint64_t){0}, &why),
             PND_E_TYPE);
}

static void what_comes_before_a_cut_comes_out(void)
{
    struct pnd_decrypt_key aes = key_of(PND_DECRYPT_AES_256_CBC, 0),
                           chacha = key_of(PND_DECRYPT_CHACHA20, 0);
    struct pnd_why why;
    size_t out;

    for (size_t cut = 0; cut <= 48; cut++) { /* the file is shorter than was said */
        encrypt(&aes, content, 64);
        CHECK_EQ(unpack(&aes, PND_UNPACK_RAW, cut, 64, &out, &why), PND_E_SHORT);
        CHECK_EQ(out, cut / 16 * 16);
        CHECK_MEM(got, content, out);
        CHECK(strstr(why.text, cut % 16 ? "within a block of the cipher" : "the source ends"));
        encrypt(&chacha, content, 64);
        CHECK_EQ(unpack(&chacha, PND_UNPACK_RAW, cut, 64, &out, &why), PND_E_SHORT);
        CHECK_EQ(out, cut);
        CHECK_MEM(got, content, out);
    }
    encrypt(&aes, content, 64); /* all of the file, which is no whole number of blocks */
    CHECK_EQ(unpack(&aes, PND_UNPACK_RAW, 63, 63, &out, &why), PND_E_SHORT);
    CHECK_EQ(out, 48);
    CHECK_STR(why.text, "it was cut off within a block of the cipher, of which 15 bytes are there");
}

static void make_everything(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof(content); i++) {
        x = x * 1664525 + 1013904223;
        content[i] = (uint8_t)(i % 8 ? x >> 28 : x >> 24);
    }
    for (unsigned i = 0; i < 32; i++) {
        session[i] = (uint8_t)(i * 7 + 3);
        iv[i] = (uint8_t)(i * 5 + 1);
    }
    pair = EVP_RSA_gen(RSA_BITS);
    other = EVP_RSA_gen(RSA_BITS);
    larger = EVP_RSA_gen(2 * RSA_BITS);
    if (!pair || !other || !larger)
        exit(EXIT_FAILURE);
    pair_pem = pem_of(pair, NULL, false);
    other_pem = pem_of(other, NULL, false);
    larger_pem = pem_of(larger, NULL, false);
    locked_pem = pem_of(pair, "correct horse", false);
    public_pem = pem_of(pair, NULL, true);
}

int main(int argc, char **argv)
{
    pnd_unpack_child_main(argc, argv);
    make_everything();
    RUN(the_published_vectors_come_out);
    RUN(read_in_any_pieces_it_is_the_same);
    RUN(a_cipher_that_is_not_known_is_refused);
    RUN(a_source_that_cannot_be_read_is_an_error);
    RUN(the_session_key_is_unwrapped_with_either_padding);
    RUN(another_private_key_is_told_from_the_right_one);
    RUN(every_truncation_of_the_blob_is_told);
    RUN(a_passphrase_opens_a_private_key_and_a_wrong_one_does_not);
    RUN(what_is_no_private_key_of_rsa_is_told_by_what_it_is);
    RUN(the_nonce_is_the_one_with_which_a_dump_begins);
    RUN(an_encrypted_dump_comes_out_as_it_went_in);
    RUN(what_comes_before_a_cut_comes_out);
    EVP_PKEY_free(pair);
    EVP_PKEY_free(other);
    EVP_PKEY_free(larger);
    return tap_done();
}
