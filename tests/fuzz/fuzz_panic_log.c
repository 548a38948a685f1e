/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a panic log, a panic region, a packed log: every event lies within them, and there
 * are no more events than bytes. */
#include <stdlib.h>

#include "image/kext_name.h"
#include "image/panic_log.h"
#include "image/panic_region.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_str(const struct pnd_str *str, const char *text, size_t len)
{
    if (str->len > 0 && (str->at < text || str->at + str->len > text + len))
        abort();
}

static void read_log(const char *text, size_t len)
{
    struct pnd_panic_event event;
    struct pnd_panic_log log;
    size_t events = 0;

    pnd_panic_log_init(&log, text, len);
    while (pnd_panic_log_next(&log, &event)) {
        char name[PND_KEXT_NAME_CAP];

        check_str(&event.text, text, len);
        check_str(&event.name, text, len);
        check_str(&event.version, text, len);
        check_str(&event.uuid, text, len);
        if (pnd_kext_name_expand(event.name.at, event.name.len, name, sizeof(name)) >= sizeof(name))
            abort();
        if (++events > len)
            abort();
    }
}

static void read_region(const uint8_t *data, size_t len)
{
    struct pnd_panic_region region;

    if (pnd_panic_region_read(data, len, &region) != PND_OK)
        return;
    if (region.log.len > 0 && (size_t)region.log.offset + region.log.len > len)
        abort();
    if (region.more.len > 0 && (size_t)region.more.offset + region.more.len > len)
        abort();
    for (unsigned bit = 0; bit < 64; bit++)
        (void)pnd_panic_region_flag(region.kind, bit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    static char unpacked[4096];
    struct pnd_str log;
    size_t got;

    read_log(text, len);
    read_region(data, len);
    if (pnd_panic_text_len(data, len) > len || pnd_panic_text_len_back(data, len) > len)
        abort();
    if (pnd_panic_log_find((struct pnd_str){text, len}, &log)) {
        check_str(&log, text, len);
        (void)pnd_panic_log_score(log.at, log.len);
    }
    got = pnd_panic_unpack(data, len, unpacked, sizeof(unpacked));
    if (got > sizeof(unpacked) || pnd_panic_text_len(unpacked, got) != got)
        abort();
    return 0;
}
