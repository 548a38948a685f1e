/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A log with the names of its frames; see symbols.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/symbols.h"

enum {
    LINE_CAP = 4 * PND_SYMBOLS_TEXT_MAX,
    HEX_CAP = 19,
};

static void print_files(FILE *out, const struct pnd_symbols *symbols)
{
    char path[LINE_CAP], what[LINE_CAP], id[LINE_CAP];

    for (unsigned i = 0; i < symbols->file_count; i++) {
        const struct pnd_symbol_file *file = &symbols->files[i];

        pnd_text_escape(path, sizeof(path), file->path, strlen(file->path));
        pnd_text_escape(what, sizeof(what), file->what, strlen(file->what));
        pnd_text_escape(id, sizeof(id), file->id ? file->id : "", file->id ? strlen(file->id) : 0);
        fprintf(out, "symbols of %s: %s%s%s%s\n", what, path, id[0] ? " " : "", id,
                file->differs ? "  (of another build: names may be wrong)" : "");
    }
    if (symbols->file_count > 0)
        fputc('\n', out);
}

/* A text of several lines, each behind an arrow. */
static void print_symbol(FILE *out, const struct pnd_symbol *symbol)
{
    char line[LINE_CAP];
    const char *at = symbol->text;

    while (at) {
        const char *end = strchr(at, '\n');
        size_t len = end ? (size_t)(end - at) : strlen(at);

        fprintf(out, "    -> %s", pnd_text_escape(line, sizeof(line), at, len));
        at = end ? end + 1 : NULL;
        if (at)
            fputc('\n', out);
        else
            fprintf(out, "  [0x%" PRIx64 "]\n", symbol->linked);
    }
    if (!symbol->text && symbol->file >= 0)
        fprintf(out, "    -> 0x%" PRIx64 ", no symbol\n", symbol->linked);
}

/* Behind the place in [from, end) where the hexadecimal digits of @p address stand as a number of
 * their own; NULL: nowhere. */
static const char *find_address(const char *from, const char *end, uint64_t address)
{
    char hex[HEX_CAP];
    size_t digits = (size_t)snprintf(hex, sizeof(hex), "%" PRIx64, address);

    for (const char *at = from; (at = memmem(at, (size_t)(end - at), hex, digits)); at++) {
        const char *before = at, *after = at + digits;

        while (before > from && before[-1] == '0')
            before--;
        if ((before == from || !isxdigit((unsigned char)before[-1])) &&
            (after == end || !isxdigit((unsigned char)*after)))
            return after;
    }
    return NULL;
}

/* Behind the place in [from, end), a part of the line that begins at @p line, where @p frame is
 * told; NULL: nowhere. */
static const char *find_frame(const char *line, const char *from, const char *end,
                              const struct pnd_fact_frame *frame)
{
    size_t text_len = frame->text ? strlen(frame->text) : 0;
    const char *at;

    if (frame->address) {
        at = find_address(from, end, frame->address);
        if (at && (!frame->frame || find_address(line, end, frame->frame)))
            return at;
    }
    at = text_len ? memmem(from, (size_t)(end - from), frame->text, text_len) : NULL;
    return at ? at + text_len : NULL;
}

/* As it is, but for what a terminal would not show as text. */
static void print_line(FILE *out, const char *at, const char *end)
{
    char escaped[LINE_CAP];

    while (at < end) {
        const char *from = at;

        while (at < end && ((*at >= ' ' && *at < 0x7f) || *at == '\t'))
            at++;
        fwrite(from, 1, (size_t)(at - from), out);
        for (from = at; at < end && at - from < PND_SYMBOLS_TEXT_MAX - 8; at++)
            if ((*at >= ' ' && *at < 0x7f) || *at == '\t')
                break;
        fputs(pnd_text_escape(escaped, sizeof(escaped), from, (size_t)(at - from)), out);
    }
    fputc('\n', out);
}

/* Each line, and below it what its frames are. @return the frames that were found */
static unsigned print_log(FILE *out, const struct pnd_facts *facts,
                          const struct pnd_symbols *symbols)
{
    const char *at = facts->log, *log_end = at ? at + facts->log_len : NULL;
    unsigned next = 0;

    while (at < log_end) {
        const char *newline = memchr(at, '\n', (size_t)(log_end - at));
        const char *end = newline ? newline : log_end, *from = at;

        print_line(out, at, end);
        while (next < symbols->frame_count &&
               (from = find_frame(at, from, end, &facts->frames[next])))
            print_symbol(out, &symbols->frames[next++]);
        at = newline ? newline + 1 : log_end;
    }
    return next;
}

void pnd_symbols_print(FILE *out, const struct pnd_facts *facts, const struct pnd_symbols *symbols)
{
    unsigned next;

    print_files(out, symbols);
    for (next = print_log(out, facts, symbols); next < symbols->frame_count; next++) {
        const struct pnd_fact_frame *frame = &facts->frames[next];
        const char *text = frame->text ? frame->text : "";

        fprintf(out, "0x%016" PRIx64 " ", frame->address);
        print_line(out, text, text + strlen(text));
        print_symbol(out, &symbols->frames[next]);
    }
}
