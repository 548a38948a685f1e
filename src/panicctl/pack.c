/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl pack */
#include "panicctl/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"
#include "panicctl/print.h"
#include "panicctl/stage.h"
#include "panicctl/subject.h"
#include "store/dump_json.h"

enum { PATH_CAP = 4096, MANIFEST_CAP = PND_ZIP_MEMBERS_MAX * (PND_ZIP_NAME_CAP + 128) };

struct request {
    const char *output; /* NULL: a name of ours; "-": standard output */
    bool force;
    struct pnd_pack pack;
    struct pnd_subject subject;
    uint64_t bytes; /* of the dump */
    bool piped;
    char path[PATH_CAP]; /* of the zip, for messages */
    int dir_fd;
    const char *base; /* its name in dir_fd */
    struct pnd_stage stage;
    bool differs; /* the dump is not what was received */
    uint64_t zip_bytes;
};

/* ---- what is packed ---- */

static int describe_file(struct request *request, struct pnd_why *why)
{
    struct pnd_dump *dump = &request->pack.dump;
    const char *path = request->subject.path, *slash = strrchr(path, '/');
    struct stat st;

    if (fstat(request->subject.fd, &st) != 0)
        return pnd_why(why, PND_E_SYS, errno, "look at %s", path);
    snprintf(dump->name, sizeof(dump->name), "%s", slash ? slash + 1 : path);
    snprintf(dump->file, sizeof(dump->file), "%s", dump->name);
    dump->received_ms = (int64_t)st.st_mtim.tv_sec * 1000;
    return PND_OK;
}

static int find_dump(struct pnd_ctl *ctl, const char *what, struct request *request,
                     struct pnd_why *why)
{
    struct pnd_subject *subject = &request->subject;
    int err = pnd_subject_find(ctl, what, subject, why);

    if (err)
        return err;
    request->pack.row = subject->row;
    if (!subject->row)
        return describe_file(request, why);
    if (subject->view.arriving)
        return pnd_why(why, PND_E_BUSY, 0,
                       "%s is still arriving; \"panicctl watch --until-idle\" waits for it", what);
    request->pack.dump = subject->view.dump;
    return PND_OK;
}

/* ---- where to ---- */

static int choose_path(struct request *request, struct pnd_why *why)
{
    char own[PND_SPOOL_NAME_CAP + 8];
    const char *slash;
    struct stat st;
    int len;

    if (request->pack.row)
        snprintf(own, sizeof(own), "dump-%" PRIu64 ".zip", request->pack.dump.id);
    else
        snprintf(own, sizeof(own), "%s.zip", request->pack.dump.file);
    if (!request->output)
        len = snprintf(request->path, sizeof(request->path), "%s", own);
    else if (stat(request->output, &st) == 0 && S_ISDIR(st.st_mode))
        len = snprintf(request->path, sizeof(request->path), "%s/%s", request->output, own);
    else
        len = snprintf(request->path, sizeof(request->path), "%s", request->output);
    slash = strrchr(request->path, '/');
    request->base = slash ? slash + 1 : request->path;
    if (len < 0 || (size_t)len >= sizeof(request->path) || !request->base[0])
        return pnd_why(why, PND_E_NAME, 0, "the name of the zip cannot be used");
    return PND_OK;
}

