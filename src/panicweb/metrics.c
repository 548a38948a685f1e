/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicweb/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"

enum {
    LABEL_CAP = 128,                 /* bytes of a value that are shown */
    CLEAN_CAP = 1024,                /* and looked at */
    ESCAPED_CAP = 2 * LABEL_CAP + 1, /* each may get a backslash */
};

/* ---- the words of the format ---- */

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Cut between characters: what pnd_text_clean() makes is UTF-8. */
static size_t cut_length(const char *text, size_t len)
{
    if (len <= LABEL_CAP)
        return len;
    len = LABEL_CAP;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static const char *label_value(char ret[ESCAPED_CAP], const char *value)
{
    char clean[CLEAN_CAP] = "";
    size_t len = strnlen(value, sizeof(clean)), out = 0;

    len = pnd_text_clean(clean, value, len);
    len = cut_length(clean, len);
    for (size_t i = 0; i < len; i++) {
        if (clean[i] == '\\' || clean[i] == '"' || clean[i] == '\n')
            ret[out++] = '\\';
        ret[out++] = clean[i] == '\n' ? 'n' : clean[i];
    }
    ret[out] = '\0';
    return ret;
}

/* NAME{one="...",two="..."} and a space. A label whose name is NULL is left out. */
static void sample(FILE *out, const char *name, const char *one, const char *one_value,
                   const char *two, const char *two_value)
{
    char value[ESCAPED_CAP];

    fprintf(out, "%s", name);
    if (one)
        fprintf(out, "{%s=\"%s\"", one, label_value(value, one_value));
    if (one && two)
        fprintf(out, ",%s=\"%s\"", two, label_value(value, two_value));
    fprintf(out, "%s ", one ? "}" : "");
}

static void put_count(FILE *out, json_int_t count)
{
    fprintf(out, "%" JSON_INTEGER_FORMAT "\n", count);
}

static void put_seconds(FILE *out, json_int_t ms)
{
    fprintf(out, "%" JSON_INTEGER_FORMAT ".%03d\n", ms / 1000, (int)(ms % 1000));
}

static const char *string_of(const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));

    return text ? text : "";
}

static json_int_t count_of(const json_t *from, const char *key)
{
    json_int_t count = json_integer_value(json_object_get(from, key));

    return count > 0 ? count : 0;
}

/* ---- what has no label ---- */

struct single {
    const char *object, *key; /* object NULL: of the answer itself */
    const char *name, *type, *help;
    bool ms; /* the name says seconds */
};

static const struct single singles[] = {
    {NULL, "started_ms", "panicd_start_time_seconds", "gauge",
     "When the server started, in seconds since 1970. Counters begin at 0 then.", true},
    {NULL, "resumed", "panicd_transfers_resumed", "gauge",
     "Dumps that an earlier server had not finished and this one went on with.", false},
    {NULL, "transfers_max", "panicd_transfers_limit", "gauge",
     "Dumps that may arrive at a time (transfers in panicd.conf).", false},
    {NULL, "stalled", "panicd_transfers_stalled", "gauge",
     "Dumps that wait for room or for the disk at this moment.", false},
    {NULL, "idle_ms_max", "panicd_transfer_idle_seconds", "gauge",
     "The longest time for which nothing came of a dump that still arrives.", true},
    {NULL, "stalls", "panicd_stalls_total", "counter",
     "Times that a dump had to wait because it could not be written.", false},
    {NULL, "garbage", "panicd_garbage_datagrams_total", "counter",
     "Datagrams that belong to no dump and begin none.", false},
    {"net", "datagrams", "panicd_datagrams_total", "counter", "Datagrams received.", false},
    {"net", "bytes", "panicd_datagram_bytes_total", "counter",
     "Bytes of datagrams received, headers of the protocols included.", false},
    {"net", "replies", "panicd_replies_total", "counter", "Replies sent.", false},
    {"net", "replies_lost", "panicd_replies_lost_total", "counter",
     "Replies that the kernel did not take. The sender asks again.", false},
    {"net", "receive_drops", "panicd_receive_drops_total", "counter",
     "Datagrams that the kernel dropped because the server was not quick enough.", false},
    {"room", "free", "panicd_room_free_bytes", "gauge", "Free bytes of the disk.", false},
    {"room", "total", "panicd_room_size_bytes", "gauge", "Size of the disk.", false},
    {"room", "floor", "panicd_room_floor_bytes", "gauge",
     "Bytes that stay free: with fewer no dump is taken (floor in panicd.conf).", false},
    {"catalog", "dumps", "panicd_kept_dumps", "gauge", "Dumps in the directory.", false},
    {"catalog", "incomplete", "panicd_kept_incomplete_dumps", "gauge",
     "Dumps in the directory that are not whole.", false},
    {"catalog", "bytes", "panicd_kept_bytes", "gauge", "Bytes of the dumps in the directory.",
     false},
    {"catalog", "sources", "panicd_kept_sources", "gauge",
     "Addresses that the dumps in the directory came from.", false},
    {"catalog", "database_bytes", "panicd_catalog_bytes", "gauge", "Bytes of the catalog itself.",
     false},
    {NULL, "clients", "panicd_control_clients", "gauge",
     "Programs that hold the control socket, the one that asks included.", false},
};

