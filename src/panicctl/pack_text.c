/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The texts in a zip; see pack.h. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "host/text.h"
#include "panicctl/pack.h"

#ifndef PND_VERSION
#define PND_VERSION "unknown"
#endif

struct text {
    char *at;
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *fmt, ...)
{
    size_t room = PND_PACK_README_CAP - text->len;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text->at + text->len, room, fmt, ap);
    va_end(ap);
    if (n > 0)
        text->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* ---- names ---- */

static bool reserved(const char *name)
{
    static const char *const names[] = {PND_PACK_README,   PND_PACK_MANIFEST, PND_PACK_NOTE,
                                        PND_PACK_TRANSFER, PND_PACK_FACTS,    PND_PACK_LOG};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcasecmp(name, names[i]) == 0) /* some systems do not tell them apart */
            return true;
    return false;
}

void pnd_pack_member_name(const char *file, char ret[PND_ZIP_NAME_CAP])
{
    enum { ROOM = PND_ZIP_NAME_CAP - sizeof("dump-") };
    char name[ROOM + 1];
    size_t len = strnlen(file, ROOM);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)file[i];

        name[i] = (char)((c < 128 && isalnum(c)) || (c && strchr("._+,@=-", c)) ? c : '_');
    }
    name[len] = '\0';
    snprintf(ret, PND_ZIP_NAME_CAP, "%s%s",
             !len || name[0] == '.' || name[0] == '-' || reserved(name) ? "dump-" : "", name);
}

/* ---- what is packed ---- */

