/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor --as-client: a dump, over the way of a real one. When it lands in this directory,
 * every byte of it is compared, and it is removed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "panicctl/doctor.h"
#include "panicctl/print.h"
#include "panicctl/remove.h"
#include "sender/address.h"
#include "sender/failure.h"
#include "sender/stop.h"
#include "sender/test_dump.h"
#include "sender/udp.h"

static const char check[] = "as client";

enum { LAND_MS = 5000, POLL_MS = 20, ID_CAP = 24 };

struct trip {
    struct pnd_endpoint server;
    struct pnd_udp udp;
    struct pnd_link link;
    struct pnd_client client;
    struct pnd_test_dump dump;
};

/* "10.0.40.2", "10.0.40.2:1070" */
static int parse(struct pnd_doctor *doctor, struct pnd_endpoint *ret, struct pnd_why *why)
{
    ret->port = doctor->port;
    return pnd_endpoint_parse(doctor->client, ret, why);
}

static int send_dump(struct pnd_doctor *doctor, struct trip *trip)
{
    struct pnd_failure failure = {.client = &trip->client, .server = trip->server};
    char text[PND_FAILURE_CAP], name[PND_PRINT_NAME_CAP];
    struct pnd_why why = {0};

    if (pnd_udp_open(&trip->udp, PND_TEST_REFUSED_MAX, &trip->link, &why)) {
        pnd_doctor_add(doctor, check, PND_DOCTOR_FAIL, "", "%s", why.text);
        return PND_E_SYS;
    }
    pnd_stop_init();
    failure.err = pnd_test_dump_send(&trip->dump, &trip->link, trip->server, &trip->client);
    if (failure.err) {
        failure.nobody_listens = trip->udp.refused > 0;
        failure.sys_errno = trip->udp.last_errno;
        pnd_client_abort(&trip->client);
        pnd_doctor_add(doctor, check, PND_DOCTOR_FAIL,
                       doctor->server ? "the lines above, from the first that is not ok"
                                      : "start it, and see the lines above",
                       "%.450s", pnd_print_name(name, pnd_failure_text(text, &failure)));
    }
    pnd_udp_close(&trip->udp);
    return failure.err;
}

/* ---- has it landed here ---- */

/* Every byte. @return true: the file is what was sent */
static bool is_what_was_sent(const struct pnd_spool *spool, const struct pnd_dump *row,
                             const struct pnd_test_dump *dump)
{
    static const char zeros[PND_TEST_HOLE_BYTES];
    char got[PND_TEST_BYTES + 1];
    PND_AUTO_CLOSE int fd = pnd_spool_open_file(spool, row->file);

    if (fd < 0 || read(fd, got, sizeof(got)) != PND_TEST_BYTES)
        return false;
    return memcmp(got, dump->text, PND_TEST_TEXT_BYTES) == 0 &&
           memcmp(got + PND_TEST_TEXT_BYTES, zeros, sizeof(zeros)) == 0 &&
           memcmp(got + PND_TEST_TEXT_BYTES + PND_TEST_HOLE_BYTES, dump->text,
                  PND_TEST_TEXT_BYTES) == 0;
}

/* The row, once it has its verdict; it may still be under way when it is acknowledged.
 *   @return PND_OK; PND_E_NOTFOUND; else it cannot be told */
static int find_row(struct pnd_ctl *ctl, const char *name, struct pnd_dump *ret)
{
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    uint64_t until = pnd_clock_ms() + LAND_MS;
    struct pnd_catalog *catalog = NULL;
    struct pnd_why why;
    int err = pnd_catalog_open(&ctl->spool, true, &catalog, NULL, &why);

    while (!err) {
        /* the row is there before the sender is told that all has arrived */
        err = pnd_catalog_find(catalog, name, ret, &why);
        if (err || ret->checked || pnd_clock_ms() >= until)
            break;
        nanosleep(&pause, NULL);
    }
    pnd_catalog_close(catalog);
    return err;
}

static int remove_dump(struct pnd_ctl *ctl, const struct pnd_dump *row, struct pnd_why *why)
{
    int err = pnd_catalog_open(&ctl->spool, false, &ctl->catalog, NULL, why);

    return err ? err : pnd_remove_dump(ctl, row, why);
}