static void put_single(FILE *out, const json_t *server, const struct single *single)
{
    const json_t *from = single->object ? json_object_get(server, single->object) : server;

    if (!json_is_integer(json_object_get(from, single->key)))
        return;
    family(out, single->name, single->type, single->help);
    sample(out, single->name, NULL, NULL, NULL, NULL);
    if (single->ms)
        put_seconds(out, count_of(from, single->key));
    else
        put_count(out, count_of(from, single->key));
}

/* ---- by protocol ---- */

static void put_protocols(FILE *out, const json_t *protocols, const char *key, const char *name,
                          const char *help)
{
    const json_t *of;
    size_t i;

    family(out, name, "counter", help);
    json_array_foreach(protocols, i, of)
    {
        sample(out, name, "protocol", string_of(of, "protocol"), NULL, NULL);
        put_count(out, count_of(of, key));
    }
}

/* An object of each protocol, with a label for each of its keys. */
static void put_split(FILE *out, const json_t *protocols, const char *object, const char *label,
                      const char *name)
{
    const json_t *of, *count;
    const char *key;
    size_t i;

    json_array_foreach(protocols, i, of)
    {
        json_t *split = json_object_get(of, object);

        json_object_foreach(split, key, count)
        {
            sample(out, name, "protocol", string_of(of, "protocol"), label, key);
            put_count(out, json_integer_value(count));
        }
    }
}

static json_int_t sum(json_t *object)
{
    const json_t *count;
    json_int_t total = 0;
    const char *key;

    json_object_foreach(object, key, count) total += json_integer_value(count);
    return total;
}

static void put_verdicts(FILE *out, const json_t *protocols)
{
    static const char name[] = "panicd_dumps_total";
    const json_t *of;
    size_t i;

    family(out, name, "counter", "Dumps that have their verdict.");
    json_array_foreach(protocols, i, of)
    {
        sample(out, name, "protocol", string_of(of, "protocol"), "verdict", "complete");
        put_count(out, count_of(of, "complete"));
        sample(out, name, "protocol", string_of(of, "protocol"), "verdict", "incomplete");
        put_count(out, sum(json_object_get(of, "incomplete")));
    }
}

/* The format's buckets count all up to their bound, and the last one is +Inf. */
static void put_histogram_of(FILE *out, const json_t *of, const json_t *bounds, const char *key,
                             const char *name)
{
    const json_t *histogram = json_object_get(of, key), *counts, *count;
    const char *protocol = string_of(of, "protocol");
    char bucket[64], bound[32];
    json_int_t below = 0;
    size_t i;

    counts = json_object_get(histogram, "counts");
    if (json_array_size(counts) != json_array_size(bounds) + 1)
        return;
    snprintf(bucket, sizeof(bucket), "%s_bucket", name);
    json_array_foreach(counts, i, count)
    {
        json_int_t ms = json_integer_value(json_array_get(bounds, i));

        below += json_integer_value(count);
        if (i < json_array_size(bounds))
            snprintf(bound, sizeof(bound), "%.10g", (double)ms / 1000);
        else
            snprintf(bound, sizeof(bound), "+Inf");
        sample(out, bucket, "protocol", protocol, "le", bound);
        put_count(out, below);
    }
    fprintf(out, "%s_sum", name);
    sample(out, "", "protocol", protocol, NULL, NULL);
    put_seconds(out, count_of(histogram, "sum_ms"));
    fprintf(out, "%s_count", name);
    sample(out, "", "protocol", protocol, NULL, NULL);
    put_count(out, below);
}

static void put_histogram(FILE *out, const json_t *server, const char *key, const char *name,
                          const char *help)
{
    const json_t *bounds = json_object_get(json_object_get(server, "bounds_ms"), key), *of;
    size_t i;

    family(out, name, "histogram", help);
    json_array_foreach(json_object_get(server, "protocols"), i, of)
    {
        put_histogram_of(out, of, bounds, key, name);
    }
}

/* ---- what has one label ---- */

static void put_object(FILE *out, json_t *object, const char *label, const char *name,
                       const char *type, const char *help)
{
    const json_t *count;
    const char *key;

    family(out, name, type, help);
    json_object_foreach(object, key, count)
    {
        sample(out, name, label, key, NULL, NULL);
        put_count(out, json_integer_value(count));
    }
}

