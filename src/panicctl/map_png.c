/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The picture of memory as a PNG file; see map_png.h. */
#include "panicctl/map_png.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

enum { COLOURS = PND_MEMORY_COUNT + 2, GAP = PND_MEMORY_COUNT + 1 };

/* Red, green and blue of a kind; two more: of nothing, and of the rows left out. */
static const uint8_t colours[COLOURS][3] = {
    [PND_MEMORY_PRESENT] = {0x2e, 0x8b, 0x57},
    [PND_MEMORY_ZERO] = {0xc8, 0xd6, 0xcf},
    [PND_MEMORY_EXCLUDED] = {0x46, 0x82, 0xb4},
    [PND_MEMORY_UNREADABLE] = {0xe0, 0x9f, 0x1f},
    [PND_MEMORY_MISSING] = {0xc0, 0x27, 0x2d},
    [PND_MAP_NOTHING] = {0xff, 0xff, 0xff},
    [GAP] = {0x80, 0x80, 0x80},
};

struct picture {
    const struct pnd_map *map;
    int fd;
    int errnum; /* of a write that failed */
    char what[64];
};

static void fail(png_structp png, png_const_charp message)
{
    struct picture *picture = png_get_error_ptr(png);

    snprintf(picture->what, sizeof(picture->what), "%s", message);
    png_longjmp(png, 1);
}

static void be_quiet(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void put(png_structp png, png_bytep data, size_t len)
{
    struct picture *picture = png_get_io_ptr(png);

    while (len > 0) {
        ssize_t n = write(picture->fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            picture->errnum = errno;
            png_error(png, "write");
        }
        data += n;
        len -= (size_t)n;
    }
}

static void flush(png_structp png)
{
    (void)png;
}

static void put_head(png_structp png, png_infop info, const struct pnd_map *map)
{
    png_color palette[COLOURS];
    char text[128], key[] = "Description";
    png_text description = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = key, .text = text};

    for (unsigned i = 0; i < COLOURS; i++)
        palette[i] = (png_color){colours[i][0], colours[i][1], colours[i][2]};
    png_set_IHDR(png, info, map->columns * PND_MAP_PNG_CELL, map->row_count * PND_MAP_PNG_CELL, 8,
                 PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(png, info, palette, COLOURS);
    snprintf(text, sizeof(text),
             "memory from 0x%016" PRIx64 ", %" PRIu64 " bytes a square, %u squares a row",
             map->rows[0].start, map->cell_bytes, map->columns);
    description.text_length = strlen(text);
    png_set_text(png, info, &description, 1);
    png_write_info(png, info);
}

static void put_rows(png_structp png, const struct pnd_map *map, uint8_t *line)
{
    for (unsigned row = 0; row < map->row_count; row++) {
        for (unsigned i = 0; i < map->columns * PND_MAP_PNG_CELL; i++)
            line[i] = map->rows[row].gap_bytes
                          ? GAP
                          : map->kinds[row * map->columns + i / PND_MAP_PNG_CELL];
        for (unsigned i = 0; i < PND_MAP_PNG_CELL; i++)
            png_write_row(png, line);
    }
}

/* libpng leaves by longjmp(): nothing here changes between setjmp() and that. */
static bool put_all(png_structp png, png_infop info, const struct pnd_map *map, uint8_t *line)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    put_head(png, info, map);
    put_rows(png, map, line);
    png_write_end(png, NULL);
    return true;
}

int pnd_map_write_png(const struct pnd_map *map, int fd, struct pnd_why *why)
{
    struct picture picture = {.map = map, .fd = fd};
    uint8_t *line = malloc((size_t)map->columns * PND_MAP_PNG_CELL);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &picture, fail, be_quiet);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int err = PND_OK;

    if (!line || !info) {
        err = pnd_why(why, PND_E_SYS, ENOMEM, "make room for the picture");
    } else {
        png_set_write_fn(png, &picture, put, flush);
        if (!put_all(png, info, map, line))
            err = pnd_why(why, picture.errnum == ENOSPC ? PND_E_NOSPACE : PND_E_SYS, picture.errnum,
                          "write the picture%s%s", picture.errnum ? "" : ": ",
                          picture.errnum ? "" : picture.what);
    }
    png_destroy_write_struct(&png, &info);
    free(line);
    return err;
}
