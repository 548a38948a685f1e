/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/control_metrics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/clock.h"
#include "panicd/policy.h"
#include "panicd/server.h"
#include "panicd/service.h"

/* Transfers as they are at this moment. */
struct moment {
    unsigned asked, live, finishing, resting;
};

struct now {
    struct moment of[PND_PROTOCOLS];
    unsigned stalled;
    uint64_t idle_ms_max;
};

static void add_slot(const struct pnd_slot *slot, uint64_t now_ms, struct now *now)
{
    uint64_t idle_ms;
    struct moment *of;

    if (slot->class == PND_CLASS_FREE)
        return;
    of = &now->of[slot->session.protocol->id];
    of->asked += slot->class == PND_CLASS_ASKED;
    of->resting += slot->class == PND_CLASS_RESTING;
    if (slot->class != PND_CLASS_BUSY)
        return;
    if (pnd_session_phase(&slot->session) == PND_RX_FINISHING) {
        of->finishing++;
        return;
    }
    of->live++;
    now->stalled += slot->stall_logged;
    idle_ms = now_ms - pnd_session_last_ms(&slot->session);
    if (idle_ms > now->idle_ms_max && pnd_session_last_ms(&slot->session) <= now_ms)
        now->idle_ms_max = idle_ms;
}

static void look(const struct pnd_server *server, struct now *ret)
{
    uint64_t now_ms = pnd_clock_ms();

    *ret = (struct now){0};
    for (uint32_t i = 0; i < pnd_table_size(server->table); i++)
        add_slot(pnd_table_at(server->table, i), now_ms, ret);
}

static json_t *json_count(uint64_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *json_bounds(const uint32_t bounds_ms[])
{
    json_t *list = json_array();

    for (unsigned i = 0; i < PND_HISTOGRAM_BOUNDS; i++)
        json_array_append_new(list, json_count(bounds_ms[i]));
    return list;
}

static json_t *json_histogram(const struct pnd_histogram *histogram)
{
    json_t *counts = json_array();

    for (unsigned i = 0; i <= PND_HISTOGRAM_BOUNDS; i++)
        json_array_append_new(counts, json_count(histogram->counts[i]));
    return json_pack("{s:o, s:o}", "counts", counts, "sum_ms", json_count(histogram->sum_ms));
}

static json_t *json_protocol(const struct pnd_server *server, const struct now *now, unsigned i)
{
    const struct pnd_protocol_counters *of = &server->counters.of[i];
    const struct moment *moment = &now->of[i];
    json_t *incomplete = json_object();

    for (unsigned reason = 0; reason < PND_REASONS; reason++)
        json_object_set_new(incomplete, pnd_reason_name(reason),
                            json_count(of->incomplete[reason]));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i, s:i}, s:o, s:o}", "protocol",
                     pnd_counters_name(i), "bytes", json_count(of->bytes), "packets",
                     json_count(of->packets), "repeats", json_count(of->repeats), "complete",
                     json_count(of->complete), "incomplete", incomplete, "transfers", "asked",
                     (int)moment->asked, "live", (int)moment->live, "finishing",
                     (int)moment->finishing, "resting", (int)moment->resting, "duration",
                     json_histogram(&of->duration), "cause", json_histogram(&of->cause));
}

static json_t *json_protocols(const struct pnd_server *server, const struct now *now)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < PND_PROTOCOLS; i++)
        json_array_append_new(list, json_protocol(server, now, i));
    return list;
}

static json_t *json_refused(const struct pnd_server *server)
{
    json_t *refused = json_object();

    for (unsigned rule = PND_RULE_NONE + 1; rule < PND_RULES; rule++)
        json_object_set_new(refused, pnd_rule_name(rule),
                            json_count(server->counters.refused_by[rule]));
    return refused;
}

static json_t *json_net(const struct pnd_server *server)
{
    const struct pnd_net_counters *net = pnd_net_counters(server->net);

    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "datagrams", json_count(net->datagrams), "bytes",
                     json_count(net->received_bytes), "replies", json_count(net->replies),
                     "replies_lost", json_count(net->replies_lost), "receive_drops",
                     json_count(net->receive_drops));
}

/* Those that are wanted: a service without a port is none. */
static json_t *json_services(const struct pnd_server *server)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < PND_SERVICES; i++) {
        unsigned sock = 0, count = pnd_net_sock_count(server->net);

        while (sock < count && pnd_net_sock_service(server->net, sock) != i)
            sock++;
        if (sock < count || server->unheard[i][0])
            json_array_append_new(list,
                                  json_pack("{s:s, s:i, s:b}", "protocol", pnd_service(i)->name,
                                            "port", (int)pnd_config_port(&server->config, i),
                                            "listening", sock < count));
    }
    return list;
}

static uint64_t database_bytes(const struct pnd_server *server)
{
    static const char *const files[] = {"catalog.db", "catalog.db-wal"};
    uint64_t bytes = 0;
    struct stat st;

    for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++)
        if (fstatat(server->spool.state_fd, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)st.st_size;
    return bytes;
}

static json_t *json_catalog(const struct pnd_server *server)
{
    struct pnd_usage_kept kept;

    pnd_checker_kept(server->checker, &kept);
    return json_pack("{s:o, s:o, s:o, s:i, s:o}", "dumps", json_count(kept.dumps), "incomplete",
                     json_count(kept.incomplete), "bytes", json_count(kept.bytes), "sources",
                     (int)kept.sources, "database_bytes", json_count(database_bytes(server)));
}

json_t *pnd_control_metrics(struct pnd_server *server, unsigned clients)
{
    const struct pnd_counters *counters = &server->counters;
    struct now now;
    json_t *json;

    look(server, &now);
    pnd_spool_room(&server->spool, &server->room_free, &server->room_total);
    json = json_pack("{s:s, s:i, s:o, s:i, s:{s:o, s:o}, s:o, s:o}", "version", PND_VERSION, "pid",
                     (int)getpid(), "started_ms", json_integer((json_int_t)server->started_ms),
                     "clients", (int)clients, "bounds_ms", "duration",
                     json_bounds(pnd_duration_bounds_ms), "cause", json_bounds(pnd_cause_bounds_ms),
                     "protocols", json_protocols(server, &now), "refused", json_refused(server));
    json_object_update_new(
        json, json_pack("{s:o, s:o, s:i, s:o, s:o, s:i, s:i}", "garbage",
                        json_count(counters->garbage), "stalls", json_count(counters->stalls),
                        "stalled", (int)now.stalled, "idle_ms_max", json_count(now.idle_ms_max),
                        "transfers_max", json_count(server->config.transfers_max), "slots",
                        (int)pnd_table_size(server->table), "resumed", (int)server->resumed));
    json_object_update_new(
        json,
        json_pack("{s:o, s:o, s:{s:i, s:i, s:i}, s:{s:o, s:o, s:o}, s:o}", "net", json_net(server),
                  "services", json_services(server), "queues", "keeper",
                  (int)pnd_keeper_under_way(server->keeper), "checker",
                  (int)pnd_checker_pending(server->checker), "hook",
                  (int)pnd_hook_waiting(server->handover.hook), "room", "free",
                  json_count(server->room_free), "total", json_count(server->room_total), "floor",
                  json_count(server->config.floor_bytes), "catalog", json_catalog(server)));
    return json;
}
