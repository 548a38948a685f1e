/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Why a dump is incomplete, in a word that can be counted. The sentence in its row
 * (pnd_dump.reason) is what a person reads, and survives restarts; the word is found from it. */
#ifndef PND_STORE_REASON_H
#define PND_STORE_REASON_H

enum pnd_reason {
    PND_REASON_SENDER,  /* it fell silent, gave up, or began anew */
    PND_REASON_RESTART, /* what received it ended first */
    PND_REASON_ROOM,    /* a limit of policy, or the disk was full */
    PND_REASON_DISK,    /* it could not be made durable */
    PND_REASON_LOST,    /* parts never came, or came otherwise than they were sent */
    PND_REASON_CONTENT, /* all came, and the content says that it is not whole: anything else */
    PND_REASONS,
};

/* @param reason  of a dump that is incomplete */
enum pnd_reason pnd_reason_of(const char *reason);

const char *pnd_reason_name(enum pnd_reason reason); /* "sender", ... */

#endif