bool pnd_pack_is_packed(const void *head, size_t len)
{
    static const struct {
        size_t len;
        const char *magic;
    } known[] = {
        {2, "\x1f\x8b"},
        {4, "\x28\xb5\x2f\xfd"},
        {4, "\x04\x22\x4d\x18"},
        {6, "\xfd"
            "7zXZ"},
        {3, "BZh"},
        {4, "PK\3\4"},
        {8, "KDUMP   "}, /* makedumpfile's pages, each compressed */
        {12, "makedumpfile"},
        {8, "Boss Mac"}, /* its files are */
        {4, "AEA1"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (len >= known[i].len && memcmp(head, known[i].magic, known[i].len) == 0)
            return true;
    return false;
}

void pnd_pack_make_public(struct pnd_facts *facts)
{
    for (unsigned i = 0; i < facts->cpu_count; i++)
        facts->cpus[i].register_count = 0; /* free()d with the entry all the same */
}

/* ---- README.txt ---- */

static void say_dump(struct text *text, const struct pnd_pack *pack)
{
    const struct pnd_dump *dump = &pack->dump;
    char name[4 * PND_SPOOL_NAME_CAP], bytes[PND_TEXT_BYTES_CAP], time[PND_TEXT_TIME_CAP];
    char reason[1024];

    say(text, "  dump      %s\n",
        pnd_text_escape(name, sizeof(name), dump->name, strlen(dump->name)));
    say(text, "  size      %s (%" PRIu64 " bytes)\n",
        pnd_text_bytes(bytes, sizeof(bytes), dump->bytes), dump->bytes);
    if (dump->format[0])
        say(text, "  format    %s\n", dump->format);
    if (pack->row)
        say(text, "  received  %s%s%s, by %s\n",
            pnd_text_time_utc(time, sizeof(time), dump->received_ms), dump->peer[0] ? " from " : "",
            dump->peer, dump->protocol[0] ? dump->protocol : "an unknown way");
    else
        say(text, "  of        %s, a file that was not received by panicd\n",
            pnd_text_time_utc(time, sizeof(time), dump->received_ms));
    if (pack->row)
        say(text, "  state     %s%s%s\n",
            dump->checked ? pnd_dump_state_text(dump->state) : "not checked",
            dump->reason[0] ? ": " : "",
            pnd_text_escape(reason, sizeof(reason), dump->reason, strlen(dump->reason)));
    if (dump->sha256[0])
        say(text, "  SHA-256   %s\n", dump->sha256);
}

/* The first line is enough here: the rest is in the files. */
static void say_fact(struct text *text, const struct pnd_pack *pack, const char *label,
                     enum pnd_fact fact)
{
    const char *value = pnd_facts_text(&pack->facts, fact);

    if (value[0])
        say(text, "  %-9s %.*s\n", label, (int)strcspn(value, "\n"), value);
}

static void say_facts(struct text *text, const struct pnd_pack *pack)
{
    say_fact(text, pack, "machine", PND_FACT_MODEL);
    say_fact(text, pack, "host", PND_FACT_HOST);
    say_fact(text, pack, "system", PND_FACT_OS);
    say_fact(text, pack, "version", PND_FACT_OS_VERSION);
    say_fact(text, pack, "kernel", PND_FACT_KERNEL);
    say_fact(text, pack, "build", PND_FACT_BUILD_ID);
    say_fact(text, pack, "panic", PND_FACT_PANIC);
}

static void say_beside(struct text *text, const struct pnd_pack *pack)
{
    static const char *const words[PND_PACK_BESIDES] = {
        [PND_BESIDE_HEADER] = "FreeBSD's header of the dump, as it was received",
        [PND_BESIDE_KEY] = "the key of the dump, encrypted for who has the private key",
        [PND_PACK_INFO] = "what the header says, as text",
    };

    for (unsigned i = 0; i < PND_PACK_BESIDES; i++)
        if (pack->beside[i].data)
            say(text, "  %s\n      %s\n", pack->beside[i].member, words[i]);
}

static void say_files(struct text *text, const struct pnd_pack *pack)
{
    say(text, "\nThe files\n");
    if (!pack->log_only)
        say(text, "  %s\n      the dump, byte for byte as it %s\n", pack->member,
            pack->row ? "is in the list" : "was found");
    say_beside(text, pack);
    if (pack->facts.log)
        say(text,
            "  " PND_PACK_LOG "\n      what the kernel said: the panic log, or the end of its "
            "message buffer\n");
    if (pack->has_facts)
        say(text,
            "  " PND_PACK_FACTS "\n      what was read from the dump: system, kernel, time, "
            "panic, backtrace,\n      %smap of the memory\n",
            pack->log_only ? "" : "registers, ");
    if (pack->row)
        say(text, "  " PND_PACK_TRANSFER "\n      how it came: sender, times, size, SHA-256, and "
                  "whether it is whole\n");
    if (pack->note)
        say(text, "  " PND_PACK_NOTE "\n      what the person who packed this has to say\n");
    say(text, "  " PND_PACK_MANIFEST "\n      SHA-256 of every other file. To compare, in this "
              "folder, type:\n      sha256sum -c " PND_PACK_MANIFEST "\n");
}

/* @p how with the file in place of each "@". */
static void say_how(struct text *text, const char *how, const char *core)
{
    for (; *how; how += *how == '@') {
        size_t len = strcspn(how, "@");

        say(text, "%.*s%s", (int)len, how, how[len] ? core : "");
        how += len;
    }
}

/* What opens a format, a command a line; "@" is the file. */
static const struct {
    const char *format, *system; /* system NULL: whatever it is */
    const char *how;
} openers[] = {
    {"macho", NULL, "  lldb --core @\n"},
    {"elf", "FreeBSD", "with the kernel of that very machine:\n  kgdb kernel @\n"},
    {"elf", "panicbox", "  gdb panicbox @\n"},
    {"elf", NULL,
     "with the vmlinux of that very kernel, one of:\n  crash vmlinux @\n"
     "  drgn -c @ -s vmlinux\n  gdb vmlinux @\n"},
    {"kdump", NULL,
     "with the vmlinux of that very kernel, one of:\n  crash vmlinux @\n"
     "  drgn -c @ -s vmlinux\n"},
    {"flattened", NULL, "  makedumpfile -R vmcore < @\n  crash vmlinux vmcore\n"},
    {"freebsd-minidump", NULL, "with the kernel of that very machine:\n  kgdb kernel @\n"},
    {"freebsd-textdump", NULL, "  tar -xf @\n"},
    {"freebsd-device", NULL, "  panicctl extract @ -o DIRECTORY\n"},
    {"corefile", NULL, "  panicctl extract @ -o DIRECTORY\n"},
    {"panic-log", NULL, "  less @\n"},
    {"", NULL, "  panicctl info ./@\n"},
};

static void say_commands(struct text *text, const struct pnd_pack *pack, const char *format,
                         const char *core)
{
    const char *system = pnd_facts_text(&pack->facts, PND_FACT_OS);

    for (size_t i = 0; i < sizeof(openers) / sizeof(*openers); i++) {
        if (openers[i].format[0] && strcmp(openers[i].format, format) != 0)
            continue;
        if (openers[i].system && strcmp(openers[i].system, system) != 0)
            continue;
        say_how(text, openers[i].how, core);
        return;
    }
}

static void say_open(struct text *text, const struct pnd_pack *pack)
{
    static const struct {
        const char *prefix, *suffix, *tool;
    } packings[] = {
        {"gzip", ".gz", "gunzip -c"}, {"zstd", ".zst", "zstd -dc"}, {"lz4", ".lz4", "lz4 -dc"}};
    const char *format = pack->dump.format, *core = pack->member;

    say(text, "\nTo open the dump\n");
    for (size_t i = 0; i < sizeof(packings) / sizeof(*packings); i++) {
        size_t len = strlen(packings[i].prefix);

        if (strncmp(format, packings[i].prefix, len) != 0)
            continue;
        say(text, "  %s %s > core\n", packings[i].tool, core);
        core = "core";
        format += len + (format[len] == '+');
    }
    say_commands(text, pack, format, core);
}

static void say_private(struct text *text, const struct pnd_pack *pack)
{
    if (!pack->log_only) {
        say(text,
            "\nThe dump is the memory of the machine as it was: passwords, keys and documents "
            "may be\nin it. Give it only to whom you would give that machine.\n");
        return;
    }
    say(text, "\nLeft out, because it holds memory of the machine\n"
              "  the dump itself, and the registers in " PND_PACK_FACTS "\n\n"
              "What is here are the kernel's own words. They may name programs, files, addresses "
              "and\nserial numbers, and a panic log may quote registers: read them before you pass "
              "them on.\n");
}

const char *pnd_pack_readme(const struct pnd_pack *pack, char ret[PND_PACK_README_CAP])
{
    struct text text = {.at = ret};

    ret[0] = '\0';
    if (pack->row)
        say(&text, "Kernel core dump %" PRIu64 ", packed by panicctl " PND_VERSION "\n\n",
            pack->dump.id);
    else
        say(&text, "A kernel core dump, packed by panicctl " PND_VERSION "\n\n");
    say_dump(&text, pack);
    say_facts(&text, pack);
    say_files(&text, pack);
    if (!pack->log_only)
        say_open(&text, pack);
    say_private(&text, pack);
    return ret;
}
