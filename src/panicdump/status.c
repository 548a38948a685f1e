/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicdump status: is this machine armed, and would a dump arrive now? */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "arm/arm.h"
#include "arm/persist.h"
#include "host/text.h"
#include "panicdump/page.h"
#include "panicdump/panicdump.h"
#include "panicdump/way.h"

static const char help[] =
    "usage: panicdump status [--json]\n"
    "\n"
    "Is a crash kernel loaded, for which kernel, since when; and would a dump find\n"
    "its way now: what the crash kernel carries is compared with the route, and each\n"
    "server is asked for a sign of life, as root by the crash kernel's own frames.\n"
    "That leaves nothing on the server, and so does not tell whether it would take a\n"
    "dump of this machine: \"panicdump test\" does.\n"
    "\n"
    "  --json   one object: armed, loaded, open, release, since, servers, ...\n"
    "\n"
    "Exit status: 0 armed, and at least one server answers; 1 not; 2 could not look.\n";

struct status {
    struct pnd_state state; /* release "": this program has armed nothing */
    struct pnd_capture_options options;
    bool loaded, armed, open; /* open: to at least one server */
    bool nmi;                 /* an NMI panics now */
    uint64_t reserved;
    struct pnd_way ways[PND_CAPTURE_SERVERS_MAX];
    const char *other; /* kdump, when that is set up as well; NULL */
    char note[512];    /* what does not fit together */
};

static void note(struct status *s, bool written)
{
    if (s->state.unfinished && s->loaded)
        snprintf(s->note, sizeof(s->note),
                 "panicdump arm was cut off in the middle: a crash kernel is loaded, and it is not "
                 "known whether the old or the new one; arm again");
    else if (s->state.unfinished)
        snprintf(s->note, sizeof(s->note),
                 "panicdump arm was cut off in the middle, and no crash kernel is loaded: arm "
                 "again");
    else if (!written && s->loaded)
        snprintf(s->note, sizeof(s->note),
                 "a crash kernel is loaded, but not by panicdump arm: %s may have done it",
                 s->other ? s->other : "kdump-tools or kdump.service");
    else if (written && !s->loaded)
        snprintf(s->note, sizeof(s->note),
                 "it was armed, and something else has unloaded the crash kernel since: arm again");
    else if (s->armed && s->other)
        snprintf(s->note, sizeof(s->note),
                 "%s is set up here, too: if it was started after panicdump arm, the crash kernel "
                 "that is loaded is its own; arm again, or systemctl disable --now %s",
                 s->other, s->other);
    else if (s->armed && s->state.on_nmi && !s->nmi)
        snprintf(s->note, sizeof(s->note),
                 "something has set back what an NMI does since: arm again with --on-nmi");
}

/* @return PND_OK; PND_E_FORMAT; PND_E_SYS */
static int look(struct status *s, struct pnd_why *why)
{
    int err = pnd_state_read("", &s->state, why);

    if (err && err != PND_E_NOTFOUND)
        return err;
    s->loaded = pnd_kernel_loaded("");
    s->reserved = pnd_kernel_reserved("");
    s->nmi = pnd_nmi_panics("");
    s->other = pnd_machine_other("");
    s->armed = s->loaded && !err && !s->state.unfinished;
    note(s, !err);
    if (!s->armed)
        return PND_OK;
    err = pnd_capture_options_parse(s->state.options, &s->options, why);
    if (err)
        return pnd_why_add(why, err, PND_STATE_PATH);
    for (size_t i = 0; i < s->options.server_count; i++) {
        pnd_way_look(&s->state, &s->options, i, &s->ways[i]);
        s->open |= s->ways[i].open;
    }
    return PND_OK;
}

