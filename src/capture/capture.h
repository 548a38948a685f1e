/* SPDX-License-Identifier: BSD-2-Clause
 *
 * In a crash kernel: brings the memory of the kernel that crashed to where it is safe.
 * Memory: static, of which each part says its share; the whole program takes less than 3 MiB when
 * it sends everything, which a test holds, and what content.h says when pages are left out. The
 * console hears at the end how much it was. */
#ifndef PND_CAPTURE_CAPTURE_H
#define PND_CAPTURE_CAPTURE_H

#include "capture/complain.h"
#include "capture/options.h"

enum pnd_capture_how {
    PND_CAPTURE_BY_HAND, /* somebody is there who can put right what is missing */
    PND_CAPTURE_AS_INIT, /* nobody is: of what is there is made what can be made */
    PND_CAPTURE_PLAINLY, /* the same, and the dump is not looked at, but sent as it stands */
};

/* @return the exit code of panicdump */
int pnd_capture_run(const struct pnd_capture_options *options, enum pnd_capture_how how);

/* For an init, which must not die: @p run (pnd_capture_run) in a process of its own. When that is
 * killed - by a mistake of ours that the dump brought to light, or for want of memory - it is run
 * once more, plainly.
 *   @return what the last one returned; PND_EXIT_CANNOT it was killed */
int pnd_capture_guarded(const struct pnd_capture_options *options,
                        int (*run)(const struct pnd_capture_options *options,
                                   enum pnd_capture_how how));

#endif
