/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl import */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"
#include "panicctl/copy.h"
#include "panicctl/importer.h"
#include "panicctl/print.h"
#include "panicctl/stream.h"
#include "store/import.h"

struct import {
    const char *name; /* NULL: the file's own */
    bool move;
    bool as_it_came; /* of a stream: what is flattened stays so */
    json_t *done;    /* of --json */
};

struct source {
    const char *path;
    int fd;
    struct stat st;
    bool stream; /* a pipe: what is read from it is not there any more */
};

/* A named pipe is read when somebody has opened it for writing, and not, as by O_NONBLOCK, ended
 * before. */
static int await_writer(const struct source *source, struct pnd_why *why)
{
    struct pollfd poll_in = {.fd = source->fd, .events = POLLIN};
    int flags = fcntl(source->fd, F_GETFL);

    if (!S_ISFIFO(source->st.st_mode) || !(flags & O_NONBLOCK))
        return PND_OK;
    if (poll(&poll_in, 1, -1) < 0)
        return pnd_why(why, PND_E_SYS, errno, "wait for %s", source->path);
    return fcntl(source->fd, F_SETFL, flags & ~O_NONBLOCK) == 0
               ? PND_OK
               : pnd_why(why, PND_E_SYS, errno, "open %s", source->path);
}

/* @param ret  its path is set; fd is the caller's to close, whatever is returned */
static int open_source(struct source *ret, struct pnd_why *why)
{
    const char *path = ret->path;
    bool standard = strcmp(path, "-") == 0;

    ret->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                       : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (ret->fd < 0)
        return pnd_why(why, PND_E_SYS, errno, "open %s", path);
    if (fstat(ret->fd, &ret->st) != 0)
        return pnd_why(why, PND_E_SYS, errno, "look at %s", path);
    ret->stream = standard || S_ISFIFO(ret->st.st_mode);
    if (standard && isatty(ret->fd))
        return pnd_why(why, PND_E_TYPE, 0,
                       "standard input is a terminal; a dump comes through a pipe");
    if (S_ISREG(ret->st.st_mode) || (ret->stream && !S_ISDIR(ret->st.st_mode)))
        return ret->stream ? await_writer(ret, why) : PND_OK;
    if (S_ISDIR(ret->st.st_mode))
        return pnd_why(why, PND_E_TYPE, 0, "%s is a directory; name the files in it", path);
    if (S_ISBLK(ret->st.st_mode))
        return pnd_why(why, PND_E_TYPE, 0,
                       "%s is a disk; to take the dump out of it, type: panicctl extract %s", path,
                       path);
    return pnd_why(why, PND_E_TYPE, 0, "%s is no file; name a file that holds a dump", path);
}

static bool changed(const struct stat *before, const struct stat *after)
{
    return before->st_size != after->st_size || before->st_mtim.tv_sec != after->st_mtim.tv_sec ||
           before->st_mtim.tv_nsec != after->st_mtim.tv_nsec;
}

/* The disk is not filled to the brim for a copy that will not fit. Holes need no room. */
static int check_room(const struct pnd_ctl *ctl, const struct source *source, struct pnd_why *why)
{
    uint64_t room, total, need = (uint64_t)source->st.st_blocks * 512;
    char need_text[PND_TEXT_BYTES_CAP], room_text[PND_TEXT_BYTES_CAP];

    if (pnd_spool_room(&ctl->spool, &room, &total) || need <= room)
        return PND_OK;
    return pnd_why(why, PND_E_NOSPACE, 0,
                   "%s takes %s, and %s has %s free; \"panicctl list\" "
                   "shows what could go",
                   source->path, pnd_text_bytes(need_text, sizeof(need_text), need),
                   ctl->spool.path, pnd_text_bytes(room_text, sizeof(room_text), room));
}

static int copy_into(struct pnd_ctl *ctl, const struct source *source, int out, struct pnd_why *why)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, source->st.st_mtim};
    struct pnd_progress progress;
    struct pnd_copy copy = {.in = source->fd, .out = out, .sparse = true, .progress = &progress};
    struct stat after;
    uint64_t bytes;
    int err = PND_OK;

    if (ioctl(out, FICLONE, source->fd) != 0) {
        err = check_room(ctl, source, why);
        pnd_progress_init(&progress, "import", (uint64_t)source->st.st_size,
                          ctl->json || isatty(STDERR_FILENO) != 1);
        if (!err)
            err = pnd_copy_plain(&copy, &bytes, why);
        pnd_progress_clear(&progress);
    }
    if (!err && (fstat(source->fd, &after) != 0 || changed(&source->st, &after)))
        err = pnd_why(why, PND_E_SOURCE, 0,
                      "%s changes while it is copied; import it when it is whole", source->path);
    if (!err)
        futimens(out, times); /* what is known of its age */
    return err;
}

