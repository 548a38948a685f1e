/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The answer to "metrics" on the control socket: what the server counts and holds, in JSON. Units
 * are in the names, and panicd-metrics(7) tells what they mean.
 *
 *   {"version", "pid", "started_ms", "clients": of the control socket,
 *    "bounds_ms": {"duration": [...], "cause": [...]},
 *    "protocols": [{"protocol", "bytes", "packets", "repeats", "complete",
 *                   "incomplete": {"sender": N, ...},
 *                   "transfers": {"asked", "live", "finishing", "resting"},
 *                   "duration": {"counts": [...], "sum_ms"}, "cause": the same}],
 *    "refused": {"allow": N, ...}, "garbage", "stalls", "stalled", "idle_ms_max",
 *    "transfers_max", "slots", "resumed",
 *    "net": {"datagrams", "bytes", "replies", "replies_lost", "receive_drops"},
 *    "services": [{"protocol", "port", "listening"}],
 *    "queues": {"keeper", "checker", "hook"},
 *    "room": {"free", "total", "floor"},
 *    "catalog": {"dumps", "incomplete", "bytes", "sources", "database_bytes"}}
 *
 * "counts" has one number for each bound, of what took no longer than it and longer than the one
 * before, and one for what took longer than all. "protocols" begins with "import", which is all
 * that came in without one. Counters begin at 0 when the server starts. */
#ifndef PND_PANICD_CONTROL_METRICS_H
#define PND_PANICD_CONTROL_METRICS_H

#include <jansson.h>

struct pnd_server;

/* @return the caller's; NULL: no memory */
json_t *pnd_control_metrics(struct pnd_server *server, unsigned clients);

#endif
