/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's kernel dump header; see kdh.h. */
#include "image/kdh.h"

#include "wire/cursor.h"

enum {
    MAGIC_BYTES = 20,
    PARITY_AT = 508,
    WORD = 4,
    PACKING_AT_V3 = 72,
};

static const char magics[][MAGIC_BYTES] = {
    [PND_KDH_KERNEL] = "FreeBSD Kernel Dump",
    [PND_KDH_TEXT] = "FreeBSD Text Dump",
    [PND_KDH_CLEARED] = "Cleared Kernel Dump",
};

/* Where each version has what; 0: it has none, nothing of this lies at 0. Ahead of these are the
 * magic, architecture, version, its version, and at 40 the length. */
static const struct layout {
    uint16_t extent, time, key, block, packing, host, os, panic;
    uint16_t panic_bytes;
} layouts[PND_KDH_VERSION_MAX + 1] = {
    [1] = {0, 48, 0, 56, 0, 60, 124, 316, 192},
    [2] = {0, 48, 56, 60, 0, 64, 128, 320, 188},
    [3] = {48, 56, 64, 68, PACKING_AT_V3, 73, 137, 329, 179},
    [4] = {496, 48, 56, 60, 495, 64, 128, 320, 175},
};

_Static_assert(PND_KDH_TEXT_CAP >= 192, "the longest panic string fits with its NUL");

static bool find_kind(const void *head, enum pnd_kdh_kind *ret)
{
    for (unsigned i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
        size_t len = 0;

        while (magics[i][len])
            len++;
        if (memcmp(head, magics[i], len + (len < MAGIC_BYTES)) == 0) {
            *ret = (enum pnd_kdh_kind)i;
            return true;
        }
    }
    return false;
}

bool pnd_kdh_is(const void *head, size_t len)
{
    enum pnd_kdh_kind kind;

    return len >= MAGIC_BYTES && find_kind(head, &kind);
}

static struct pnd_rd at(const uint8_t *buf, size_t offset)
{
    return pnd_rd(buf + offset, PND_KDH_BYTES - offset);
}

static uint32_t read32(const uint8_t *buf, size_t offset)
{
    struct pnd_rd rd = at(buf, offset);

    return offset ? pnd_rd_be32(&rd) : 0;
}

static uint64_t read64(const uint8_t *buf, size_t offset)
{
    struct pnd_rd rd = at(buf, offset);

    return offset ? pnd_rd_be64(&rd) : 0;
}

static void read_text(const uint8_t *buf, size_t offset, size_t bytes, char *ret)
{
    memcpy(ret, buf + offset, bytes);
    ret[bytes - 1] = '\0';
}

/* All words of a header that is whole come to nothing. */
static uint32_t xor_words(const uint8_t *buf)
{
    struct pnd_rd rd = pnd_rd(buf, PND_KDH_BYTES);
    uint32_t sum = 0;

    for (unsigned i = 0; i < PND_KDH_BYTES / WORD; i++)
        sum ^= pnd_rd_be32(&rd);
    return sum;
}

int pnd_kdh_read(const void *buf, size_t len, struct pnd_kdh *ret)
{
    const uint8_t *bytes = buf;
    const struct layout *layout;
    struct pnd_kdh kdh;
    enum pnd_kdh_kind kind;
    struct pnd_rd rd;

    if (len < PND_KDH_BYTES)
        return PND_E_SHORT;
    if (!find_kind(bytes, &kind))
        return PND_E_TYPE;
    memset(&kdh, 0, sizeof(kdh));
    kdh.kind = kind;
    rd = at(bytes, MAGIC_BYTES + PND_KDH_ARCH_CAP);
    kdh.version = pnd_rd_be32(&rd);
    kdh.architecture_version = pnd_rd_be32(&rd);
    kdh.dump_bytes = pnd_rd_be64(&rd);
    if (kdh.version == 0 || kdh.version > PND_KDH_VERSION_MAX)
        return PND_E_FORMAT;
    layout = &layouts[kdh.version];
    kdh.extent_bytes = read64(bytes, layout->extent);
    kdh.time_s = read64(bytes, layout->time);
    kdh.key_bytes = read32(bytes, layout->key);
    kdh.block_bytes = read32(bytes, layout->block);
    kdh.packing = layout->packing ? bytes[layout->packing] : PND_KDH_PLAIN;
    read_text(bytes, MAGIC_BYTES, PND_KDH_ARCH_CAP, kdh.architecture);
    read_text(bytes, layout->host, PND_KDH_HOST_CAP, kdh.host);
    read_text(bytes, layout->os, PND_KDH_TEXT_CAP, kdh.os);
    read_text(bytes, layout->panic, layout->panic_bytes, kdh.panic);
    kdh.parity = read32(bytes, PARITY_AT);
    kdh.parity_ok = xor_words(bytes) == 0;
    *ret = kdh;
    return PND_OK;
}

