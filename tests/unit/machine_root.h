/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine made of files, below a directory of its own. */
#ifndef PND_TESTS_MACHINE_ROOT_H
#define PND_TESTS_MACHINE_ROOT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOT_PATH_CAP = 2048 };

static char root[256];

static void root_begin(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(root, sizeof(root), "%s/pnd-machine-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(root)) {
        perror(root);
        exit(2);
    }
}

static int root_remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void root_end(void)
{
    nftw(root, root_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void root_parents(char *path)
{
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

/* The file @p path, with directories above it. */
static void put_bytes(const char *path, const void *body, size_t len)
{
    char full[ROOT_PATH_CAP];
    FILE *file;

    snprintf(full, sizeof(full), "%s%s", root, path);
    root_parents(full);
    file = fopen(full, "we");
    if (!file || fwrite(body, 1, len, file) != len || fclose(file) != 0) {
        perror(full);
        exit(2);
    }
    chmod(full, 0755);
}

static void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text));
}

/* What the file holds now; "" when there is none. */
__attribute__((unused)) static const char *get(const char *path)
{
    static char text[8192];
    char full[ROOT_PATH_CAP];
    FILE *file;
    size_t n;

    snprintf(full, sizeof(full), "%s%s", root, path);
    file = fopen(full, "re");
    n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file)
        fclose(file);
    text[n] = '\0';
    return text;
}

#endif