static void put_services(FILE *out, const json_t *services)
{
    static const char name[] = "panicd_listening";
    const json_t *of;
    size_t i;

    family(out, name, "gauge", "Whether a service has its port: 1, or 0 when it could not be had.");
    json_array_foreach(services, i, of)
    {
        sample(out, name, "protocol", string_of(of, "protocol"), NULL, NULL);
        put_count(out, json_is_true(json_object_get(of, "listening")));
    }
}

static void put_server(FILE *out, const json_t *server)
{
    const json_t *protocols = json_object_get(server, "protocols");

    family(out, "panicd_build_info", "gauge", "The server's version; always 1.");
    sample(out, "panicd_build_info", "version", string_of(server, "version"), NULL, NULL);
    put_count(out, 1);
    for (size_t i = 0; i < sizeof(singles) / sizeof(*singles); i++)
        put_single(out, server, &singles[i]);
    put_services(out, json_object_get(server, "services"));
    family(out, "panicd_transfers", "gauge",
           "Dumps that are asked for, live, finishing, or resting: ended, and still remembered.");
    put_split(out, protocols, "transfers", "state", "panicd_transfers");
    put_verdicts(out, protocols);
    family(out, "panicd_dumps_incomplete_total", "counter",
           "Dumps that are not whole, by what it was: sender, restart, room, disk, lost, content.");
    put_split(out, protocols, "incomplete", "reason", "panicd_dumps_incomplete_total");
    put_protocols(out, protocols, "bytes", "panicd_received_bytes_total",
                  "Bytes of dumps that were written.");
    put_protocols(out, protocols, "packets", "panicd_packets_total", "Packets of dumps.");
    put_protocols(out, protocols, "repeats", "panicd_repeated_packets_total",
                  "Packets of dumps that had come before: what senders sent again.");
    put_histogram(out, server, "duration", "panicd_dump_duration_seconds",
                  "From a dump's first packet until it was safely kept.");
    put_histogram(out, server, "cause", "panicd_cause_known_seconds",
                  "From a dump's first packet until it was known why its machine died.");
    put_object(out, json_object_get(server, "refused"), "rule", "panicd_refused_total", "counter",
               "Dumps that were refused, by the rule of panicd.conf.");
    put_object(out, json_object_get(server, "queues"), "queue", "panicd_queue_length", "gauge",
               "What waits: dumps to be kept, dumps to be checked, programs to be called.");
}

/* ---- from the catalog ---- */

static void put_groups(FILE *out, const struct pnd_metrics_groups *groups)
{
    static const struct {
        const char *name, *help;
    } families[] = {
        {"panicd_group_dumps", "Dumps of a panic, those that are not kept any more included."},
        {"panicd_group_machines", "Different machines that a panic was seen on."},
        {"panicd_group_last_seen_timestamp_seconds", "When a panic was seen last."},
    };

    family(out, "panicd_groups", "gauge", "Different panics that were ever seen.");
    sample(out, "panicd_groups", NULL, NULL, NULL, NULL);
    put_count(out, (json_int_t)groups->total);
    for (unsigned which = 0; which < sizeof(families) / sizeof(*families); which++) {
        family(out, families[which].name, "gauge", families[which].help);
        for (unsigned i = 0; i < groups->count; i++) {
            const struct pnd_group *at = &groups->at[(groups->first + i) % PND_METRICS_GROUPS_MAX];

            sample(out, families[which].name, "group", at->signature.id, "title",
                   at->signature.title);
            if (which == 2)
                put_seconds(out, at->last_ms > 0 ? at->last_ms : 0);
            else
                put_count(out, (json_int_t)(which ? at->machines : at->count));
        }
    }
}

static bool keep_group(const struct pnd_group *group, void *ctx)
{
    struct pnd_metrics_groups *groups = ctx;

    groups->total++;
    groups->at[(groups->first + groups->count) % PND_METRICS_GROUPS_MAX] = *group;
    if (groups->count < PND_METRICS_GROUPS_MAX)
        groups->count++;
    else
        groups->first = (groups->first + 1) % PND_METRICS_GROUPS_MAX;
    return true;
}

int pnd_metrics_read_groups(struct pnd_catalog *catalog, struct pnd_metrics_groups *ret,
                            struct pnd_why *why)
{
    ret->first = ret->count = 0;
    ret->total = 0;
    return pnd_catalog_groups(catalog, keep_group, ret, why);
}

int pnd_metrics_write(const json_t *server, const struct pnd_metrics_groups *groups, char **ret,
                      size_t *ret_len)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool failed;

    if (!out)
        return PND_E_SYS;
    family(out, "panicd_up", "gauge", "Whether a server listens for this directory.");
    sample(out, "panicd_up", NULL, NULL, NULL, NULL);
    put_count(out, json_is_object(server));
    if (json_is_object(server))
        put_server(out, server);
    if (groups)
        put_groups(out, groups);
    failed = ferror(out);
    if (fclose(out) || failed) {
        free(text);
        return PND_E_SYS;
    }
    *ret = text;
    *ret_len = len;
    return PND_OK;
}
