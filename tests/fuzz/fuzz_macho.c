/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as the start of a Mach-O core. */
#include <stdint.h>
#include <stdlib.h>

#include "image/macho.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pnd_macho_walk walk;
    struct pnd_macho_cmd cmd;
    struct pnd_macho macho;
    uint32_t filetype, count = 0;
    uint64_t before;
    int err = pnd_macho_parse(data, len, &macho);

    if (err != PND_OK)
        return 0;
    if (pnd_macho_filetype(data, len, &filetype) != PND_OK || filetype != macho.filetype)
        abort();
    pnd_macho_walk_init(&walk, &macho, data, len);
    for (;;) {
        before = walk.at;
        err = pnd_macho_walk_next(&walk, &cmd);
        if (err)
            break;
        if (cmd.offset + cmd.size < cmd.offset || cmd.at != before || ++count > macho.ncmds)
            abort();
        if (cmd.kind != PND_MACHO_ZERO && (walk.at <= before || walk.at > macho.commands_end))
            abort();
    }
    if (err == PND_E_SHORT && macho.commands_end <= len)
        abort();
    return 0;
}