static void write_number(uint8_t *buf, size_t offset, uint64_t value, size_t size)
{
    struct pnd_wr wr = pnd_wr(buf + offset, size);

    if (offset)
        pnd_wr_be(&wr, value, size);
}

static void write_text(uint8_t *buf, size_t offset, size_t bytes, const char *text)
{
    for (size_t i = 0; i + 1 < bytes && text[i]; i++)
        buf[offset + i] = (uint8_t)text[i];
}

int pnd_kdh_write(const struct pnd_kdh *kdh, uint8_t ret[PND_KDH_BYTES])
{
    const struct layout *layout;

    if (kdh->version == 0 || kdh->version > PND_KDH_VERSION_MAX || kdh->kind > PND_KDH_CLEARED)
        return PND_E_ARG;
    layout = &layouts[kdh->version];
    memset(ret, 0, PND_KDH_BYTES);
    memcpy(ret, magics[kdh->kind], MAGIC_BYTES);
    write_text(ret, MAGIC_BYTES, PND_KDH_ARCH_CAP, kdh->architecture);
    write_number(ret, 32, kdh->version, 4);
    write_number(ret, 36, kdh->architecture_version, 4);
    write_number(ret, 40, kdh->dump_bytes, 8);
    write_number(ret, layout->extent, kdh->extent_bytes, 8);
    write_number(ret, layout->time, kdh->time_s, 8);
    write_number(ret, layout->key, kdh->key_bytes, 4);
    write_number(ret, layout->block, kdh->block_bytes, 4);
    write_number(ret, layout->packing, kdh->packing, 1);
    write_text(ret, layout->host, PND_KDH_HOST_CAP, kdh->host);
    write_text(ret, layout->os, PND_KDH_TEXT_CAP, kdh->os);
    write_text(ret, layout->panic, layout->panic_bytes, kdh->panic);
    write_number(ret, PARITY_AT, xor_words(ret), 4);
    return PND_OK;
}

const char *pnd_kdh_packing_name(uint8_t packing)
{
    switch (packing) {
    case PND_KDH_PLAIN:
        return "none";
    case PND_KDH_GZIP:
        return "gzip";
    case PND_KDH_ZSTD:
        return "zstd";
    default:
        return "unknown";
    }
}

int pnd_kdh_key_read(const void *buf, size_t len, struct pnd_kdh_key *ret)
{
    struct pnd_rd rd = pnd_rd(buf, len);
    struct pnd_kdh_key key;
    const uint8_t *iv;

    memset(&key, 0, sizeof(key));
    key.cipher = pnd_rd_u8(&rd);
    iv = pnd_rd_bytes(&rd, PND_KDH_KEY_IV_BYTES);
    key.bytes = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    if (key.bytes > PND_KDH_KEY_MAX)
        return PND_E_RANGE;
    key.wrapped = pnd_rd_bytes(&rd, key.bytes);
    if (!pnd_rd_ok(&rd))
        return PND_E_SHORT;
    memcpy(key.iv, iv, sizeof(key.iv));
    *ret = key;
    return PND_OK;
}

const char *pnd_kdh_cipher_name(uint8_t cipher)
{
    return cipher == 1 ? "AES-256-CBC" : cipher == 2 ? "ChaCha20" : "unknown";
}
