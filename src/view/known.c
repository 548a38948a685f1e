/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What "panicctl info" says; see known.h. */
#include "view/known.h"

#include <stdio.h>
#include <string.h>

#include "store/beside.h"

static const struct {
    const char *format, *what;
    bool core; /* a debugger opens it */
} formats[] = {
    {"elf", "an ELF core", true},
    {"macho", "a Mach-O core", true},
    {"kdump", "a Linux core by makedumpfile", true},
    {"flattened", "a Linux core by makedumpfile, flattened", true},
    {"freebsd-minidump", "a FreeBSD minidump", true},
    {"freebsd-textdump", "a FreeBSD text dump", false},
    {"freebsd-device", "a FreeBSD dump as it lies on a disk", false},
    {"corefile", "the corefile of a Mac's disk", false},
    {"panic-log", "a panic log", false},
    {"data", "no core that is known here", false},
    {"empty", "no bytes at all", false},
};

static const struct {
    const char *prefix, *suffix, *alone;
} packings[] = {
    {"gzip", ", compressed with gzip", "compressed with gzip, and no core inside"},
    {"zstd", ", compressed with zstd", "compressed with zstd, and no core inside"},
    {"lz4", ", compressed with LZ4", "compressed with LZ4, and no core inside"},
};

enum { FORMAT_COUNT = sizeof(formats) / sizeof(*formats) };

/* @param ret_suffix  of the packing, or "". @return the format within; NULL: only packed */
static const char *inner_format(const char *format, const char **ret_suffix)
{
    *ret_suffix = "";
    for (size_t i = 0; i < sizeof(packings) / sizeof(*packings); i++) {
        size_t len = strlen(packings[i].prefix);

        if (strncmp(format, packings[i].prefix, len) != 0 || (format[len] && format[len] != '+'))
            continue;
        *ret_suffix = format[len] ? packings[i].suffix : packings[i].alone;
        return format[len] ? format + len + 1 : NULL;
    }
    return format;
}

const char *pnd_info_format(const char *format, char *dst, size_t cap)
{
    const char *suffix, *inner = inner_format(format, &suffix);

    if (!inner)
        return suffix;
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].format, inner) == 0) {
            snprintf(dst, cap, "%s%s", formats[i].what, suffix);
            return dst;
        }
    }
    return NULL;
}

bool pnd_info_opens(const char *format)
{
    const char *suffix, *inner = inner_format(format, &suffix);

    for (int i = 0; inner && i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].format, inner) == 0)
            return formats[i].core;
    }
    return false;
}

/* ---- JSON ---- */

enum { COMMAND_CAP = PND_ENCRYPTED_LINE_CAP };

static json_t *command_json(const char *verb, const char *name, bool fits)
{
    char line[COMMAND_CAP];

    snprintf(line, sizeof(line), "panicctl %s %s", verb, name);
    return fits ? json_string(line) : json_null();
}

/* The names of what lies beside the dump. */
static json_t *beside_json(const struct pnd_spool *spool, const struct pnd_dump *dump)
{
    json_t *list = json_array();
    char name[PND_SPOOL_NAME_CAP];

    for (unsigned i = 0; i < PND_BESIDE_COUNT; i++)
        if (pnd_beside_there(spool, dump->file, i))
            json_array_append_new(list, pnd_print_json_text(pnd_beside_name(dump->file, i, name)));
    return list;
}

json_t *pnd_known_row_json(const struct pnd_spool *spool, struct pnd_catalog *catalog,
                           const struct pnd_view *view)
{
    json_t *json = pnd_view_json(spool, catalog, view);

    if (json)
        json_object_update_new(json, json_pack("{s:I, s:I, s:o}", "packets",
                                               (json_int_t)view->dump.packets, "repeats",
                                               (json_int_t)view->dump.repeats, "beside",
                                               beside_json(spool, &view->dump)));
    return json;
}

json_t *pnd_known_json(const struct pnd_known *known)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "facts", pnd_facts_to_json(known->facts, false),
                     "seen", known->group ? pnd_group_json(known->group) : json_null(), "encrypted",
                     pnd_encrypted_json(known->encrypted, known->name), "open",
                     command_json("debug", known->name, pnd_info_opens(known->format)), "pack",
                     command_json("pack", known->name, known->packs));
}