static void look_elsewhere(struct pnd_doctor *doctor, const struct trip *trip, const char *told,
                           bool told_apart)
{
    char fix[PND_DOCTOR_TEXT_CAP];

    snprintf(fix, sizeof(fix), "%spanicctl rm %.200s",
             told_apart ? "there: " : "whoever may: ", trip->dump.name);
    pnd_doctor_add(doctor, check, doctor->server || !told_apart ? PND_DOCTOR_WARN : PND_DOCTOR_OK,
                   fix, "%.300s; %s", told,
                   told_apart ? "it is not in this directory, but in that of another server"
                              : "whether it is whole cannot be told by this user");
}

static void look_here(struct pnd_doctor *doctor, const struct trip *trip, const char *told)
{
    char fix[PND_DOCTOR_TEXT_CAP], reason[PND_PRINT_NAME_CAP];
    bool closed = !doctor->spool_open && access(doctor->ctl->directory, F_OK) == 0 &&
                  access(doctor->ctl->directory, R_OK | X_OK) != 0;
    struct pnd_why why = {0};
    struct pnd_dump row;
    int err = closed ? PND_E_SYS : PND_E_NOTFOUND;

    if (doctor->spool_open)
        err = find_row(doctor->ctl, trip->dump.name, &row);
    if (err) {
        look_elsewhere(doctor, trip, told, err == PND_E_NOTFOUND);
        return;
    }
    snprintf(fix, sizeof(fix), "panicctl rm %" PRIu64, row.id);
    if (row.state == PND_DUMP_INCOMPLETE ||
        !is_what_was_sent(&doctor->ctl->spool, &row, &trip->dump))
        pnd_doctor_add(doctor, check, PND_DOCTOR_FAIL,
                       "look at the disk and at panicd's log: journalctl -u panicd",
                       "dump %" PRIu64 " is not what was sent: %.200s", row.id,
                       row.reason[0] ? pnd_print_name(reason, row.reason) : "bytes differ");
    else if (!row.checked)
        pnd_doctor_add(doctor, check, PND_DOCTOR_WARN, fix,
                       "%.300s, but panicd has not checked it after 5 seconds", told);
    else if (remove_dump(doctor->ctl, &row, &why))
        pnd_doctor_add(doctor, check, PND_DOCTOR_WARN, fix, "%.300s and is complete; %.150s", told,
                       why.text);
    else
        pnd_doctor_add(doctor, check, PND_DOCTOR_OK, "",
                       "%.300s, complete, as it was sent; it is removed again", told);
}

void pnd_doctor_client(struct pnd_doctor *doctor)
{
    static struct trip trip;
    char ip[PND_ADDRESS_CAP], told[PND_DOCTOR_TEXT_CAP], name[PND_PRINT_NAME_CAP];
    const char *protocol;
    struct pnd_client_stats stats;
    struct pnd_why why = {0};
    uint64_t start_us;

    if (!doctor->client)
        return;
    trip.udp.fd = -1;
    if (parse(doctor, &trip.server, &why)) {
        pnd_doctor_add(doctor, check, PND_DOCTOR_FAIL, "panicctl doctor --as-client 10.0.40.2",
                       "%s", why.text);
        return;
    }
    protocol = pnd_doctor_protocol(doctor, trip.server.port);
    if (protocol && strcmp(protocol, "kdp") != 0) {
        pnd_doctor_add(doctor, check, PND_DOCTOR_WARN,
                       strcmp(protocol, "tftp") == 0 ? "panicctl setup --for tftp has commands"
                                                     : "",
                       "UDP port %u is for %s, which is not what is sent for a test",
                       trip.server.port, pnd_print_name(name, protocol));
        return;
    }
    pnd_test_dump_init(&trip.dump, "panicctl doctor");
    start_us = pnd_clock_us();
    if (send_dump(doctor, &trip))
        return;
    pnd_client_stats(&trip.client, &stats);
    snprintf(told, sizeof(told), "%s:%u took %" PRIu64 " bytes in %.1f ms",
             pnd_address_format(ip, trip.server.ip), trip.server.port, stats.bytes,
             (double)(pnd_clock_us() - start_us) / 1000);
    look_here(doctor, &trip, told);
}
