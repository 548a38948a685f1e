/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a line of boot-args: every way to look an argument up, the whole of them in each
 * generation, and what a machine started with that line would do. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit/decide_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_up(const char *line, const char *name)
{
    uint64_t value = UINT64_C(0x1122334455667788);
    struct pnd_bootarg arg;
    int found = pnd_bootargs_find(line, name, &arg);
    char text[16];

    if (found == PND_OK && arg.len &&
        (arg.text < line || arg.text + arg.len > line + strlen(line)) && !arg.is_number)
        abort();
    if (pnd_bootargs_string(line, name, text, sizeof(text)) != found ||
        (found == PND_OK && strlen(text) >= sizeof(text)))
        abort();
    for (size_t size = 1; size <= 8; size *= 2)
        if ((pnd_bootargs_integer(line, name, size, &value) == PND_E_NOTFOUND) !=
            (found == PND_E_NOTFOUND))
            abort();
}

#define ENDS(text) (memchr((text), '\0', sizeof(text)) != NULL)

static void read_all(const char *line, uint32_t xnu, struct pnd_bootargs *args)
{
    memset(args, 0xff, sizeof(*args));
    pnd_bootargs_read(line, xnu, args);
    if (!ENDS(args->panicd_ip) || !ENDS(args->router_ip) || !ENDS(args->corename) ||
        !ENDS(args->ip_addr) || !ENDS(args->match_name) || !ENDS(args->match_mac))
        abort();
    if (args->xnu >= 7195 && args->block_bytes > 1406)
        abort();
    if (args->server && !args->has_panicd_ip)
        abort();
}

/* Three dumps would be one too many. */
static void play(const struct pnd_bootargs *args, enum pnd_trigger trigger, unsigned unusual)
{
    struct pnd_situation now = situation(args, trigger, unusual);
    struct pnd_decision next = {.why = NULL};

    for (int dumps = 0; dumps <= 2; dumps++) {
        pnd_decide(&now, &next);
        if (!next.why || (unsigned)next.step > PND_STEP_SPIN)
            abort();
        if (!is_dump(next.step))
            return;
        take(&now, next.step, unusual);
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const names[] = {"debug", "_panicd_ip", "-v", "a", "panicd_port", "_", ""};
    static const uint32_t trains[] = {0, 517, 1228, 1699, 3248, 3789, 4570, 4903, 7195};
    char *line = malloc(len + 1);
    struct pnd_bootargs args;

    if (!line)
        abort();
    if (len)
        memcpy(line, data, len);
    line[len] = '\0';
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        look_up(line, names[i]);
    for (size_t i = 0; i < sizeof(trains) / sizeof(trains[0]); i++) {
        read_all(line, trains[i], &args);
        for (unsigned n = 0; n < 4 * 64; n++) /* the first six of what can be unusual */
            play(&args, (enum pnd_trigger)(n % 4), n / 4);
        play(&args, PND_TRIGGER_PANIC, ARM);
        play(&args, PND_TRIGGER_NMI, DEBUGGER);
    }
    free(line);
    return 0;
}