/* --move within a file system: nothing is copied. Not what another user could still write to, or
 * what has other names. */
static bool may_link(const struct pnd_ctl *ctl, const struct source *source)
{
    struct stat dir;

    return fstat(ctl->spool.dir_fd, &dir) == 0 && dir.st_dev == source->st.st_dev &&
           source->st.st_nlink == 1 && source->st.st_uid == dir.st_uid;
}

static int fill(struct pnd_ctl *ctl, const struct import *import, struct source *source,
                struct pnd_importer *importer, struct pnd_why *why)
{
    struct pnd_stage linked;

    if (import->move && may_link(ctl, source) &&
        pnd_stage_link(&linked, ctl->spool.dir_fd, source->fd, PND_IMPORT_PREFIX, why) == PND_OK) {
        pnd_stage_close(&importer->stage);
        importer->stage = linked;
        source->fd = -1;
        return PND_OK;
    }
    return copy_into(ctl, source, importer->stage.fd, why);
}

/* The source goes when the dump is durable, and only if its name still stands for it. */
static int remove_source(const struct source *source, struct pnd_why *why)
{
    struct stat now;

    if (stat(source->path, &now) != 0 || now.st_dev != source->st.st_dev ||
        now.st_ino != source->st.st_ino || changed(&source->st, &now))
        return pnd_why(why, PND_E_SYS, 0, "%s has changed meanwhile, and stays", source->path);
    return unlink(source->path) == 0
               ? PND_OK
               : pnd_why(why, PND_E_SYS, errno, "it is imported, but remove %s", source->path);
}

