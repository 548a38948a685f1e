/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl info */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/print.h"
#include "panicctl/view.h"

/* The header does not tell whose core it is. */
static const char elf_hint[] = "If it is a kernel's, with the vmlinux of that very kernel, one of:";

enum { OPENERS_MAX = 3 };

#define ELF_OPENERS                                                                                \
    {                                                                                              \
        "crash vmlinux core", "drgn -c core -s vmlinux", "gdb vmlinux core"                        \
    }

static const struct {
    const char *format, *what;
    const char *hint;              /* what stands before the commands; NULL: nothing */
    const char *open[OPENERS_MAX]; /* what a person types next; NULL: nothing is known to open it */
} formats[] = {
    {"elf", "an ELF core", elf_hint, ELF_OPENERS},
    {"gzip+elf", "an ELF core, compressed with gzip", elf_hint, ELF_OPENERS},
    {"macho", "a Mach-O core", NULL, {"lldb --core core"}},
    {"gzip+macho", "a Mach-O core, compressed with gzip", NULL, {"lldb --core core"}},
    {"gzip", "compressed with gzip, and no core inside", NULL, {NULL}},
    {"data", "no core that is known here", NULL, {NULL}},
    {"empty", "no bytes at all", NULL, {NULL}},
};

enum { FORMAT_COUNT = sizeof(formats) / sizeof(*formats) };

static int find_format(const char *format)
{
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].format, format) == 0)
            return i;
    }
    return -1;
}

/* "panicctl export 3 --decompress -o core" */
static void export_line(const struct pnd_dump *dump, char *ret, size_t cap)
{
    snprintf(ret, cap, "panicctl export %" PRIu64 "%s -o core", dump->id,
             strncmp(dump->format, "gzip", 4) == 0 ? " --decompress" : "");
}

static json_t *open_json(const struct pnd_dump *dump)
{
    int format = find_format(dump->format);
    json_t *list = json_array();
    char line[96];

    if (!dump->id || format < 0 || !formats[format].open[0])
        return list;
    export_line(dump, line, sizeof(line));
    json_array_append_new(list, json_string(line));
    for (size_t i = 0; i < OPENERS_MAX && formats[format].open[i]; i++)
        json_array_append_new(list, json_string(formats[format].open[i]));
    return list;
}

static int info_json(const struct pnd_ctl *ctl, const struct pnd_view *view)
{
    json_t *json = pnd_print_json_view(ctl, view);

    if (json)
        json_object_update_new(
            json, json_pack("{s:I, s:I, s:o}", "packets", (json_int_t)view->dump.packets, "repeats",
                            (json_int_t)view->dump.repeats, "open", open_json(&view->dump)));
    return pnd_print_json(json);
}

static void print_received(const struct pnd_dump *dump)
{
    char start[PND_PRINT_TIME_CAP], end[PND_PRINT_TIME_CAP], rate[PND_TEXT_BYTES_CAP];
    int64_t ms = dump->received_ms - dump->started_ms;

    if (dump->received_ms == 0) {
        printf("  started    %s\n", pnd_print_time(start, dump->started_ms));
        return;
    }
    printf("  received   %s", pnd_print_time(end, dump->received_ms));
    if (dump->started_ms && ms > 0)
        printf(", in %.1f s (%s/s)", (double)ms / 1000,
               pnd_text_bytes(rate, sizeof(rate),
                              (uint64_t)((double)dump->bytes * 1000 / (double)ms)));
    putchar('\n');
    if (dump->packets)
        printf("  packets    %" PRIu64 ", of which %" PRIu64 " came more than once\n",
               dump->packets, dump->repeats);
}

static void print_missing(const struct pnd_dump *dump)
{
    for (unsigned i = 0; i < dump->missing_count; i++) {
        if (dump->missing[i].end == UINT64_MAX)
            printf("  missing    from byte %" PRIu64 " on\n", dump->missing[i].start);
        else
            printf("  missing    bytes %" PRIu64 " to %" PRIu64 "\n", dump->missing[i].start,
                   dump->missing[i].end - 1);
    }
}

static void print_open(const struct pnd_dump *dump)
{
    int format = find_format(dump->format);
    char line[96];

    if (!dump->id || format < 0 || !formats[format].open[0])
        return;
    export_line(dump, line, sizeof(line));
    printf("\nTo open it:\n  %s\n", line);
    if (formats[format].hint)
        puts(formats[format].hint);
    for (size_t i = 0; i < OPENERS_MAX && formats[format].open[i]; i++)
        printf("  %s\n", formats[format].open[i]);
}

static void print_page(const struct pnd_ctl *ctl, const struct pnd_view *view)
{
    const struct pnd_dump *dump = &view->dump;
    char name[PND_PRINT_NAME_CAP], bytes[PND_TEXT_BYTES_CAP];
    int format = find_format(dump->format);

    if (dump->id)
        printf("Dump %" PRIu64 ": ", dump->id);
    else
        printf("Dump without a number: ");
    pnd_print_state(ctl, pnd_dump_state_text(dump->state));
    putchar('\n');
    if (dump->reason[0])
        printf("  reason     %s\n", pnd_print_name(name, dump->reason));
    print_missing(dump);
    printf("  name       %s\n", pnd_print_name(name, dump->name));
    printf("  file       %s/", ctl->spool.path);
    printf("%s\n", pnd_print_name(name, dump->file));
    printf("  size       %s (%" PRIu64 " bytes)\n",
           pnd_text_bytes(bytes, sizeof(bytes), dump->bytes), dump->bytes);
    if (dump->format[0])
        printf("  format     %s: %s\n", dump->format, format < 0 ? "?" : formats[format].what);
    if (dump->peer[0])
        printf("  sender     %s port %u, by %s\n", pnd_print_name(name, dump->peer),
               dump->peer_port, dump->protocol);
    print_received(dump);
    if (dump->sha256[0])
        printf("  SHA-256    %s\n", dump->sha256);
    print_open(dump);
}

int pnd_verb_info(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct pnd_why why = {0};
    struct pnd_view view;
    int option, code, err;

    while ((option = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
        code = pnd_ctl_common_option(ctl, argv[0], option);
        if (code >= 0)
            return code;
    }
    if (argc - optind > 1)
        return pnd_ctl_misused(argv[0], "info takes one ID");

    err = pnd_ctl_open(ctl, false, &why);
    if (!err)
        err = pnd_view_find(ctl, optind < argc ? argv[optind] : "latest", &view, &why);
    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (ctl->json)
        return info_json(ctl, &view);
    print_page(ctl, &view);
    return PND_EXIT_OK;
}
