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

static const char help[] =
    "usage: panicdump status [--json]\n"
    "\n"
    "Is a crash kernel loaded, for which kernel, since when; and would a dump find\n"
    "its way now: the route is looked up again, and the next hop asked by ARP if it\n"
    "is not known. Nothing is sent to the server: that is \"panicdump test\".\n"
    "\n"
    "  --json   one object: armed, loaded, release, since, servers, way, ...\n"
    "\n"
    "Exit status: 0 armed, and the way is open; 1 not; 2 could not look.\n";

enum { WAY_CAP = 640 };

/* The way to one server, now. */
struct way {
    bool open;
    char text[WAY_CAP];
};

struct status {
    struct pnd_state state; /* release "": this program has armed nothing */
    struct pnd_capture_options options;
    bool loaded, armed, open; /* open: to at least one server */
    uint64_t reserved;
    struct way ways[PND_CAPTURE_SERVERS_MAX];
    char note[512]; /* what does not fit together */
};

static bool has_mac(const uint8_t mac[6])
{
    static const uint8_t none[6];

    return memcmp(mac, none, sizeof(none)) != 0;
}

static void look_at_way(struct status *s, size_t index)
{
    const struct pnd_capture_server *server = &s->options.servers[index];
    struct way *way = &s->ways[index];
    struct pnd_route now;
    struct pnd_why why;
    char was_mac[PND_PAGE_MAC_CAP], mac[PND_PAGE_MAC_CAP], ip[PND_ADDRESS_CAP];

    if (pnd_route_find(server->at.ip, s->state.interface, true, &now, &why)) {
        snprintf(way->text, sizeof(way->text), "no: %s", why.text);
        return;
    }
    pnd_page_mac(mac, now.via);
    if (strcmp(now.port, s->state.port) != 0)
        snprintf(way->text, sizeof(way->text),
                 "it leads through %s now, and through %s when this was armed: arm again", now.port,
                 s->state.port);
    else if (now.own_ip != s->options.own_ip)
        snprintf(way->text, sizeof(way->text),
                 "this machine's address is %s now, and was another: arm again",
                 pnd_address_format(ip, now.own_ip));
    else if (!has_mac(now.via))
        snprintf(way->text, sizeof(way->text), "nobody answers ARP at the other end");
    else if (!has_mac(server->via) || memcmp(now.via, server->via, sizeof(now.via)) == 0)
        snprintf(way->text, sizeof(way->text), "open, next hop %s", mac);
    else
        snprintf(way->text, sizeof(way->text),
                 "open, but the next hop is %s now, and was %s: arm again, or a dump starts some "
                 "seconds later",
                 mac, pnd_page_mac(was_mac, server->via));
    way->open = strncmp(way->text, "open", 4) == 0;
    s->open |= way->open;
}

/* @return PND_OK; PND_E_FORMAT; PND_E_SYS */
static int look(struct status *s, struct pnd_why *why)
{
    int err = pnd_state_read("", &s->state, why);

    if (err && err != PND_E_NOTFOUND)
        return err;
    s->loaded = pnd_kernel_loaded("");
    s->reserved = pnd_kernel_reserved("");
    s->armed = s->loaded && !err;
    if (err && s->loaded)
        snprintf(s->note, sizeof(s->note),
                 "a crash kernel is loaded, but not by panicdump arm: kdump-tools or kdump.service "
                 "may have done it");
    else if (!err && !s->loaded)
        snprintf(s->note, sizeof(s->note),
                 "it was armed, and something else has unloaded the crash kernel since: arm again");
    if (!s->armed)
        return PND_OK;
    err = pnd_capture_options_parse(s->state.options, &s->options, why);
    if (err)
        return pnd_why_add(why, err, PND_STATE_PATH);
    for (size_t i = 0; i < s->options.server_count; i++)
        look_at_way(s, i);
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
    pnd_page_field("nmi", s->state.on_nmi ? "panics" : "as it was");
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

        json_array_append_new(list, json_pack("{s:s, s:i, s:b, s:s}", "address",
                                              pnd_address_format(ip, s->options.servers[i].at.ip),
                                              "port", (int)s->options.servers[i].at.port, "open",
                                              (int)s->ways[i].open, "way", s->ways[i].text));
    }
    return list;
}

static int print_json(const struct status *s)
{
    char since[PND_TEXT_TIME_CAP];
    json_t *json =
        json_pack("{s:b, s:b, s:b, s:b, s:I}", "armed", (int)s->armed, "loaded", (int)s->loaded,
                  "open", (int)s->open, "persistent", (int)pnd_persist_is_enabled(""),
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
