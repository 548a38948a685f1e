/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The content of a dump at any offset: the file itself, or what is packed in it. The
 * pass over the file (pass.h) makes it, with an index of the packed stream; a read behind what has
 * come by then is PND_E_SHORT, not an error. In bounded memory. */
#ifndef PND_INSPECT_CONTENT_H
#define PND_INSPECT_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pnd_content {
    void *ctx;
    uint64_t bytes;      /* of content that can be read now */
    bool final;          /* no more will come: bytes is its size */
    const uint8_t *head; /* its first head_len bytes, kept */
    size_t head_len;
    int fd; /* the file itself when the content is not packed, for a library that wants one; or -1.
               Only pread() */
    /* All @p len bytes at @p offset. @return PND_OK; PND_E_SHORT they are not all there (yet);
     * PND_E_SOURCE the file cannot be read, or is damaged there; PND_E_SYS no memory */
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t len);
};

/* As much as there is, at most @p len. @return bytes; or a negative error, never PND_E_SHORT */
long pnd_content_some(const struct pnd_content *content, uint64_t offset, void *buf, size_t len);

#endif
