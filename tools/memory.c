/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory that a kernel sets aside, one variable of each kind: tools/check-sizes.sh reads how
 * large they are from the object, which works for machines that cannot run here. */
#include "panicd/corefile.h"
#include "panicd/panic.h"

extern struct pnd_panic pnd_panic;
extern struct pnd_client pnd_client;
extern struct pnd_stack pnd_stack;
extern struct pnd_corefile pnd_corefile;

struct pnd_panic pnd_panic;
struct pnd_client pnd_client;
struct pnd_stack pnd_stack;
struct pnd_corefile pnd_corefile;
