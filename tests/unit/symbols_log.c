/* SPDX-License-Identifier: BSD-2-Clause
 *
 * symbols-log DUMP PATH [--force]: the panic log of a dump of any kind, with the names that the
 * files at PATH have, as panicctl prints it. Then a line for each frame: "index linked text". */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "inspect/check.h"
#include "panicctl/symbols.h"

/* A text of several lines in one. */
static void print_frames(const struct pnd_symbols *symbols)
{
    puts("----");
    for (unsigned i = 0; i < symbols->frame_count; i++) {
        const char *text = symbols->frames[i].text ? symbols->frames[i].text : "-";

        printf("%u 0x%" PRIx64 " ", i, symbols->frames[i].linked);
        for (; *text; text++)
            fputs(*text == '\n' ? "; " : (const char[]){*text, '\0'}, stdout);
        putchar('\n');
    }
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
