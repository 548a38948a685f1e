/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a dump can go: a server, a directory of a disk, a partition. */
#ifndef PND_CAPTURE_TARGET_H
#define PND_CAPTURE_TARGET_H

#include <stdbool.h>

#include "panicd/client.h"
#include "panicd/stage.h"

#include "capture/options.h"
#include "host/why.h"

enum { PND_TARGET_LABEL_CAP = 160 };

/* A dump, as a target is asked to take it. */
struct pnd_target_dump {
    const char *name;
    const char *extended_name; /* where the extension carries it, which another packing may suit */
    uint8_t id[PND_CLIENT_ID_BYTES]; /* the same in each attempt that gives the same bytes */
    bool anew;     /* what a server holds of that id already is not to be gone on with */
    bool extended; /* open: it goes over the extension */
};

/*   label  for people: "10.0.40.2:1069", "/var/crash on vda1 (ext4)"
 *   open   a dump. @p ret is the way in: its end makes the dump safe, and returns PND_OK only then;
 *          a server that holds something else of that id makes it return PND_E_FORMAT.
 *          @return PND_OK; an error, and @p why says what to do
 *   close  after the end, or at any error before it: takes back what open took; a dump that did not
 *          end is given up. @p err: what open, write or end returned; @p why, empty or what open
 *          said, then says in a line what went wrong; or, without an error, what is worth knowing
 *          ("3 retransmissions"), if anything. To be called after every open, also one that failed.
 *          @return @p err; or, when that is PND_OK, an error of its own */
struct pnd_target {
    void *ctx;
    char label[PND_TARGET_LABEL_CAP];
    int (*open)(void *ctx, struct pnd_target_dump *dump, struct pnd_sink *ret, struct pnd_why *why);
    int (*close)(void *ctx, int err, struct pnd_why *why);
};

/* Memory for what is on its way over the extension: this much is always there, and more is taken as
 * the way needs it, up to a sixteenth of what the kernel says is available, and
 * PND_CAPTURE_WINDOW_MAX. */
enum {
    PND_CAPTURE_WINDOW_BYTES = 64 << 10,
    PND_CAPTURE_WINDOW_PART = 16,
    PND_CAPTURE_WINDOW_MAX = 32 << 20,
};

/* A server, through the interface that @p options name: raw frames to the MAC that was carried
 * along; when nobody answers there, by ARP; when a packet socket cannot be had, over this kernel's
 * UDP. When nothing at all comes back, open returns after some 15 s, and up to 20 s more when the
 * interface and its link have to be waited for. A server that has answered is given 50 s for each
 * packet, and a link that goes down a minute. Static memory: one dump at a time. @p options stay as
 * they are.
 *   @param server  below options->server_count */
void pnd_target_server(const struct pnd_capture_options *options, size_t server,
                       struct pnd_target *ret);

/* What panicd_local= names:
 *   UUID=U:FSTYPE:PATH       a directory of the file system with that UUID: ext2 to ext4, xfs, vfat
 *   PARTUUID=U               a partition of a GPT, taken whole: a disk corefile, which
 *                            `panicctl extract` reads
 *   /dev/NAME                the same, of a device that is called so in the crash kernel
 *   @return PND_OK; PND_E_ARG none of these */
int pnd_target_local(const struct pnd_capture_options *options, struct pnd_target *ret,
                     struct pnd_why *why);

#endif
