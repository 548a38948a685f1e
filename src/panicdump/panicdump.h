/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the verbs of panicdump share: exit codes, signals, addresses, and the sentences that say
 * why a dump did not arrive. */
#ifndef PND_PANICDUMP_PANICDUMP_H
#define PND_PANICDUMP_PANICDUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "panicd/client.h"

#include "host/why.h"

enum pnd_panicdump_exit {
    PND_EXIT_OK = 0,
    PND_EXIT_NO = 1,     /* the server refused, gave up, or never answered */
    PND_EXIT_CANNOT = 2, /* wrong usage, a file that cannot be read, no such interface */
};

/* The verbs. argv[0] is the verb's name. @return the exit code */
int pnd_verb_send(int argc, char **argv);
int pnd_verb_test(int argc, char **argv);
int pnd_verb_capture(int argc, char **argv);

/* "panicdump: SENTENCE" on standard error. @return @p exit_code */
__attribute__((format(printf, 2, 3))) int pnd_complain(int exit_code, const char *fmt, ...);

/* SIGINT and SIGTERM are remembered from then on, and interrupt a wait. */
void pnd_stop_init(void);

/* @return the signal that asked to stop; 0: none */
int pnd_stop_signal(void);

enum { PND_ADDRESS_CAP = 16 }; /* fits every dotted quad */

/* Dotted quad, or a host name where the program was built with a resolver; IPv4 only.
 *   @return PND_OK; PND_E_ARG */
int pnd_address_parse(const char *text, uint32_t *ret, struct pnd_why *why);

/* @return @p dst */
const char *pnd_address_format(char dst[PND_ADDRESS_CAP], uint32_t ip);

/* "1" to "65535". @return PND_OK; PND_E_ARG */
int pnd_port_parse(const char *text, uint16_t *ret, struct pnd_why *why);

/* Microseconds that only go forward. */
uint64_t pnd_clock_us(void);

struct pnd_failure {
    int err;                         /* as a client function returned it */
    const struct pnd_client *client; /* NULL: it was never opened */
    struct pnd_endpoint server;
    bool nobody_listens; /* ICMP said that the port is closed */
    int sys_errno;       /* of the platform; 0: none */
    bool crash_kernel;   /* nobody can type a command here: only its command line can be changed */
};

enum { PND_FAILURE_CAP = 1024 };

/* One line: what went wrong, and what to do about it.
 *   @return @p dst */
const char *pnd_failure_text(char dst[PND_FAILURE_CAP], const struct pnd_failure *failure);

/* The exit code of a failed dump: that of the signal if one came, else PND_EXIT_NO. */
int pnd_failure_exit(const struct pnd_failure *failure);

#endif