/* What says of itself that it is not whole does not become so by being copied. */
static void take_state(struct pnd_dump *dump)
{
    static const char suffix[] = ".incomplete";
    size_t len = strlen(dump->name);

    if (len <= strlen(suffix) || strcmp(dump->name + len - strlen(suffix), suffix) != 0)
        return;
    dump->name[len - strlen(suffix)] = '\0';
    dump->state = PND_DUMP_INCOMPLETE;
    snprintf(dump->reason, sizeof(dump->reason), "its name said that it is incomplete");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void report(struct pnd_ctl *ctl, const struct import *import, const struct source *source,
                   const struct pnd_dump *dump, uint64_t same)
{
    char name[PND_PRINT_NAME_CAP], reason[PND_PRINT_NAME_CAP], size[PND_TEXT_BYTES_CAP];
    struct pnd_view view = {.dump = *dump};
    json_t *json;

    if (ctl->json) {
        json = pnd_view_json(&ctl->spool, ctl->catalog, &view);
        json_object_set_new(json, "source", pnd_print_json_text(source->path));
        json_object_set_new(json, "moved", json_boolean(import->move));
        json_object_set_new(json, "same_as", same ? json_integer((json_int_t)same) : json_null());
        json_array_append_new(import->done, json);
        return;
    }
    printf("%s: dump %" PRIu64 ", %s, ", pnd_print_name(name, source->path), dump->id,
           pnd_text_bytes(size, sizeof(size), dump->bytes));
    pnd_print_state(ctl, dump->checked ? pnd_dump_state_text(dump->state) : "not checked");
    printf("%s%s\n", dump->format[0] ? ", " : "", dump->format);
    if (dump->reason[0])
        printf("  %s\n", pnd_print_name(reason, dump->reason));
    if (same)
        printf("  The same bytes are dump %" PRIu64 " already; to remove this copy, type: panicctl "
               "rm %" PRIu64 "\n",
               same, dump->id);
}

static bool is_dump_already(struct pnd_ctl *ctl, const struct source *source, struct pnd_dump *ret)
{
    char file[PND_SPOOL_NAME_CAP];

    return pnd_importer_find_file(ctl, source->fd, file) &&
           pnd_importer_find_row(ctl->catalog, file, ret, NULL) == PND_OK;
}

/* A second name of a dump: what a move that was killed leaves to the next. */
static int end_move(struct pnd_ctl *ctl, const struct import *import, const struct source *source,
                    const struct pnd_dump *dump)
{
    char dir[4096];
    struct stat named, spool;
    struct pnd_why why;

    snprintf(dir, sizeof(dir), "%.*s.", (int)(base_name(source->path) - source->path),
             source->path);
    if (!import->move || source->st.st_nlink < 2 || stat(dir, &named) != 0 ||
        fstat(ctl->spool.dir_fd, &spool) != 0 ||
        (named.st_dev == spool.st_dev && named.st_ino == spool.st_ino))
        return pnd_ctl_fail("%s is dump %" PRIu64 " already", source->path, dump->id);
    if (remove_source(source, &why))
        return pnd_ctl_fail("%s", why.text);
    report(ctl, import, source, dump, 0);
    return PND_EXIT_OK;
}

/* @return enum pnd_exit */
static int import_open(struct pnd_ctl *ctl, struct import *import, struct source *source)
{
    struct pnd_importer importer = {.stage = {.fd = -1}};
    struct pnd_why why = {0};
    int code = PND_EXIT_OK, err;

    if (is_dump_already(ctl, source, &importer.dump))
        return end_move(ctl, import, source, &importer.dump);
    err = pnd_importer_begin(ctl, import->name ? import->name : base_name(source->path), "import",
                             &importer, &why);
    if (!err) {
        take_state(&importer.dump);
        err = fill(ctl, import, source, &importer, &why);
    }
    if (!err)
        err = pnd_importer_commit(ctl, &importer, &why);
    if (!err && import->move && remove_source(source, &why))
        code = pnd_ctl_fail("%s", why.text);
    if (err) {
        code = pnd_ctl_fail("%s", why.text);
    } else {
        if (pnd_importer_settle(ctl, &importer, &why))
            pnd_ctl_warn("%s", why.text);
        report(ctl, import, source, &importer.dump, pnd_importer_same(ctl, &importer.dump));
    }
    pnd_importer_close(&importer);
    return code;
}

/* What the source was meant to be cannot be known from a pipe that ends: the check says it. */
static int import_stream(struct pnd_ctl *ctl, struct import *import, struct source *source)
{
    const char *own = strcmp(source->path, "-") == 0 ? "stream" : base_name(source->path);
    struct pnd_stream stream = {.source = {.ctx = &source->fd, .read = pnd_stream_read_fd},
                                .as_it_came = import->as_it_came,
                                .quiet = ctl->json};
    struct pnd_importer importer = {.stage = {.fd = -1}};
    struct pnd_why why = {0};

    if (import->move)
        return pnd_ctl_fail("%s: --move is for a file; a pipe is empty when it has been read",
                            source->path);
    snprintf(stream.dump.name, sizeof(stream.dump.name), "%s", import->name ? import->name : own);
    snprintf(stream.dump.protocol, sizeof(stream.dump.protocol), "pipe");
    pnd_stream_catch_signals();
    if (pnd_stream_receive(ctl, &stream, &why))
        return pnd_ctl_fail("%s: %s", source->path, why.text);
    importer.dump = stream.dump;
    if (!pnd_stream_ended && pnd_importer_settle(ctl, &importer, &why))
        pnd_ctl_warn("%s", why.text);
    report(ctl, import, source, &importer.dump, pnd_importer_same(ctl, &importer.dump));
    return pnd_stream_ended ? PND_EXIT_COULD_NOT : PND_EXIT_OK;
}

static int import_one(struct pnd_ctl *ctl, struct import *import, const char *path)
{
    struct source source = {.path = path, .fd = -1};
    struct pnd_why why = {0};
    int code = PND_EXIT_COULD_NOT;

    if (open_source(&source, &why))
        pnd_ctl_fail("%s", why.text);
    else
        code =
            source.stream ? import_stream(ctl, import, &source) : import_open(ctl, import, &source);
    pnd_guard_close(&source.fd);
    return code;
}

static int import_all(struct pnd_ctl *ctl, struct import *import, int count, char **paths)
{
    struct pnd_why why = {0};
    int worst = PND_EXIT_OK;

    if (pnd_importer_prepare(ctl, &why))
        return pnd_ctl_fail("%s", why.text);
    import->done = json_array();
    for (int i = 0; i < count; i++) {
        if (import_one(ctl, import, paths[i]))
            worst = PND_EXIT_COULD_NOT;
    }
    if (ctl->json && pnd_print_json(json_pack("{s:O}", "imported", import->done)))
        worst = PND_EXIT_COULD_NOT;
    json_decref(import->done);
    return worst;
}

int pnd_verb_import(struct pnd_ctl *ctl, int argc, char **argv)
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'}, {"move", no_argument, NULL, 'm'},
        {"keep-form", no_argument, NULL, 'k'},  {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},       {0}};
    struct import import = {0};
    int option, code;

    while ((option = getopt_long(argc, argv, "n:mjh", options, NULL)) != -1) {
        if (option == 'n')
            import.name = optarg;
        else if (option == 'm')
            import.move = true;
        else if (option == 'k')
            import.as_it_came = true;
        else if ((code = pnd_ctl_common_option(ctl, argv[0], option)) >= 0)
            return code;
    }
    if (optind == argc)
        return pnd_ctl_misused(argv[0], "import takes at least one FILE, or - for standard input");
    if (import.name && argc - optind > 1)
        return pnd_ctl_misused(argv[0], "--name is for one FILE");
    if (import.name && (!import.name[0] || strlen(import.name) >= PND_SPOOL_NAME_CAP))
        return pnd_ctl_misused(argv[0], "a name has 1 to %d bytes", PND_SPOOL_NAME_CAP - 1);
    return import_all(ctl, &import, argc - optind, argv + optind);
}
