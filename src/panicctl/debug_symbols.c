/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The file with the symbols of a kernel: by its build-id or UUID, in the usual places. What is
 * read here are files of this machine, not dumps. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "image/elf.h"
#include "image/macho.h"
#include "panicctl/debug.h"
#include "wire/cursor.h"

enum {
    HEAD_CAP = 256 << 10, /* a kernel's headers, and the notes behind them or elsewhere */
    NOTE_CAP = 64 << 10,
    NT_GNU_BUILD_ID = 3,
    ID_LEN_MAX = 32,
    LC_UUID = 0x1b,
    UUID_LEN = 16,
};

/* ---- the id of a file ---- */

static void put_hex(char ret[PND_DEBUG_ID_CAP], const uint8_t *id, size_t len, bool uuid)
{
    size_t at = 0;

    for (size_t i = 0; i < len; i++) {
        if (uuid && (i == 4 || i == 6 || i == 8 || i == 10))
            ret[at++] = '-';
        at += (size_t)snprintf(ret + at, PND_DEBUG_ID_CAP - at, uuid ? "%02X" : "%02x", id[i]);
    }
    ret[at] = '\0';
}

static uint32_t word(struct pnd_rd *rd, bool big)
{
    return big ? pnd_rd_be32(rd) : pnd_rd_le32(rd);
}

static bool find_build_id(const uint8_t *notes, size_t len, bool big, char ret[PND_DEBUG_ID_CAP])
{
    struct pnd_rd rd = pnd_rd(notes, len);

    while (pnd_rd_left(&rd) > 0) {
        uint32_t name_len = word(&rd, big), desc_len = word(&rd, big), type = word(&rd, big);
        const uint8_t *name = pnd_rd_bytes(&rd, ((size_t)name_len + 3) & ~(size_t)3), *desc;

        desc = pnd_rd_bytes(&rd, desc_len);
        if (!pnd_rd_ok(&rd))
            return false;
        pnd_rd_bytes(&rd, -desc_len & 3);
        if (type != NT_GNU_BUILD_ID || name_len != 4 || memcmp(name, "GNU", 4) != 0 ||
            desc_len == 0 || desc_len > ID_LEN_MAX)
            continue;
        put_hex(ret, desc, desc_len, false);
        return true;
    }
    return false;
}

static bool elf_id(int fd, const uint8_t *head, size_t len, char ret[PND_DEBUG_ID_CAP])
{
    struct pnd_elf elf;
    struct pnd_elf_segment segment;
    bool found = false;
    uint8_t *notes = malloc(NOTE_CAP);

    if (notes && pnd_elf_parse(head, len, &elf) == PND_OK) {
        for (uint32_t i = 0; !found && pnd_elf_segment(&elf, head, len, i, &segment) == PND_OK;
             i++) {
            size_t want = segment.filesz < NOTE_CAP ? (size_t)segment.filesz : NOTE_CAP;
            ssize_t n = -1;

            if (segment.type == PND_ELF_PT_NOTE && segment.offset <= INT64_MAX)
                n = pnd_io_read_at(fd, segment.offset, notes, want);
            found = n > 0 && find_build_id(notes, (size_t)n, elf.big, ret);
        }
    }
    free(notes);
    return found;
}

static bool macho_id(const uint8_t *head, size_t len, char ret[PND_DEBUG_ID_CAP])
{
    struct pnd_macho macho;
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;

    if (pnd_macho_parse(head, len, &macho) != PND_OK)
        return false;
    pnd_macho_walk_init(&walk, &macho, head, len);
    while (pnd_macho_walk_next(&walk, &cmd) == PND_OK) {
        if (cmd.cmd != LC_UUID || cmd.at + 8 + UUID_LEN > len)
            continue;
        put_hex(ret, head + cmd.at + 8, UUID_LEN, true);
        return true;
    }
    return false;
}

