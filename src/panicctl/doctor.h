/* SPDX-License-Identifier: BSD-2-Clause
 *
 * "panicctl doctor": could a dump reach this directory? Each check adds what it found; none
 * changes anything. */
#ifndef PND_PANICCTL_DOCTOR_H
#define PND_PANICCTL_DOCTOR_H

#include <jansson.h>
#include <sys/types.h>

#include "panicctl/panicctl.h"

enum {
    PND_DOCTOR_MAX = 64,
    PND_DOCTOR_TEXT_CAP = 512,
    PND_DOCTOR_OPERAND_CAP = 201,
    PND_DOCTOR_OUT_MAX = 16 << 20, /* of another program: a ruleset */
};

enum pnd_doctor_result { PND_DOCTOR_OK, PND_DOCTOR_WARN, PND_DOCTOR_FAIL };

struct pnd_doctor_finding {
    const char *check; /* its short name */
    enum pnd_doctor_result result;
    char text[PND_DOCTOR_TEXT_CAP], fix[PND_DOCTOR_TEXT_CAP]; /* fit to be printed; fix "": none */
};

struct pnd_doctor {
    struct pnd_ctl *ctl;
    uint16_t port;      /* the one that senders use: asked for, the server's, or 1069 */
    bool port_given;    /* asked for */
    const char *client; /* as-client: "IP" or "IP:PORT"; NULL: not asked for */
    bool spool_open;    /* ctl->spool is */
    json_t *server;     /* what the server says of itself; NULL: none answers */
    pid_t pid;          /* the server's; 0: none, or not known */
    uid_t uid;          /* whose process it is; without a server, who asks */
    struct pnd_doctor_finding at[PND_DOCTOR_MAX];
    unsigned count;
};

/* Adds a finding. Texts from outside have gone through pnd_print_name().
 *   @param fix  what to type, or "" */
__attribute__((format(printf, 5, 6))) void pnd_doctor_add(struct pnd_doctor *doctor,
                                                          const char *check,
                                                          enum pnd_doctor_result result,
                                                          const char *fix, const char *fmt, ...);

/* What another program writes to its standard output, with its name looked for in PATH and in
 * the directories of the system's programs. Its standard error goes nowhere.
 *   @param ret  NUL-terminated, the caller's; NULL on error
 *   @return its exit code; PND_E_NOTFOUND there is no such program; PND_E_SYS, PND_E_FULL more
 *           than PND_DOCTOR_OUT_MAX */
int pnd_doctor_run(char *const argv[], char **ret);

/* The directory as a command takes it: quoted, and whole or "DIR", as root will type it. */
const char *pnd_doctor_operand(const char *path, char ret[PND_DOCTOR_OPERAND_CAP]);

/* What the server listens for on this port, as in panicd(8). @return NULL: for nothing, or nobody
 * says so; valid as long as doctor->server is */
const char *pnd_doctor_protocol(const struct pnd_doctor *doctor, uint16_t port);

/* The checks, in the order in which they are made: each may use what those before found. */
void pnd_doctor_server(struct pnd_doctor *doctor);    /* fills in server, pid, uid, port */
void pnd_doctor_port(struct pnd_doctor *doctor);      /* another program on it? */
void pnd_doctor_address(struct pnd_doctor *doctor);   /* does it hear what comes from outside? */
void pnd_doctor_firewall(struct pnd_doctor *doctor);  /* nftables, iptables */
void pnd_doctor_services(struct pnd_doctor *doctor);  /* ports of other protocols than Apple's */
void pnd_doctor_directory(struct pnd_doctor *doctor); /* there, whose, who may */
void pnd_doctor_room(struct pnd_doctor *doctor);
void pnd_doctor_catalog(struct pnd_doctor *doctor);
void pnd_doctor_journal(struct pnd_doctor *doctor); /* and the lock */
void pnd_doctor_parts(struct pnd_doctor *doctor);   /* dumps that nobody receives any more */
void pnd_doctor_message(struct pnd_doctor *doctor);
void pnd_doctor_stream(struct pnd_doctor *doctor); /* nothing where nobody listens for them */
void pnd_doctor_clock(struct pnd_doctor *doctor);
void pnd_doctor_buffer(struct pnd_doctor *doctor);
void pnd_doctor_client(struct pnd_doctor *doctor); /* a dump, over the real way */

/* ---- firewalls: what becomes of the first packet of a sender out there ---- */

enum pnd_firewall_fate { PND_FIREWALL_PASS, PND_FIREWALL_SOME, PND_FIREWALL_DROP };

struct pnd_firewall {
    bool answers;                /* it is the server's answers that are meant */
    enum pnd_firewall_fate fate; /* SOME: it depends on the sender, or cannot be told */
    char where[PND_DOCTOR_TEXT_CAP], fix[PND_DOCTOR_TEXT_CAP]; /* escaped */
};

/* @p ruleset as "nft -j list ruleset" prints it. @return PND_OK; PND_E_FORMAT */
int pnd_firewall_nft(const json_t *ruleset, uint16_t port, struct pnd_firewall *ret);

/* @p rules as "iptables-save -t filter" prints them. */
void pnd_firewall_iptables(const char *rules, uint16_t port, struct pnd_firewall *ret);

#endif