static void print_armed(const struct status *s)
{
    char since[PND_TEXT_TIME_CAP], ago[PND_TEXT_TIME_CAP], size[PND_TEXT_BYTES_CAP],
        needed[PND_TEXT_BYTES_CAP], server[PND_PAGE_SERVER_CAP];
    int64_t age = (int64_t)time(NULL) - s->state.since_ms / 1000;

    pnd_page_field("armed", "for kernel %s, since %s (%s ago), by %s", s->state.release,
                   pnd_text_time_utc(since, sizeof(since), s->state.since_ms),
                   pnd_text_duration(ago, sizeof(ago), age < 0 ? 0 : (uint64_t)age),
                   s->state.loader);
    for (size_t i = 0; i < s->options.server_count; i++)
        pnd_page_field(i ? "" : "server", "%s: %s",
                       pnd_page_server(server, s->options.servers[i].at), s->ways[i].text);
    pnd_page_field("way", "%s%s%s (%s)", s->state.interface,
                   strcmp(s->state.interface, s->state.port) ? " on " : "",
                   strcmp(s->state.interface, s->state.port) ? s->state.port : "",
                   s->state.driver[0] ? s->state.driver : "no driver");
    if (s->options.local[0])
        pnd_page_field("also", "%s", s->options.local);
    pnd_page_field("memory", "%s reserved, %s needed",
                   pnd_text_bytes(size, sizeof(size), s->reserved),
                   pnd_text_bytes(needed, sizeof(needed), s->state.needed_bytes));
    pnd_page_field("initramfs", "%s, %u modules",
                   pnd_text_bytes(size, sizeof(size), s->state.initramfs_bytes),
                   s->state.module_count);
    pnd_page_dump(&s->options);
    pnd_page_field("nmi", s->nmi ? "panics" : "does not panic");
    if (s->note[0])
        pnd_page_field("note", "%s", s->note);
}

static void print_next_boot(void)
{
    pnd_page_field("next boot", pnd_persist_is_enabled("") ? "armed again, as " PND_PERSIST_CONF
                                                             " says"
                                                           : "not armed any more");
}

static void print_page(const struct status *s)
{
    char size[PND_TEXT_BYTES_CAP];

    if (s->armed) {
        print_armed(s);
        print_next_boot();
        return;
    }
    pnd_page_field("armed", "no");
    if (s->note[0])
        pnd_page_field("", "%s", s->note);
    pnd_page_field("memory",
                   "%s reserved by crashkernel=", pnd_text_bytes(size, sizeof(size), s->reserved));
    if (pnd_persist_is_enabled(""))
        print_next_boot();
    if (!s->loaded)
        puts("\nTo arm it: panicdump arm --server ADDRESS");
}

/* ---- JSON */

static json_t *json_servers(const struct status *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->options.server_count; i++) {
        char ip[PND_ADDRESS_CAP];

        json_array_append_new(list, json_pack("{s:s, s:i, s:b, s:b, s:s}", "address",
                                              pnd_address_format(ip, s->options.servers[i].at.ip),
                                              "port", (int)s->options.servers[i].at.port, "open",
                                              (int)s->ways[i].open, "by_frames",
                                              (int)s->ways[i].frames, "way", s->ways[i].text));
    }
    return list;
}

static int print_json(const struct status *s)
{
    char since[PND_TEXT_TIME_CAP];
    json_t *json = json_pack("{s:b, s:b, s:b, s:b, s:b, s:I}", "armed", (int)s->armed, "loaded",
                             (int)s->loaded, "open", (int)s->open, "persistent",
                             (int)pnd_persist_is_enabled(""), "nmi_panics", (int)s->nmi,
                             "reserved_bytes", (json_int_t)s->reserved);

    if (s->note[0])
        json_object_set_new(json, "note", json_string(s->note));
    if (s->armed)
        json_object_update_new(
            json,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:b, s:o}",
                      "release", s->state.release, "kernel", s->state.kernel, "loader",
                      s->state.loader, "since",
                      pnd_text_time_utc(since, sizeof(since), s->state.since_ms), "interface",
                      s->state.interface, "port", s->state.port, "driver", s->state.driver,
                      "options", s->state.options, "needed_bytes",
                      (json_int_t)s->state.needed_bytes, "initramfs_bytes",
                      (json_int_t)s->state.initramfs_bytes, "modules", (int)s->state.module_count,
                      "on_nmi", (int)s->state.on_nmi, "servers", json_servers(s)));
    if (!json || json_dumpf(json, stdout, JSON_INDENT(1)) < 0) {
        json_decref(json);
        return pnd_complain(PND_EXIT_CANNOT, "cannot write JSON");
    }
    putchar('\n');
    json_decref(json);
    return PND_EXIT_OK;
}

int pnd_verb_status(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    static struct status s;
    bool json = false;
    struct pnd_why why;
    int option;

    while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        if (option != 'j') {
            fputs(help, option == 'h' ? stdout : stderr);
            return option == 'h' ? PND_EXIT_OK : PND_EXIT_CANNOT;
        }
        json = true;
    }
    if (optind != argc) {
        fputs(help, stderr);
        return PND_EXIT_CANNOT;
    }
    if (look(&s, &why))
        return pnd_complain(PND_EXIT_CANNOT, "%s", why.text);
    if (!json)
        print_page(&s);
    else if (print_json(&s))
        return PND_EXIT_CANNOT;
    return s.armed && s.open ? PND_EXIT_OK : PND_EXIT_NO;
}
