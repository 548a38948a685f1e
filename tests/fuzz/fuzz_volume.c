/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a disk or a partition: what it holds is told by its bytes alone, whatever was looked
 * at before; only zeros are blank; and a file system has a UUID that can be typed. The last byte
 * says how many MiB of zeros (0 to 3) lie behind the others. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "panicd/err.h"

#include "capture/volume.h"
#include "host/io.h"

enum { TAIL = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int probe(const uint8_t *data, size_t len, uint64_t bytes, struct pnd_volume *ret)
{
    int fd = memfd_create("disk", MFD_CLOEXEC), err;

    if (fd < 0 || pnd_io_write(fd, data, len) != PND_OK || ftruncate(fd, (off_t)bytes) < 0)
        abort();
    err = pnd_volume_probe(fd, bytes, ret);
    close(fd);
    return err;
}

/* One of which every byte says something else. */
static void look_at_another(void)
{
    static uint8_t other[1 << 17];
    struct pnd_volume ignored;

    for (size_t i = 0; i < sizeof(other); i++)
        other[i] = (uint8_t)(i * 7 + 1);
    if (probe(other, sizeof(other), sizeof(other), &ignored) != PND_OK)
        abort();
}

static bool is_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

static bool can_be_typed(const char *uuid)
{
    size_t len = strlen(uuid);

    return len > 0 && len < PND_VOLUME_UUID_CAP && strspn(uuid, "0123456789abcdefABCDEF-") == len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_volume volume, again;
    uint64_t bytes;

    if (len == 0)
        return 0;
    len--;
    bytes = len + (uint64_t)(data[len] & 3) * TAIL;
    if (bytes == 0)
        return 0;
    if (probe(data, len, bytes, &volume) != PND_OK)
        abort();
    look_at_another();
    if (probe(data, len, bytes, &again) != PND_OK || again.kind != volume.kind ||
        again.type != volume.type || strcmp(again.uuid, volume.uuid) != 0 ||
        again.whole != volume.whole)
        abort();
    if (!volume.type[0] ||
        (volume.kind == PND_VOLUME_BLANK && len <= PND_VOLUME_EDGE && !is_zero(data, len)))
        abort();
    if (volume.kind == PND_VOLUME_FILES ? !can_be_typed(volume.uuid) : volume.uuid[0] != '\0')
        abort();
    return 0;
}
