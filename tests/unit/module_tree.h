/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /lib/modules/RELEASE made by hand: module files with a .modinfo and nothing else, and the tables
 * that depmod makes of them, as libkmod reads them. */
#ifndef PND_TESTS_MODULE_TREE_H
#define PND_TESTS_MODULE_TREE_H

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>

#include "tmpdir.h"

#define TREE_RELEASE "6.9.9-made"

enum { TREE_INDEX_CAP = 64 * 1024 };

struct tree_pair {
    const char *key, *value;
};

struct tree_index {
    uint8_t bytes[TREE_INDEX_CAP];
    uint32_t len;
};

static inline void tree_mkdirs(const char *path)
{
    char part[512];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        mkdir(tmp_file(part), 0755);
    }
}

/* A file, and the directories that it is in. */
static inline void tree_put(const char *path, const void *data, size_t len)
{
    tree_mkdirs(path);
    tmp_write(path, data, len);
}

static inline void tree_text(const char *path, const char *text)
{
    tree_put(path, text, strlen(text));
}

static inline void tree_link(const char *path, const char *target)
{
    tree_mkdirs(path);
    CHECK(symlink(target, tmp_file(path)) == 0);
}

/* ---- the tables: a trie of one byte a node, all numbers big-endian */

static inline void tree_u32(struct tree_index *x, uint32_t v)
{
    v = htobe32(v);
    memcpy(x->bytes + x->len, &v, sizeof(v));
    x->len += 4;
}

/* The node for the keys that begin with the first @p depth bytes of pairs[0]. Sorted. */
static inline uint32_t tree_node(struct tree_index *x, const struct tree_pair *pairs, size_t count,
                                 size_t depth)
{
    uint32_t children[128] = {0}, at, flags = 0;
    uint8_t first = 0, last = 0;
    size_t values = 0, i;

    while (values < count && !pairs[values].key[depth])
        values++;
    for (i = values; i < count;) {
        uint8_t c = (uint8_t)pairs[i].key[depth];
        size_t n = 1;

        while (i + n < count && (uint8_t)pairs[i + n].key[depth] == c)
            n++;
        children[c] = tree_node(x, pairs + i, n, depth + 1);
        first = first ? first : c;
        last = c;
        i += n;
    }
    at = x->len;
    if (first) {
        flags |= 0x20000000;
        x->bytes[x->len++] = first;
        x->bytes[x->len++] = last;
        for (unsigned c = first; c <= last; c++)
            tree_u32(x, children[c]);
    }
    if (values) {
        flags |= 0x40000000;
        tree_u32(x, (uint32_t)values);
        for (i = 0; i < values; i++) {
            size_t len = strlen(pairs[i].value) + 1;

            tree_u32(x, 0);
            memcpy(x->bytes + x->len, pairs[i].value, len);
            x->len += (uint32_t)len;
        }
    }
    return at | flags;
}

static inline int tree_order(const void *a, const void *b)
{
    return strcmp(((const struct tree_pair *)a)->key, ((const struct tree_pair *)b)->key);
}

static inline void tree_table(const char *name, struct tree_pair *pairs, size_t count)
{
    static struct tree_index x;
    char path[256];
    uint32_t root;

    qsort(pairs, count, sizeof(*pairs), tree_order);
    x.len = 0;
    tree_u32(&x, 0xb007f457);
    tree_u32(&x, 0x00020001);
    tree_u32(&x, 0);
    root = htobe32(tree_node(&x, pairs, count, 0));
    memcpy(x.bytes + 8, &root, sizeof(root));
    snprintf(path, sizeof(path), "lib/modules/" TREE_RELEASE "/%s.bin", name);
    tree_put(path, x.bytes, x.len);
}

/* ---- a module: an ELF object of this machine's kind with a section .modinfo */

static inline size_t tree_module(uint8_t dst[1024], const char *modinfo, size_t modinfo_len)
{
    static const char names[] = "\0.modinfo\0.shstrtab";
    uint8_t section[3][64] = {{0}};
    uint64_t at = 64, v;
    uint16_t w;
    uint32_t u;

    memset(dst, 0, 1024);
    memcpy(dst, "\177ELF\2\1\1", 7);
    w = 1; /* ET_REL */
    memcpy(dst + 16, &w, 2);
    w = 62; /* x86-64 */
    memcpy(dst + 18, &w, 2);
    u = 1;
    memcpy(dst + 20, &u, 4);
    w = 64;
    memcpy(dst + 52, &w, 2);
    memcpy(dst + 58, &w, 2);
    w = 3;
    memcpy(dst + 60, &w, 2);
    w = 2;
    memcpy(dst + 62, &w, 2);
    for (int i = 1; i <= 2; i++) {
        size_t len = i == 1 ? modinfo_len : sizeof(names);

        u = i == 1 ? 1 : 10; /* sh_name */
        memcpy(section[i], &u, 4);
        u = i == 1 ? 1 : 3; /* SHT_PROGBITS, SHT_STRTAB */
        memcpy(section[i] + 4, &u, 4);
        memcpy(section[i] + 24, &at, 8);
        v = len;
        memcpy(section[i] + 32, &v, 8);
        memcpy(dst + at, i == 1 ? modinfo : names, len);
        at += len;
    }
    at = (at + 7) & ~UINT64_C(7);
    memcpy(dst + 40, &at, 8); /* e_shoff */
    memcpy(dst + at, section, sizeof(section));
    return (size_t)at + sizeof(section);
}

/* @p packed: as a distribution would. */
static inline void tree_pack(const char *path, const void *data, size_t len,
                             int (*packed)(struct archive *))
{
    static uint8_t out[64 * 1024];
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    size_t used = 0;

    archive_write_set_format_raw(a);
    packed(a);
    archive_write_set_bytes_in_last_block(a, 1);
    CHECK(archive_write_open_memory(a, out, sizeof(out), &used) == ARCHIVE_OK);
    archive_entry_set_filetype(e, AE_IFREG);
    CHECK(archive_write_header(a, e) == ARCHIVE_OK);
    CHECK(archive_write_data(a, data, len) == (la_ssize_t)len);
    archive_write_close(a);
    archive_entry_free(e);
    archive_write_free(a);
    tree_put(path, out, used);
}

#endif
