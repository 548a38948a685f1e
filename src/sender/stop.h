/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ctrl-C while a dump is sent: the server is told, and then the program ends. */
#ifndef PND_SENDER_STOP_H
#define PND_SENDER_STOP_H

/* SIGINT and SIGTERM are remembered from then on, and interrupt a wait. */
void pnd_stop_init(void);

/* @return the signal that asked to stop; 0: none */
int pnd_stop_signal(void);

#endif
