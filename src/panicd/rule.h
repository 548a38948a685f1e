/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For what a dump is refused. */
#ifndef PND_PANICD_RULE_H
#define PND_PANICD_RULE_H

enum pnd_rule {
    PND_RULE_NONE,         /* nothing speaks against it */
    PND_RULE_ALLOW,        /* the address is not in the allow-list */
    PND_RULE_TRANSFERS,    /* as many dumps arrive already as may */
    PND_RULE_SOURCE_BYTES, /* this address has sent as much as is kept of one */
    PND_RULE_TOTAL_BYTES,  /* as much is kept as may be */
    PND_RULE_FLOOR,        /* the disk would fall below its floor */
    PND_RULES,
};

#endif
