/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The checked cursors: the only way bytes from outside become numbers, and numbers bytes.
 * A read past the end yields 0 and makes the cursor bad for good; test once at the end.
 * Freestanding. */
#ifndef PND_WIRE_CURSOR_H
#define PND_WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pnd_rd {
    const uint8_t *at, *end;
    bool bad;
};

static inline struct pnd_rd pnd_rd(const void *buf, size_t len)
{
    const uint8_t *p = buf;

    /* Of nothing at all, NULL; and NULL + 0 is undefined. */
    return (struct pnd_rd){.at = p, .end = len ? p + len : p, .bad = false};
}

static inline size_t pnd_rd_left(const struct pnd_rd *rd)
{
    return rd->bad ? 0 : (size_t)(rd->end - rd->at);
}

static inline bool pnd_rd_ok(const struct pnd_rd *rd)
{
    return !rd->bad;
}

/* @return the next @p len bytes, or NULL (and a bad cursor) when they are not there. */
static inline const uint8_t *pnd_rd_bytes(struct pnd_rd *rd, size_t len)
{
    const uint8_t *p = rd->at;

    if (rd->bad || (size_t)(rd->end - rd->at) < len) {
        rd->bad = true;
        return NULL;
    }
    rd->at += len;
    return p;
}

static inline uint8_t pnd_rd_u8(struct pnd_rd *rd)
{
    const uint8_t *p = pnd_rd_bytes(rd, 1);

    return p ? p[0] : 0;
}

static inline uint64_t pnd_rd_be(struct pnd_rd *rd, size_t size)
{
    const uint8_t *p = pnd_rd_bytes(rd, size);
    uint64_t v = 0;

    for (size_t i = 0; p && i < size; i++)
        v = v << 8 | p[i];
    return v;
}

static inline uint64_t pnd_rd_le(struct pnd_rd *rd, size_t size)
{
    const uint8_t *p = pnd_rd_bytes(rd, size);
    uint64_t v = 0;

    for (size_t i = size; p && i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static inline uint16_t pnd_rd_be16(struct pnd_rd *rd)
{
    return (uint16_t)pnd_rd_be(rd, 2);
}

static inline uint32_t pnd_rd_be32(struct pnd_rd *rd)
{
    return (uint32_t)pnd_rd_be(rd, 4);
}

static inline uint64_t pnd_rd_be64(struct pnd_rd *rd)
{
    return pnd_rd_be(rd, 8);
}

static inline uint16_t pnd_rd_le16(struct pnd_rd *rd)
{
    return (uint16_t)pnd_rd_le(rd, 2);
}

static inline uint32_t pnd_rd_le32(struct pnd_rd *rd)
{
    return (uint32_t)pnd_rd_le(rd, 4);
}

static inline uint64_t pnd_rd_le64(struct pnd_rd *rd)
{
    return pnd_rd_le(rd, 8);
}

/* A NUL-terminated string: @return its first byte, its length without the NUL in @p ret_len;
 * NULL (and a bad cursor) when no NUL follows. */
static inline const char *pnd_rd_cstr(struct pnd_rd *rd, size_t *ret_len)
{
    size_t left = pnd_rd_left(rd);
    const uint8_t *p = rd->at;

    for (size_t i = 0; i < left; i++) {
        if (p[i] == 0) {
            rd->at += i + 1;
            *ret_len = i;
            return (const char *)p;
        }
    }
    rd->bad = true;
    return NULL;
}

struct pnd_wr {
    uint8_t *start, *at, *end;
    bool bad;
};

static inline struct pnd_wr pnd_wr(void *buf, size_t cap)
{
    uint8_t *p = buf;

    return (struct pnd_wr){.start = p, .at = p, .end = cap ? p + cap : p, .bad = false};
}

static inline bool pnd_wr_ok(const struct pnd_wr *wr)
{
    return !wr->bad;
}

static inline size_t pnd_wr_len(const struct pnd_wr *wr)
{
    return (size_t)(wr->at - wr->start);
}

/* @return where @p len bytes may be written, or NULL (and a bad cursor) when there is no room. */
static inline uint8_t *pnd_wr_room(struct pnd_wr *wr, size_t len)
{
    uint8_t *p = wr->at;

    if (wr->bad || (size_t)(wr->end - wr->at) < len) {
        wr->bad = true;
        return NULL;
    }
    wr->at += len;
    return p;
}

static inline void pnd_wr_bytes(struct pnd_wr *wr, const void *src, size_t len)
{
    uint8_t *p = pnd_wr_room(wr, len);

    if (p && len)
        memcpy(p, src, len);
}

static inline void pnd_wr_be(struct pnd_wr *wr, uint64_t v, size_t size)
{
    uint8_t *p = pnd_wr_room(wr, size);

    for (size_t i = size; p && i > 0; i--, v >>= 8)
        p[i - 1] = (uint8_t)v;
}

static inline void pnd_wr_le(struct pnd_wr *wr, uint64_t v, size_t size)
{
    uint8_t *p = pnd_wr_room(wr, size);

    for (size_t i = 0; p && i < size; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

static inline void pnd_wr_u8(struct pnd_wr *wr, uint8_t v)
{
    pnd_wr_be(wr, v, 1);
}

static inline void pnd_wr_be16(struct pnd_wr *wr, uint16_t v)
{
    pnd_wr_be(wr, v, 2);
}

static inline void pnd_wr_be32(struct pnd_wr *wr, uint32_t v)
{
    pnd_wr_be(wr, v, 4);
}

static inline void pnd_wr_be64(struct pnd_wr *wr, uint64_t v)
{
    pnd_wr_be(wr, v, 8);
}

static inline void pnd_wr_le16(struct pnd_wr *wr, uint16_t v)
{
    pnd_wr_le(wr, v, 2);
}

static inline void pnd_wr_le32(struct pnd_wr *wr, uint32_t v)
{
    pnd_wr_le(wr, v, 4);
}

static inline void pnd_wr_le64(struct pnd_wr *wr, uint64_t v)
{
    pnd_wr_le(wr, v, 8);
}

static inline void pnd_wr_zeros(struct pnd_wr *wr, size_t len)
{
    uint8_t *p = pnd_wr_room(wr, len);

    if (p && len)
        memset(p, 0, len);
}

#endif