static int refuse_existing(const struct request *request, struct pnd_why *why)
{
    struct stat st, source;

    if (fstatat(request->dir_fd, request->base, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return PND_OK;
    if (!request->force)
        return pnd_why(why, PND_E_EXISTS, 0,
                       "%s is there already; --force replaces it, -o names another", request->path);
    if (fstat(request->subject.fd, &source) == 0 && st.st_dev == source.st_dev &&
        st.st_ino == source.st_ino)
        return pnd_why(why, PND_E_EXISTS, 0, "%s is the dump itself", request->path);
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return pnd_why(why, PND_E_EXISTS, 0, "%s is no file, and stays", request->path);
    return PND_OK;
}

static int open_output(struct request *request, struct pnd_why *why)
{
    char dir[PATH_CAP];
    int err;

    if (request->output && strcmp(request->output, "-") == 0) {
        request->piped = true;
        request->stage.fd = STDOUT_FILENO;
        return isatty(STDOUT_FILENO) != 1
                   ? PND_OK
                   : pnd_why(why, PND_E_ARG, 0,
                             "a zip is nothing for a terminal; name a file with -o, or a pipe");
    }
    err = choose_path(request, why);
    if (err)
        return err;
    snprintf(dir, sizeof(dir), "%.*s.", (int)(request->base - request->path), request->path);
    request->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (request->dir_fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open the directory of %s", request->path);
    err = refuse_existing(request, why);
    if (!err) /* a core holds what the machine knew: nobody else may read it */
        err = pnd_stage_open(&request->stage, request->dir_fd, ".panicctl-", why);
    return err;
}

/* ---- the members ---- */

static int put_text(struct pnd_zip *zip, const char *name, const char *text, struct pnd_why *why)
{
    return pnd_zip_put(zip, name, text, strlen(text), why);
}

/* With a line feed at its end. */
static int put_line(struct pnd_zip *zip, const char *name, const char *text, struct pnd_why *why)
{
    size_t len = strlen(text);
    char *line = malloc(len + 2);
    int err;

    if (!line)
        return pnd_why(why, PND_E_SYS, ENOMEM, "write %s", name);
    memcpy(line, text, len + 1);
    if (len == 0 || line[len - 1] != '\n')
        memcpy(line + len, "\n", 2);
    err = put_text(zip, name, line, why);
    free(line);
    return err;
}

static int put_json(struct pnd_zip *zip, const char *name, json_t *json, struct pnd_why *why)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    int err =
        text ? put_line(zip, name, text, why) : pnd_why(why, PND_E_SYS, ENOMEM, "write %s", name);

    json_decref(json);
    free(text);
    return err;
}

static json_t *transfer(const struct pnd_dump *dump)
{
    json_t *json = pnd_dump_to_json(dump);

    if (json)
        json_object_set_new(json, "file", pnd_print_json_text(dump->file));
    return json;
}

static int put_words(struct pnd_zip *zip, const struct pnd_pack *pack, struct pnd_why *why)
{
    char *readme = malloc(PND_PACK_README_CAP);
    int err = readme ? put_text(zip, PND_PACK_README, pnd_pack_readme(pack, readme), why)
                     : pnd_why(why, PND_E_SYS, ENOMEM, "write " PND_PACK_README);

    free(readme);
    if (!err && pack->note)
        err = put_line(zip, PND_PACK_NOTE, pack->note, why);
    if (!err && pack->row)
        err = put_json(zip, PND_PACK_TRANSFER, transfer(&pack->dump), why);
    if (!err && pack->has_facts)
        err = put_json(zip, PND_PACK_FACTS, pnd_facts_to_json(&pack->facts, false), why);
    if (!err && pack->facts.log)
        err = pnd_zip_put(zip, PND_PACK_LOG, pack->facts.log, pack->facts.log_len, why);
    return err;
}

static int put_dump(struct pnd_ctl *ctl, struct request *request, struct pnd_zip *zip,
                    struct pnd_why *why)
{
    const struct pnd_zip_member *members;
    struct pnd_progress progress;
    uint8_t head[16];
    ssize_t len = pread(request->subject.fd, head, sizeof(head), 0);
    unsigned count;
    int err;

    pnd_progress_init(&progress, "pack", request->bytes, ctl->json || isatty(STDERR_FILENO) != 1);
    err = pnd_zip_put_file(zip, request->pack.member, request->subject.fd, request->bytes,
                           len > 0 && pnd_pack_is_packed(head, (size_t)len), &progress, why);
    pnd_progress_clear(&progress);
    if (err)
        return err;
    count = pnd_zip_members(zip, &members);
    request->differs = request->pack.row && request->pack.dump.sha256[0] &&
                       strcmp(members[count - 1].sha256, request->pack.dump.sha256) != 0;
    return PND_OK;
}

/* In the form of sha256sum, which passes over lines that begin with "#". */
static int put_manifest(const struct request *request, struct pnd_zip *zip, struct pnd_why *why)
{
    const struct pnd_zip_member *members;
    unsigned count = pnd_zip_members(zip, &members);
    char text[MANIFEST_CAP];
    size_t len = 0;

    if (request->differs)
        len = (size_t)snprintf(text, sizeof(text),
                               "# %s differs from what was received, whose SHA-256 was\n# %s\n",
                               request->pack.member, request->pack.dump.sha256);
    for (unsigned i = 0; i < count && len < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s  %s\n", members[i].sha256,
                                members[i].name);
    return pnd_zip_put(zip, PND_PACK_MANIFEST, text, len, why);
}

static int write_members(struct pnd_ctl *ctl, struct request *request, struct pnd_zip *zip,
                         struct pnd_why *why)
{
    int err = put_words(zip, &request->pack, why);

    if (!err && !request->pack.log_only)
        err = put_dump(ctl, request, zip, why);
    if (!err)
        err = pnd_pack_put_beside(zip, &request->pack, why);
    if (!err)
        err = put_manifest(request, zip, why);
    return err ? err : pnd_zip_end(zip, &request->zip_bytes, why);
}

/* ---- the whole ---- */

static int report(const struct pnd_ctl *ctl, const struct request *request,
                  const struct pnd_zip *zip)
{
    const struct pnd_zip_member *members;
    unsigned count = pnd_zip_members(zip, &members);
    char name[PND_PRINT_NAME_CAP], size[PND_TEXT_BYTES_CAP];
    bool known = request->pack.row && request->pack.dump.sha256[0] && !request->pack.log_only;
    json_t *list;

    if (request->piped)
        return PND_EXIT_OK; /* standard output has the zip, and nothing else */
    if (!ctl->json) {
        printf("%s: %s, %u files\n", pnd_print_name(name, request->path),
               pnd_text_bytes(size, sizeof(size), request->zip_bytes), count);
        return PND_EXIT_OK;
    }
    list = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:s}", "name", members[i].name, "bytes",
                                        (json_int_t)members[i].bytes, "sha256", members[i].sha256));
    return pnd_print_json(json_pack(
        "{s:o, s:o, s:I, s:o, s:b, s:o}", "id",
        request->pack.row ? json_integer((json_int_t)request->pack.dump.id) : json_null(), "output",
        pnd_print_json_text(request->path), "bytes", (json_int_t)request->zip_bytes, "as_received",
        known ? json_boolean(!request->differs) : json_null(), "log_only", request->pack.log_only,
        "files", list));
}

