/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What panicweb can do once it serves: read, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "host/landlock.h"
#include "inspect/sanitizer.h"
#include "panicweb/cage.h"
#include "store/catalog.h"
#include "tap.h"
#include "tmpdir.h"

static struct pnd_spool spool;

/* In a forked child, caged: @p act says how many things it could do that it should not.
 * @return that; negative: it was not caged, or died */
static int caged(int (*act)(void))
{
    struct pnd_why why = {0};
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (pnd_web_cage_files(&spool, &why) || pnd_web_cage_calls(&why))
            _exit(100);
        _exit(act());
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) < 100 ? WEXITSTATUS(status) : -1;
}

static const char *in(const char *name)
{
    static char path[2][512];
    static unsigned turn;

    turn ^= 1;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", tmp_path, name);
    return path[turn];
}

/* Every way to change what lies there; each has to fail. */
static int change_something(void)
{
    int done = 0;

    done += open(in("dump"), O_WRONLY) >= 0;
    done += open(in("dump"), O_RDWR) >= 0;
    done += open(in("dump"), O_RDONLY | O_TRUNC) >= 0;
    done += open(in("new"), O_WRONLY | O_CREAT, 0600) >= 0;
    done += open(in("new"), O_RDONLY | O_CREAT, 0600) >= 0;
    done += openat(spool.dir_fd, "new", O_RDWR | O_CREAT | O_EXCL, 0600) >= 0;
    done += open(tmp_path, O_TMPFILE | O_RDWR, 0600) >= 0;
    done += open(in(".panicd/catalog.db"), O_RDWR) >= 0;
    done += creat(in("new"), 0600) >= 0;
    done += truncate(in("dump"), 0) == 0;
    done += unlink(in("dump")) == 0;
    done += unlinkat(spool.dir_fd, "dump", 0) == 0;
    done += rename(in("dump"), in("other")) == 0;
    done += renameat(spool.dir_fd, "dump", spool.dir_fd, "other") == 0;
    done += link(in("dump"), in("other")) == 0;
    done += symlink("dump", in("other")) == 0;
    done += mkdir(in("folder"), 0700) == 0;
    done += rmdir(in(".panicd")) == 0;
    done += mknod(in("pipe"), S_IFIFO | 0600, 0) == 0;
    done += chmod(in("dump"), 0777) == 0;
    done += chown(in("dump"), 1, 1) == 0;
    done += setxattr(in("dump"), "user.x", "y", 1, 0) == 0;
    done += utimensat(AT_FDCWD, in("dump"), NULL, 0) == 0;
    done += open("/tmp/panicweb-was-here", O_WRONLY | O_CREAT, 0600) >= 0;
    return done;
}

static int do_something_else(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)};
    int done = 0, fd = socket(AF_INET, SOCK_STREAM, 0);

    done += fd >= 0;
    done += fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    done += socket(AF_INET6, SOCK_DGRAM, 0) >= 0;
    done += open("/etc/passwd", O_RDONLY) >= 0;
    done += execl("/bin/true", "true", (char *)NULL) == 0;
    done += fork() >= 0;
    return done;
}

static int read_everything(void)
{
    struct pnd_catalog *catalog = NULL;
    struct pnd_dump dump;
    struct pnd_why why;
    char buf[8];
    int fd = pnd_spool_open_file(&spool, "dump");

    if (fd < 0 || read(fd, buf, sizeof(buf)) != 5)
        return 1;
    if (pnd_catalog_open(&spool, true, &catalog, NULL, &why) ||
        pnd_catalog_find(catalog, "7", &dump, &why) || strcmp(dump.file, "dump") != 0)
        return 2;
    pnd_catalog_close(catalog);
    return 0;
}

static void changes_nothing(void)
{
    struct stat st;

    if (PND_SANITIZED) {
        SKIP("a sanitizer wants to look around");
        return;
    }
    if (!pnd_landlock_known())
        printf("# no Landlock here: seccomp alone\n");
    CHECK(caged(change_something) == 0);
    CHECK(stat(in("dump"), &st) == 0 && st.st_size == 5 && (st.st_mode & 0777) == 0600);
    CHECK(stat(in("new"), &st) != 0 && stat(in("other"), &st) != 0);
}

static void starts_and_reaches_nothing(void)
{
    if (PND_SANITIZED) {
        SKIP("a sanitizer wants to look around");
        return;
    }
    CHECK(caged(do_something_else) == (pnd_landlock_known() ? 0 : 1));
}

static void reads_dumps_and_a_catalog_in_use(void)
{
    CHECK(caged(read_everything) == 0);
}

int main(void)
{
    struct pnd_dump dump = {
        .id = 7, .file = "dump", .name = "dump", .state = PND_DUMP_COMPLETE, .bytes = 5};
    struct pnd_catalog *catalog = NULL;
    struct pnd_why why = {0};
    int fd;

    tmp_make();
    if (pnd_spool_open(&spool, tmp_path, &why) ||
        pnd_catalog_open(&spool, false, &catalog, NULL, &why) ||
        pnd_catalog_put(catalog, &dump, 1, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    fd = open(in("dump"), O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || write(fd, "bytes", 5) != 5)
        return 1;
    close(fd);
    RUN(changes_nothing);
    RUN(starts_and_reaches_nothing);
    RUN(reads_dumps_and_a_catalog_in_use);
    pnd_catalog_close(catalog);
    pnd_spool_close(&spool);
    tmp_remove();
    return tap_done();
}