bool pnd_debug_file_id(const char *path, char ret[PND_DEBUG_ID_CAP], bool *ret_elf)
{
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    uint8_t *head = malloc(HEAD_CAP);
    bool found = false, elf = false;
    ssize_t n = fd < 0 || !head ? -1 : pnd_io_read_at(fd, 0, head, HEAD_CAP);

    ret[0] = '\0';
    if (n > 0) {
        elf = pnd_elf_is(head, (size_t)n);
        found = elf ? elf_id(fd, head, (size_t)n, ret) : macho_id(head, (size_t)n, ret);
        if (ret_elf)
            *ret_elf = elf;
    }
    free(head);
    return found;
}

/* A build-id of 16 bytes may be written as a UUID. */
static bool same_id(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += *a == '-';
        b += *b == '-';
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

/* ---- the search ---- */

struct search {
    const struct pnd_facts *facts;
    const char *id, *release; /* of the dump; "" not known */
    bool linux_kernel, apple;
    struct pnd_debug_symbols *ret;
    unsigned looked_at;
};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Is a file of this name the right one, when no id tells? */
static bool is_named_so(const struct search *search, const char *name)
{
    const char *os = pnd_facts_text(search->facts, PND_FACT_OS);

    if (search->linux_kernel)
        return search->release[0] && starts(name, "vmlinux-") &&
               strcmp(name + strlen("vmlinux-"), search->release) == 0;
    if (strcmp(os, "FreeBSD") == 0)
        return strcmp(name, "kernel") == 0 || strcmp(name, "kernel.debug") == 0;
    return os[0] && strcasecmp(name, os) == 0;
}

/* Could it be, so that it is worth a look at its id? */
static bool could_be(const struct search *search, const char *name)
{
    size_t len = strlen(name);

    if (search->linux_kernel)
        return starts(name, "vmlinux") || (len > 6 && strcmp(name + len - 6, ".debug") == 0);
    return starts(name, "kernel") || starts(name, "mach_kernel") || is_named_so(search, name);
}

/* @param by_name  it has the right name, which counts when no id tells. @return true: that is it */
static bool try_file(struct search *search, const char *path, bool by_name)
{
    char id[PND_DEBUG_ID_CAP];
    bool elf = false, has_id;
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return false;
    has_id = pnd_debug_file_id(path, id, &elf);
    if (has_id && search->id[0] ? !same_id(id, search->id) : !by_name)
        return false;
    snprintf(search->ret->path, sizeof(search->ret->path), "%s", path);
    snprintf(search->ret->id, sizeof(search->ret->id), "%s", id);
    search->ret->elf = elf;
    return true;
}

static bool join(char ret[PND_DEBUG_PATH_CAP], const char *dir, const char *name)
{
    int len = snprintf(ret, PND_DEBUG_PATH_CAP, "%s/%s", dir, name);

    return len > 0 && len < PND_DEBUG_PATH_CAP;
}

/* Everything below a directory: level by level would be fairer, but a kit has its kernels deep.
 * The depth is bounded. */
static bool walk(struct search *search, const char *dir, unsigned depth)
{
    DIR *stream = depth > 0 ? opendir(dir) : NULL;
    char *path = malloc(PND_DEBUG_PATH_CAP);
    const struct dirent *entry;
    bool found = false;

    while (stream && path && !found && search->looked_at < PND_DEBUG_SEARCH_MAX &&
           (entry = readdir(stream)) != NULL) {
        struct stat st;

        search->looked_at++;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            !join(path, dir, entry->d_name) || lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            found = walk(search, path, depth - 1);
        else if (could_be(search, entry->d_name))
            found = try_file(search, path, is_named_so(search, entry->d_name));
    }
    if (stream)
        closedir(stream);
    free(path);
    return found;
}

/* A part of a path that the dump has named. */
static bool is_path_part(const char *text)
{
    return text[0] && text[0] != '.' && !strchr(text, '/') && strlen(text) <= NAME_MAX;
}

static bool try_build_id(struct search *search, const char *dir)
{
    char path[PND_DEBUG_PATH_CAP];
    int len;

    if (!is_path_part(search->id) || strlen(search->id) <= 2)
        return false;
    len =
        snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", dir, search->id, search->id + 2);
    return len > 0 && (size_t)len < sizeof(path) && try_file(search, path, true);
}

static bool try_release(struct search *search, const char *before, const char *after)
{
    char path[PND_DEBUG_PATH_CAP];
    int len;

    if (!is_path_part(search->release))
        return false;
    len = snprintf(path, sizeof(path), "%s%s%s", before, search->release, after);
    return len > 0 && (size_t)len < sizeof(path) && try_file(search, path, true);
}

/* A directory that a person keeps for symbols: first where its name says, then all of it. */
static bool try_directory(struct search *search, const char *dir)
{
    char before[PND_DEBUG_PATH_CAP];

    if (search->linux_kernel && (try_build_id(search, dir) || (join(before, dir, "vmlinux-") &&
                                                               try_release(search, before, ""))))
        return true;
    return walk(search, dir, PND_DEBUG_SEARCH_DEPTH);
}

static bool try_list(struct search *search, const char *list)
{
    char dir[PND_DEBUG_PATH_CAP];

    while (list && list[0]) {
        size_t len = strcspn(list, ":");

        if (len > 0 && len < sizeof(dir)) {
            memcpy(dir, list, len);
            dir[len] = '\0';
            if (try_directory(search, dir))
                return true;
        }
        list += len + (list[len] == ':');
    }
    return false;
}

/* Where Debian and Fedora put them. */
static bool try_linux(struct search *search)
{
    return try_build_id(search, "/usr/lib/debug") ||
           try_release(search, "/usr/lib/debug/boot/vmlinux-", "") ||
           try_release(search, "/boot/vmlinux-", "") ||
           try_release(search, "/usr/lib/debug/lib/modules/", "/vmlinux");
}

static bool try_apple(struct search *search)
{
    const char *home = getenv("HOME");
    char path[PND_DEBUG_PATH_CAP];

    if (home && home[0] && join(path, home, "Library/Developer/KDKs") &&
        walk(search, path, PND_DEBUG_SEARCH_DEPTH))
        return true;
    return walk(search, "/Library/Developer/KDKs", PND_DEBUG_SEARCH_DEPTH);
}

int pnd_debug_find_symbols(const struct pnd_facts *facts, const char *named, const char *own,
                           struct pnd_debug_symbols *ret, struct pnd_why *why)
{
    const char *os = pnd_facts_text(facts, PND_FACT_OS);
    struct search search = {.facts = facts,
                            .id = pnd_facts_text(facts, PND_FACT_BUILD_ID),
                            .release = pnd_facts_text(facts, PND_FACT_KERNEL),
                            .linux_kernel = strcmp(os, "Linux") == 0,
                            .apple = strcmp(os, "macOS") == 0 || strcmp(os, "Darwin") == 0,
                            .ret = ret};
    struct stat st;

    *ret = (struct pnd_debug_symbols){0};
    if (named && stat(named, &st) != 0)
        return pnd_why(why, PND_E_NOTFOUND, errno, "look at %s", named);
    if (named && !S_ISDIR(st.st_mode)) {
        snprintf(ret->path, sizeof(ret->path), "%s", named);
        ret->differs = pnd_debug_file_id(named, ret->id, &ret->elf) && search.id[0] &&
                       !same_id(ret->id, search.id);
        return PND_OK;
    }
    if ((named && try_directory(&search, named)) || try_list(&search, getenv("PANICD_SYMBOLS")) ||
        (own && try_directory(&search, own)))
        return PND_OK;
    if (search.linux_kernel)
        try_linux(&search);
    else if (search.apple)
        try_apple(&search);
    return PND_OK;
}

void pnd_debug_expect_symbols(const struct pnd_facts *facts, struct pnd_debug_symbols *ret)
{
    const char *release = pnd_facts_text(facts, PND_FACT_KERNEL);
    bool is_linux = strcmp(pnd_facts_text(facts, PND_FACT_OS), "Linux") == 0;

    *ret = (struct pnd_debug_symbols){.elf = true};
    if (is_linux && is_path_part(release))
        snprintf(ret->path, sizeof(ret->path), "/usr/lib/debug/boot/vmlinux-%s", release);
    else
        snprintf(ret->path, sizeof(ret->path), "%s", is_linux ? "vmlinux" : "kernel");
}
