/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The fuzz targets without a fuzzer: every file named, and every file in the directories named,
 * goes through LLVMFuzzerTestOneInput() once. So each build replays the corpus. A file named
 * something.hex is text: pairs of hex digits, blanks, and comments from # to the end of the line.
 * "--binary DIRECTORY" before the names also writes what was replayed there, for a fuzzer. */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { INPUT_MAX = 16 << 20 };

static unsigned replayed, failed;
static const char *binary_dir;

static bool is_hex(const char *path)
{
    size_t len = strlen(path);

    return len > 4 && strcmp(path + len - 4, ".hex") == 0;
}

static int hex_digit(uint8_t c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* Turns text into bytes in place. @return their number, or -1 when it is no such text */
static long from_hex(uint8_t *text, size_t len)
{
    size_t at = 0, out = 0;

    while (at < len) {
        if (text[at] == '#') {
            while (at < len && text[at] != '\n')
                at++;
        } else if (isspace(text[at])) {
            at++;
        } else {
            int high = hex_digit(text[at]), low = at + 1 < len ? hex_digit(text[at + 1]) : -1;

            if (high < 0 || low < 0)
                return -1;
            text[out++] = (uint8_t)(high << 4 | low);
            at += 2;
        }
    }
    return (long)out;
}

static void write_binary(const char *path, const uint8_t *data, size_t len)
{
    const char *base = strrchr(path, '/');
    char to[4096];
    FILE *file;

    snprintf(to, sizeof(to), "%s/%s", binary_dir, base ? base + 1 : path);
    file = fopen(to, "wb");
    if (!file || fwrite(data, 1, len, file) != len)
        abort();
    fclose(file);
}

/* Exactly as many bytes as there are, so that a sanitizer sees the first one beyond. */
static void run(const char *path, const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);

    if (!exact)
        abort();
    memcpy(exact, data, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    if (binary_dir)
        write_binary(path, data, len);
    replayed++;
}

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    uint8_t *data;
    long len;

    if (!file || fstat(fileno(file), &st) != 0 || st.st_size > INPUT_MAX) {
        printf("# %s cannot be read\n", path);
        failed++;
        if (file)
            fclose(file);
        return;
    }
    data = malloc(st.st_size ? (size_t)st.st_size : 1);
    if (!data || fread(data, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
        abort();
    fclose(file);
    len = is_hex(path) ? from_hex(data, (size_t)st.st_size) : (long)st.st_size;
    if (len >= 0) {
        run(path, data, (size_t)len);
    } else {
        printf("# %s is no hex text\n", path);
        failed++;
    }
    free(data);
}

static void replay_path(const char *path)
{
    struct dirent **entries;
    struct stat st;
    char inner[4096];
    int count;

    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && stat(inner, &st) == 0 && S_ISREG(st.st_mode))
            replay_file(inner);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--binary") == 0 && i + 1 < argc)
            binary_dir = argv[++i];
        else
            replay_path(argv[i]);
    }
    printf("%sok 1 - replays %u inputs\n1..1\n", failed ? "not " : "", replayed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
