/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a line of boot-args. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bootargs/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"debug", "_panicd_ip", "-v", "a", "panicd_port", "_", ""};
    char *line = malloc(len + 1), text[16];
    struct pnd_bootarg arg;

    if (!line)
        abort();
    if (len)
        memcpy(line, data, len);
    line[len] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t value = UINT64_C(0x1122334455667788);
        int found = pnd_bootargs_find(line, names[i], &arg);

        if (found == PND_OK && arg.len &&
            (arg.text < line || arg.text + arg.len > line + strlen(line)) && !arg.is_number)
            abort();
        if (pnd_bootargs_string(line, names[i], text, sizeof(text)) != found ||
            (found == PND_OK && strlen(text) >= sizeof(text)))
            abort();
        for (size_t size = 1; size <= 8; size *= 2)
            if ((pnd_bootargs_integer(line, names[i], size, &value) == PND_E_NOTFOUND) !=
                (found == PND_E_NOTFOUND))
                abort();
    }
    free(line);
    return 0;
}
