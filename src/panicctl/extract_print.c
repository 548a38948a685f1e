/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a source holds, and what became of it; see extract.h. */
#include "panicctl/extract.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/print.h"

#define KEY_NAME "key.0"

static const char *const states[] = {
    [PND_EXTRACT_DUMP] = "dump",
    [PND_EXTRACT_EMPTY] = "empty",
    [PND_EXTRACT_DAMAGED] = "damaged",
};

static const char *packing_word(enum pnd_corefile_packing packing)
{
    switch (packing) {
    case PND_COREFILE_GZIP:
        return "gzip";
    case PND_COREFILE_LZ4:
        return "lz4";
    case PND_COREFILE_RAW:
        break;
    }
    return "none";
}

static bool damaged(const struct pnd_extract_file *file)
{
    return file->result == PND_EXTRACT_INCOMPLETE || file->reason.text[0];
}

/* ---- JSON ---- */

static json_t *json_file(const struct pnd_extract_source *source, const char *dir,
                         const struct pnd_extract_place *place, const struct pnd_extract_file *file)
{
    char path[PND_EXTRACT_PATH_CAP];
    bool done = file->result != PND_EXTRACT_LISTED;

    pnd_extract_path(path, source, dir, place, file);
    return json_pack(
        "{s:s, s:b, s:I, s:I, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:s}", "name", file->name,
        "log", file->log, "offset", (json_int_t)file->offset, "stored", (json_int_t)file->length,
        "packing", packing_word(file->packing), "encrypted", file->encrypted, "decrypted",
        file->decrypted, "path", path[0] ? pnd_print_json_text(path) : json_null(), "id",
        file->id ? json_integer((json_int_t)file->id) : json_null(), "bytes",
        done ? json_integer((json_int_t)file->bytes) : json_null(), "complete",
        done ? json_boolean(file->result == PND_EXTRACT_COMPLETE) : json_null(), "damaged_at",
        file->result == PND_EXTRACT_INCOMPLETE ? json_integer((json_int_t)file->damaged_at)
                                               : json_null(),
        "reason", file->reason.text);
}

static json_t *json_place(const struct pnd_extract_source *source, const char *dir,
                          const struct pnd_extract_place *place)
{
    json_t *files = json_array();
    bool dump = place->state == PND_EXTRACT_DUMP;

    for (unsigned i = 0; i < place->file_count; i++)
        json_array_append_new(files, json_file(source, dir, place, &place->files[i]));
    return json_pack("{s:o, s:I, s:I, s:s, s:s, s:s?, s:o}", "partition",
                     place->partition ? json_integer(place->partition) : json_null(), "offset",
                     (json_int_t)place->offset, "bytes", (json_int_t)place->bytes, "state",
                     states[place->state], "reason", place->reason.text, "format",
                     dump ? place->format : NULL, "files", files);
}

static int print_json(const struct pnd_extract_source *source, const char *dir)
{
    json_t *places = json_array();

    for (unsigned i = 0; i < source->place_count; i++)
        json_array_append_new(places, json_place(source, dir, &source->places[i]));
    return pnd_print_json(json_pack("{s:o, s:o, s:o}", "source", pnd_print_json_text(source->path),
                                    "output", dir ? pnd_print_json_text(dir) : json_null(),
                                    "places", places));
}

/* ---- text ---- */

static const char *place_words(const struct pnd_extract_source *source,
                               const struct pnd_extract_place *place, char *dst, size_t cap)
{
    char name[PND_PRINT_NAME_CAP];

    if (place->partition)
        snprintf(dst, cap, "%s, partition %" PRIu32, pnd_print_name(name, source->path),
                 place->partition);
    else
        snprintf(dst, cap, "%s", pnd_print_name(name, source->path));
    return dst;
}

static void print_list(const struct pnd_extract_place *place)
{
    printf("  %-24s%20s  %s\n", "FILE", "STORED", "PACKING");
    for (unsigned i = 0; i < place->file_count; i++) {
        const struct pnd_extract_file *file = &place->files[i];

        if (file->reason.text[0])
            printf("  %-24s%20s  %s\n", file->name, "-", "damaged");
        else
            printf("  %-24s%20" PRIu64 "  %s%s\n", file->name, file->length,
                   file->encrypted ? "" : packing_word(file->packing),
                   file->encrypted   ? "encrypted"
                   : file->decrypted ? ", once decrypted"
                                     : "");
    }
}

