/* SPDX-License-Identifier: BSD-2-Clause
 *
 * QEMU's fw_cfg, by its ports: texts that whoever starts the machine hands to it.
 * @source QEMU, docs/specs/fw_cfg */
#include <string.h>

#include "devices.h"
#include "io.h"
#include "wire/cursor.h"

enum {
    PORT_SELECT = 0x510,
    PORT_DATA = 0x511,
    ITEM_SIGNATURE = 0x0000,
    ITEM_DIRECTORY = 0x0019,
    ENTRY_BYTES = 64,
    NAME_BYTES = 56,
    FILES_MAX = 1024,
};

static void read_bytes(uint8_t *ret, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ret[i] = box_in8(PORT_DATA);
}

/* @return false: it is not @p name */
static bool parse_entry(const uint8_t entry[ENTRY_BYTES], const char *name, uint16_t *ret_item,
                        uint32_t *ret_len)
{
    struct pnd_rd rd = pnd_rd(entry, ENTRY_BYTES);
    uint32_t len = pnd_rd_be32(&rd);
    uint16_t item = pnd_rd_be16(&rd);
    const char *found;
    size_t i;

    pnd_rd_be16(&rd); /* reserved */
    found = (const char *)pnd_rd_bytes(&rd, NAME_BYTES);
    for (i = 0; i < NAME_BYTES && found[i] && found[i] == name[i]; i++)
        ;
    if (i == NAME_BYTES || found[i] || name[i])
        return false;
    *ret_item = item;
    *ret_len = len;
    return true;
}

static bool find(const char *name, uint16_t *ret_item, uint32_t *ret_len)
{
    uint8_t entry[ENTRY_BYTES], head[4];
    struct pnd_rd rd = pnd_rd(head, sizeof(head));
    uint32_t files;

    box_out16(PORT_SELECT, ITEM_SIGNATURE);
    read_bytes(head, sizeof(head));
    if (memcmp(head, "QEMU", sizeof(head)) != 0)
        return false;
    box_out16(PORT_SELECT, ITEM_DIRECTORY);
    read_bytes(head, sizeof(head));
    files = pnd_rd_be32(&rd);
    for (uint32_t i = 0; i < files && i < FILES_MAX; i++) {
        read_bytes(entry, sizeof(entry));
        if (parse_entry(entry, name, ret_item, ret_len))
            return true;
    }
    return false;
}

bool box_property(const char *name, char *ret, size_t cap)
{
    uint32_t file_len;
    uint16_t item;
    size_t len;

    ret[0] = '\0';
    if (!find(name, &item, &file_len))
        return false;
    len = file_len < cap - 1 ? file_len : cap - 1;
    box_out16(PORT_SELECT, item);
    read_bytes((uint8_t *)ret, len);
    while (len > 0 && (ret[len - 1] == '\n' || ret[len - 1] == '\r'))
        len--; /* an editor's */
    ret[len] = '\0';
    return true;
}
