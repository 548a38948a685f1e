/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl export */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"
#include "panicctl/copy.h"
#include "view/encrypted.h"
#include "panicctl/print.h"
#include "panicctl/private_key.h"
#include "panicctl/subject.h"

enum { PRIVATE_KEY = 256, PASSPHRASE, KEY_BLOB }; /* options without a letter */

struct export
{
    const char *output; /* NULL: the sender's name; "-": standard output */
    const char *key_blob;
    struct pnd_private_key private;
    bool decompress, elf, force;
    struct pnd_subject subject;
    struct pnd_decrypt_key key; /* with private.file */
    enum pnd_unpack_packing packing;
    int out;
    bool unpack;  /* asked for, and there is something to do */
    bool created; /* the output is ours to remove when it fails */
    char path[4096];
};

/* The name the sender gave, if it can be one here; else that of the file. */
static void choose_name(const struct export *export, char *ret, size_t cap)
{
    static const char *const suffixes[] = {".gz", ".zst"};
    const struct pnd_dump *dump = &export->subject.view.dump;
    const char *slash = export->subject.row ? NULL : strrchr(export->subject.path, '/');
    size_t len;

    if (export->subject.row)
        snprintf(ret, cap, "%s", pnd_spool_name_safe(dump->name) ? dump->name : dump->file);
    else
        snprintf(ret, cap, "%s", slash ? slash + 1 : export->subject.path);
    if (export->private.file)
        pnd_encrypted_rename(ret);
    len = strlen(ret);
    for (size_t i = 0; export->unpack && i < sizeof(suffixes) / sizeof(*suffixes); i++) {
        size_t suffix = strlen(suffixes[i]);

        if (len > suffix && strcmp(ret + len - suffix, suffixes[i]) == 0) {
            ret[len - suffix] = '\0';
            break;
        }
    }
}

static int choose_path(struct export *export)
{
    char name[PND_SPOOL_NAME_CAP];
    struct stat st;
    int len;

    choose_name(export, name, sizeof(name));
    if (!export->output)
        len = snprintf(export->path, sizeof(export->path), "%s", name);
    else if (stat(export->output, &st) == 0 && S_ISDIR(st.st_mode))
        len = snprintf(export->path, sizeof(export->path), "%s/%s", export->output, name);
    else
        len = snprintf(export->path, sizeof(export->path), "%s", export->output);
    if (len < 0 || (size_t)len >= sizeof(export->path))
        return pnd_ctl_fail("the name of the output is too long");
    return PND_EXIT_OK;
}

/* Anything but a second name for the dump itself, which would be emptied before it is read. */
static int empty_existing(struct export *export, struct stat *st)
{
    struct stat source;

    if (!S_ISREG(st->st_mode))
        return PND_EXIT_OK;
    if (fstat(export->subject.fd, &source) == 0 && source.st_dev == st->st_dev &&
        source.st_ino == st->st_ino)
        return pnd_ctl_fail("%s is the dump itself", export->path);
    if (ftruncate(export->out, 0) != 0)
        return pnd_ctl_fail("empty %s: %s", export->path, strerror(errno));
    return PND_EXIT_OK;
}