static void print_made(const struct pnd_extract_source *source, const char *dir,
                       const struct pnd_extract_place *place)
{
    char path[PND_EXTRACT_PATH_CAP], name[PND_PRINT_NAME_CAP], size[PND_TEXT_BYTES_CAP];

    for (unsigned i = 0; i < place->file_count; i++) {
        const struct pnd_extract_file *file = &place->files[i];

        if (file->id)
            printf("  dump %" PRIu64 ": %s: %s (%" PRIu64 " bytes)\n", file->id, file->name,
                   pnd_text_bytes(size, sizeof(size), file->bytes), file->bytes);
        else if (pnd_extract_path(path, source, dir, place, file)[0])
            printf("  %s: %s (%" PRIu64 " bytes)\n", pnd_print_name(name, path),
                   pnd_text_bytes(size, sizeof(size), file->bytes), file->bytes);
    }
}

static void warn_encrypted(const struct pnd_extract_source *source, const char *dir,
                           const struct pnd_extract_place *place,
                           const struct pnd_extract_file *file)
{
    const char *copied = dir || file->id ? "copied" : "stored";
    char name[PND_PRINT_NAME_CAP];

    if (place->kind == PND_EXTRACT_APPLE)
        fprintf(stderr,
                "panicctl: %s is encrypted (AEA) and can be read only with the private key to the "
                "public one that was given to the machine; it is %s as it is\n",
                file->name, copied);
    else
        fprintf(stderr,
                "panicctl: %s is encrypted, and is %s as it is, with " KEY_NAME "; who has the "
                "private key to the public one that was given to the machine types: panicctl "
                "extract %s --private-key FILE\n",
                file->name, copied, pnd_print_name(name, source->path));
}

/* What a person must know beside the files, on standard error. */
static void print_warnings(const struct pnd_extract_source *source, const char *dir,
                           const struct pnd_extract_place *place)
{
    char path[PND_EXTRACT_PATH_CAP], name[PND_PRINT_NAME_CAP];

    for (unsigned i = 0; i < place->file_count; i++) {
        const struct pnd_extract_file *file = &place->files[i];

        if (file->result == PND_EXTRACT_INCOMPLETE) {
            pnd_extract_path(path, source, dir, place, file);
            if (file->id)
                snprintf(path, sizeof(path), "dump %" PRIu64, file->id);
            fprintf(stderr,
                    "panicctl: %s: %s, at byte %" PRIu64 " of the %" PRIu64 " stored; %s%s\n",
                    file->name, file->reason.text, file->damaged_at, file->length,
                    file->id  ? "what comes before it is "
                    : path[0] ? "what comes before it is in "
                              : "nothing comes before it",
                    pnd_print_name(name, path));
        } else if (file->reason.text[0]) {
            fprintf(stderr, "panicctl: %s: %s\n", file->name, file->reason.text);
        } else if (file->encrypted) {
            warn_encrypted(source, dir, place, file);
        }
    }
}

static void print_place(const struct pnd_extract_source *source, const char *dir,
                        const struct pnd_extract_place *place)
{
    char words[PND_PRINT_NAME_CAP + 64];

    place_words(source, place, words, sizeof(words));
    if (place->state != PND_EXTRACT_DUMP) {
        fflush(stdout);
        fprintf(stderr, "panicctl: %s: %s\n", words, place->reason.text);
        return;
    }
    printf("%s: %s\n", words, place->format);
    if (place->file_count == 0)
        puts("  no file is whole, and there is no log: the dump was cut short");
    else if (dir || source->imported)
        print_made(source, dir, place);
    else
        print_list(place);
    fflush(stdout);
    if (place->reason.text[0])
        fprintf(stderr, "panicctl: %s: %s\n", words, place->reason.text);
    print_warnings(source, dir, place);
}

int pnd_extract_print(const struct pnd_ctl *ctl, const struct pnd_extract_source *source,
                      const char *dir)
{
    unsigned dumps = 0, bad = 0;

    for (unsigned i = 0; i < source->place_count; i++) {
        const struct pnd_extract_place *place = &source->places[i];

        dumps += place->file_count > 0;
        bad += place->state == PND_EXTRACT_DAMAGED ||
               (place->state == PND_EXTRACT_DUMP && place->reason.text[0]);
        for (unsigned k = 0; k < place->file_count; k++)
            bad += damaged(&place->files[k]);
        if (!ctl->json)
            print_place(source, dir, place);
    }
    if (ctl->json && print_json(source, dir) != PND_EXIT_OK)
        return PND_EXIT_COULD_NOT;
    return dumps && !bad ? PND_EXIT_OK : PND_EXIT_NO;
}
