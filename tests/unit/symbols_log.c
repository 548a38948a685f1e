/* SPDX-License-Identifier: BSD-2-Clause
 *
 * symbols-log DUMP PATH [--force]: the panic log of a dump of any kind, with the names that Mach-O
 * files at PATH have, as panicctl prints it. Then a line for each frame: "index linked text". */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "inspect/check.h"
#include "panicctl/symbols.h"

/* This program is for Mach-O files. */
int pnd_symbols_elf(const struct pnd_facts *facts, const char *path, bool force,
                    struct pnd_symbols *ret, struct pnd_why *why)
{
    (void)facts;
    (void)force;
    (void)ret;
    return pnd_why(why, PND_E_TYPE, 0, "%s is no Mach-O file", path);
}

static void print_frames(const struct pnd_symbols *symbols)
{
    puts("----");
    for (unsigned i = 0; i < symbols->frame_count; i++)
        printf("%u 0x%" PRIx64 " %s\n", i, symbols->frames[i].linked,
               symbols->frames[i].text ? symbols->frames[i].text : "-");
}

int main(int argc, char **argv)
{
    int fd = argc >= 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1, err;
    struct pnd_symbols symbols;
    struct pnd_facts facts;
    struct pnd_check check;
    struct pnd_why why;

    if (fd < 0)
        return 2;
    err = pnd_check_file(fd, NULL, NULL, &check, &facts, &why);
    close(fd);
    if (!err)
        err = pnd_symbols_find(&facts, argv[2], argc > 3, &symbols, &why);
    if (err) {
        fprintf(stderr, "%s\n", why.text);
    } else {
        pnd_symbols_print(stdout, &facts, &symbols);
        print_frames(&symbols);
        pnd_symbols_deinit(&symbols);
    }
    pnd_facts_deinit(&facts);
    return err ? 1 : 0;
}