static int open_output(struct export *export)
{
    struct stat st;
    int code;

    if (export->output && strcmp(export->output, "-") == 0) {
        if (isatty(STDOUT_FILENO) == 1)
            return pnd_ctl_fail("a dump is nothing for a terminal; name a file with -o, or a pipe");
        export->out = STDOUT_FILENO;
        return PND_EXIT_OK;
    }
    code = choose_path(export);
    if (code)
        return code;
    /* A core holds what the machine knew: nobody else may read it. */
    export->out = open(export->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    export->created = export->out >= 0;
    if (export->out < 0 && errno == EEXIST && export->force)
        export->out = open(export->path, O_WRONLY | O_CLOEXEC);
    if (export->out < 0 && errno == EEXIST)
        return pnd_ctl_fail("%s is there already; --force replaces it, -o names another",
                            export->path);
    if (export->out < 0 || fstat(export->out, &st) != 0)
        return pnd_ctl_fail("create %s: %s", export->path, strerror(errno));
    return export->created ? PND_EXIT_OK : empty_existing(export, &st);
}

/* The session key of an encrypted dump, and what it hides. */
static int open_key(struct pnd_ctl *ctl, const char *what, struct export *export)
{
    struct pnd_encrypted encrypted;
    struct pnd_why why = {0};
    uint8_t head[16];
    struct stat st;
    size_t len = 0;
    bool known;
    int err = PND_OK;

    pnd_subject_encrypted(ctl, &export->subject, &encrypted);
    if (encrypted.how == PND_ENCRYPTED_DEVICE)
        return pnd_ctl_fail("%s is a copy of a dump device; type: panicctl extract FILE "
                            "--private-key %s",
                            what, export->private.file);
    if (export->key_blob)
        err = pnd_encrypted_read(export->key_blob, &encrypted, &why);
    else if (encrypted.how != PND_ENCRYPTED_BESIDE)
        return pnd_ctl_fail("the key that came with %s is not beside it; --key-blob names the file "
                            "that has it (savecore calls it key.N)",
                            what);
    if (!err && fstat(export->subject.fd, &st) != 0)
        err = pnd_why(&why, PND_E_SYS, errno, "look at the dump");
    if (!err)
        err = pnd_private_key_unwrap(&export->private, encrypted.blob, encrypted.len, &export->key,
                                     &why);
    if (!err)
        err =
            pnd_ekcd_look(export->subject.fd, 0, (uint64_t)st.st_size, &export->key, &known, &why);
    if (!err)
        err = pnd_ekcd_head(export->subject.fd, 0, (uint64_t)st.st_size, &export->key, head,
                            sizeof(head), &len, &why);
    if (err)
        return pnd_ctl_fail("%s", why.text);
    if (!known)
        pnd_ctl_warn("the key fits, but %s does not begin like a dump once it is decrypted", what);
    export->unpack =
        export->elf || (pnd_copy_packing_of(head, len, &export->packing) && export->decompress);
    return PND_EXIT_OK;
}

static int open_input(struct pnd_ctl *ctl, const char *what, struct export *export)
{
    enum pnd_unpack_packing packing;
    struct pnd_why why = {0};

    if (pnd_subject_find(ctl, what, &export->subject, &why))
        return pnd_ctl_fail("%s", why.text);
    if (export->subject.row && export->subject.view.arriving)
        return pnd_ctl_fail("%s is still arriving; \"panicctl watch --until-idle\" waits for it",
                            what);
    if (export->private.file)
        return open_key(ctl, what, export);
    export->unpack =
        export->elf || (pnd_copy_packing(export->subject.fd, &packing) && export->decompress);
    return PND_EXIT_OK;
}

static void warn(const struct export *export)
{
    const struct pnd_dump *dump = &export->subject.view.dump;

    if (export->subject.row && dump->state != PND_DUMP_COMPLETE)
        pnd_ctl_warn("dump %" PRIu64 " is %s%s%s", dump->id,
                     dump->state == PND_DUMP_INCOMPLETE ? "incomplete" : "not checked",
                     dump->reason[0] ? ": " : "", dump->reason);
    if (export->decompress && !export->unpack)
        fputs("panicctl: the dump is not compressed; exported as it is\n", stderr);
}

static int copy(struct export *export, uint64_t *ret_bytes, struct pnd_why *why)
{
    struct pnd_progress progress;
    struct stat in = {0}, out = {0};
    struct pnd_copy copy = {.in = export->subject.fd, .out = export->out, .progress = &progress};
    enum pnd_unpack_form form = export->elf ? PND_UNPACK_ELF : PND_UNPACK_ARRANGED;
    bool decrypt = export->private.file != NULL;
    int err;

    if (fstat(export->subject.fd, &in) != 0 || fstat(export->out, &out) != 0)
        return pnd_why(why, PND_E_SYS, errno, "look at the files");
    copy.sparse = export->out != STDOUT_FILENO && S_ISREG(out.st_mode);
    if (decrypt) {
        copy.key = &export->key;
        copy.packing = export->unpack ? export->packing : PND_UNPACK_RAW;
        form = export->unpack ? form : PND_UNPACK_AS_IS;
    }
    pnd_progress_init(&progress, "export", (uint64_t)in.st_size, isatty(STDERR_FILENO) != 1);
    err = export->unpack || decrypt ? pnd_copy_unpacked(&copy, form, ret_bytes, why)
                                    : pnd_copy_plain(&copy, ret_bytes, why);
    pnd_progress_clear(&progress);
    if (copy.sparse && (err == PND_OK || err == PND_E_SHORT || err == PND_E_FORMAT) &&
        fsync(export->out) != 0)
        return pnd_why(why, PND_E_SYS, errno, "fsync %s", export->path);
    return err;
}

static int report(struct pnd_ctl *ctl, const struct export *export, uint64_t bytes)
{
    const struct pnd_dump *dump = &export->subject.view.dump;
    char name[PND_PRINT_NAME_CAP], size[PND_TEXT_BYTES_CAP];

    if (export->out == STDOUT_FILENO)
        return PND_EXIT_OK; /* standard output has the dump, and nothing else */
    if (ctl->json)
        return pnd_print_json(
            json_pack("{s:o, s:o, s:I, s:b}", "id",
                      export->subject.row ? json_integer((json_int_t)dump->id) : json_null(),
                      "output", pnd_print_json_text(export->path), "bytes", (json_int_t)bytes,
                      "complete", dump->state == PND_DUMP_COMPLETE));
    printf("%s: %s (%" PRIu64 " bytes)\n", pnd_print_name(name, export->path),
           pnd_text_bytes(size, sizeof(size), bytes), bytes);
    return PND_EXIT_OK;
}

static int check_options(const char *verb, const struct export *export)
{
    if (!export->private.file && (export->key_blob || export->private.passphrase_file))
        return pnd_ctl_misused(verb, "%s is for a dump that --private-key opens",
                               export->key_blob ? "--key-blob" : "--passphrase-file");
    return PND_EXIT_OK;
}

static int run(struct pnd_ctl *ctl, const char *sel, struct export *export)
{
    struct pnd_why why = {0};
    uint64_t bytes = 0;
    int code = open_input(ctl, sel, export), err;

    if (!code)
        code = open_output(export);
    if (code)
        return code;
    warn(export);
    err = copy(export, &bytes, &why);
    if (err == PND_E_SHORT) {
        pnd_ctl_warn("%s; what came before it is exported", why.text);
        err = PND_OK;
    }
    if (err == PND_E_FORMAT) {
        pnd_ctl_fail("%s; what comes before it is in %s", why.text,
                     export->out == STDOUT_FILENO ? "the output" : export->path);
        return PND_EXIT_NO;
    }
    if (err) {
        if (export->created)
            unlink(export->path);
        return pnd_ctl_fail("%s", why.text);
    }
    return report(ctl, export, bytes);
}

int pnd_verb_export(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},
        {"decompress", no_argument, NULL, 'd'},
        {"elf", no_argument, NULL, 'e'},
        {"force", no_argument, NULL, 'f'},
        {"private-key", required_argument, NULL, PRIVATE_KEY},
        {"passphrase-file", required_argument, NULL, PASSPHRASE},
        {"key-blob", required_argument, NULL, KEY_BLOB},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    struct export export = {.subject.fd = -1, .out = -1};
    int option, code;

    while ((option = getopt_long(argc, argv, "o:defjh", options, NULL)) != -1) {
        if (option == 'o')
            export.output = optarg;
        else if (option == 'd')
            export.decompress = true;
        else if (option == 'e')
            export.elf = true;
        else if (option == 'f')
            export.force = true;
        else if (option == PRIVATE_KEY)
            export.private.file = optarg;
        else if (option == PASSPHRASE)
            export.private.passphrase_file = optarg;
        else if (option == KEY_BLOB)
            export.key_blob = optarg;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (argc - optind != 1)
        return pnd_ctl_misused(argv[0], "export takes one ID or FILE");

    code = check_options(argv[0], &export);
    if (code)
        return code;
    code = run(ctl, argv[optind], &export);
    pnd_decrypt_forget(&export.key);
    pnd_subject_deinit(&export.subject);
    if (export.out != STDOUT_FILENO)
        pnd_guard_close(&export.out);
    return code;
}
