/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl extract */
#include "panicctl/extract.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/guard.h"
#include "panicctl/print.h"

struct request {
    const char *source, *dir; /* dir NULL: into the list */
    bool list, force;
    struct pnd_private_key private;
};

enum { PRIVATE_KEY = 256, PASSPHRASE }; /* options without a letter */

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int say_order(const char *source, const char *dir, const char *what)
{
    char shown[PND_PRINT_NAME_CAP], other[PND_PRINT_NAME_CAP];

    return pnd_ctl_fail("%s, and nothing was read or written; type: panicctl extract %s -o %s",
                        what, pnd_print_name(shown, source), pnd_print_name(other, dir));
}

/* Instructions are about that name the two the wrong way round, and then a disk is written to.
 *   @return -1 they are not; else leave with this exit code */
static int check_order(const struct request *request)
{
    const char *source = request->source, *dir = request->dir;
    char shown[PND_PRINT_NAME_CAP];
    struct stat st;

    if (pnd_extract_is_source(dir)) {
        if (!pnd_extract_is_source(source))
            return say_order(dir, source, "the disk and the directory are the wrong way round");
        pnd_print_name(shown, dir);
        return pnd_ctl_fail("%s is a disk or a dump, not a directory to write to; nothing was "
                            "read or written, -o names a directory",
                            shown);
    }
    if (strncmp(dir, "/dev/", strlen("/dev/")) == 0 && !is_dir(dir))
        return pnd_ctl_fail("%s is, or would be, a device: nothing is ever written to one; -o "
                            "names a directory",
                            pnd_print_name(shown, dir));
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
        return pnd_ctl_fail("%s is no directory; -o names one, which is made if it is missing",
                            pnd_print_name(shown, dir));
    return -1;
}

/* if= and of=, as dd has them: refused, with what to type, the right way round. */
static int refuse_dd(int count, char **words)
{
    const char *in = "DISK", *out = "DIR";

    for (int i = 0; i < count; i++) {
        if (strncmp(words[i], "if=", 3) == 0)
            in = words[i] + 3;
        else if (strncmp(words[i], "of=", 3) == 0)
            out = words[i] + 3;
    }
    if (pnd_extract_is_source(out) && !pnd_extract_is_source(in))
        return say_order(out, in,
                         "this is not dd, and if= and of= are the wrong way round: that would "
                         "write over the disk");
    return say_order(in, out, "this is not dd");
}

static bool is_dd(const char *word)
{
    return strncmp(word, "if=", 3) == 0 || strncmp(word, "of=", 3) == 0;
}

/* @return -1 go on; else leave with this exit code */
static int take_operands(struct request *request, int count, char **words, const char *verb)
{
    for (int i = 0; i < count; i++) {
        if (is_dd(words[i]))
            return refuse_dd(count, words);
    }
    if (count == 2 && !request->dir) {
        bool swapped = pnd_extract_is_source(words[1]) && !pnd_extract_is_source(words[0]);

        return say_order(words[swapped ? 1 : 0], words[swapped ? 0 : 1],
                         swapped ? "the disk and the directory are the wrong way round"
                                 : "extract takes one DEVICE or IMAGE; the directory follows -o");
    }
    if (count != 1)
        return pnd_ctl_misused(verb, "extract takes one DEVICE or IMAGE");
    request->source = words[0];
    if (request->private.passphrase_file && !request->private.file)
        return pnd_ctl_misused(verb, "--passphrase-file is for a dump that --private-key opens");
    if (request->list || request->dir)
        return request->dir ? check_order(request) : -1;
    if (is_dir(request->source))
        return pnd_ctl_misused(verb, "%s is a directory; name the disk first, and this after -o",
                               request->source);
    if (request->force)
        return pnd_ctl_misused(verb, "--force is for a directory named with -o; dumps of the list "
                                     "are never replaced");
    return -1;
}

static int extract(struct pnd_ctl *ctl, const struct request *request,
                   struct pnd_extract_source *source)
{
    struct pnd_why why = {0};
    int err = pnd_extract_open(request->source, source, &why);

    if (!err && request->private.file)
        err = pnd_extract_decrypt(source, &request->private, &why);
    if (!err && !request->list && !request->dir)
        err = pnd_extract_import(ctl, source, &why);
    else if (!err && !request->list)
        err = pnd_extract_files(source, request->dir, request->force, ctl->json, &why);
    if (err) {
        pnd_ctl_fail("%s", why.text);
        return err == PND_E_NOTFOUND && !source->imported ? PND_EXIT_NO : PND_EXIT_COULD_NOT;
    }
    return pnd_extract_print(ctl, source, request->list ? NULL : request->dir);
}

int pnd_verb_extract(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"list", no_argument, NULL, 'l'},
        {"force", no_argument, NULL, 'f'},
        {"private-key", required_argument, NULL, PRIVATE_KEY},
        {"passphrase-file", required_argument, NULL, PASSPHRASE},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    struct request request = {0};
    struct pnd_extract_source *source;
    int option, code;

    while ((option = getopt_long(argc, argv, "o:lfjh", options, NULL)) != -1) {
        if (option == 'o')
            request.dir = optarg;
        else if (option == 'l')
            request.list = true;
        else if (option == 'f')
            request.force = true;
        else if (option == PRIVATE_KEY)
            request.private.file = optarg;
        else if (option == PASSPHRASE)
            request.private.passphrase_file = optarg;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    code = take_operands(&request, argc - optind, argv + optind, argv[0]);
    if (code >= 0)
        return code;

    source = calloc(1, sizeof(*source));
    if (!source)
        return pnd_ctl_fail("make room for the list of files: %s", strerror(errno));
    source->fd = -1;
    code = extract(ctl, &request, source);
    pnd_extract_forget(source);
    pnd_guard_close(&source->fd);
    free(source);
    return code;
}
