/* SPDX-License-Identifier: BSD-2-Clause
 *
 * In a crash kernel: brings the memory of the kernel that crashed to where it is safe. */
#ifndef PND_CAPTURE_CAPTURE_H
#define PND_CAPTURE_CAPTURE_H

#include "capture/complain.h"
#include "capture/options.h"

/* @return the exit code of panicdump */
int pnd_capture_run(const struct pnd_capture_options *options);

#endif