static int write_zip(struct pnd_ctl *ctl, struct request *request)
{
    struct pnd_zip *zip = NULL;
    struct pnd_why why = {0};
    int code, err = pnd_zip_create(request->stage.fd, !request->piped,
                                   request->pack.dump.received_ms / 1000, &zip, &why);

    if (!err)
        err = write_members(ctl, request, zip, &why);
    if (!err && !request->piped)
        err = pnd_stage_name(&request->stage, request->base, request->force, &why);
    if (err)
        code = pnd_ctl_fail("pack: %s", why.text);
    else
        code = report(ctl, request, zip);
    pnd_zip_destroy(zip);
    if (!code && request->differs) {
        pnd_ctl_fail("dump %" PRIu64 " differs from what was received: its SHA-256 then was %s; it "
                     "is packed as it is now, and " PND_PACK_MANIFEST " says so",
                     request->pack.dump.id, request->pack.dump.sha256);
        code = PND_EXIT_NO;
    }
    return code;
}

static void warn(const struct pnd_pack *pack)
{
    if (pack->row && pack->dump.state == PND_DUMP_INCOMPLETE)
        pnd_ctl_warn("dump %" PRIu64 " is incomplete: %s", pack->dump.id, pack->dump.reason);
}

static int prepare(struct pnd_ctl *ctl, const char *what, struct request *request)
{
    struct pnd_pack *pack = &request->pack;
    struct pnd_why why = {0};
    struct stat st;

    if (find_dump(ctl, what, request, &why))
        return pnd_ctl_fail("%s", why.text);
    pnd_pack_member_name(pack->dump.file, pack->member);
    if ((!pack->log_only && pnd_pack_find_beside(ctl, pack, &why)) || open_output(request, &why))
        return pnd_ctl_fail("%s", why.text);
    if (fstat(request->subject.fd, &st) != 0)
        return pnd_ctl_fail("look at %s: %s", what, strerror(errno));
    request->bytes = pack->dump.bytes = (uint64_t)st.st_size;
    if (pnd_pack_find_facts(ctl, &request->subject, pack, &why))
        pnd_ctl_warn("what the dump says is not known: %s", why.text);
    if (!pack->log_only) {
        warn(pack);
        return -1;
    }
    if (!pack->facts.log && !pack->has_facts) {
        pnd_ctl_fail("no kernel log was found in %s, and nothing else is known of it; without "
                     "--log-only the dump itself is packed",
                     what);
        return PND_EXIT_NO;
    }
    pnd_pack_make_public(&pack->facts);
    return -1;
}

int pnd_verb_pack(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"log-only", no_argument, NULL, 'l'},
        {"key", no_argument, NULL, 'k'},          {"note", required_argument, NULL, 'n'},
        {"force", no_argument, NULL, 'f'},        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {0}};
    struct request request = {.subject = {.fd = -1}, .dir_fd = -1, .stage = {.fd = -1}};
    int option, code;

    while ((option = getopt_long(argc, argv, "o:lkn:fjh", options, NULL)) != -1) {
        if (option == 'o')
            request.output = optarg;
        else if (option == 'l')
            request.pack.log_only = true;
        else if (option == 'k')
            request.pack.with_key = true;
        else if (option == 'n')
            request.pack.note = optarg;
        else if (option == 'f')
            request.force = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (argc - optind != 1)
        return pnd_ctl_misused(argv[0], "pack takes one ID or FILE");
    if (request.pack.with_key && request.pack.log_only)
        return pnd_ctl_misused(argv[0], "--key goes with the dump, which --log-only leaves out");

    code = prepare(ctl, argv[optind], &request);
    if (code < 0)
        code = write_zip(ctl, &request);
    if (!request.piped)
        pnd_stage_close(&request.stage);
    pnd_facts_deinit(&request.pack.facts);
    pnd_pack_forget_beside(&request.pack);
    pnd_guard_close(&request.dir_fd);
    pnd_subject_deinit(&request.subject);
    return code;
}
