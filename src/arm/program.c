/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program and its libraries: see program.h. */
#include "arm/program.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/io.h"
#include "host/text.h"
#include "image/elf.h"

enum {
    LINE_CAP = 2 * PATH_MAX,
    HEAD_CAP = 8192,
    PT_INTERP = 3, /* @source System V ABI, "Program Header" */
};

static int add(struct pnd_program *program, const char *path, struct pnd_why *why)
{
    if (program->count == PND_PROGRAM_FILES_MAX)
        return pnd_why(why, PND_E_FULL, 0, "%s has more than %d libraries", program->files[0],
                       PND_PROGRAM_FILES_MAX - 1);
    snprintf(program->files[program->count++], PATH_MAX, "%s", path);
    return PND_OK;
}

/* "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f...)", "/lib64/ld-linux-x86-64.so.2
 * (0x...)", "linux-vdso.so.1 (0x...)", "libz.so.1 => not found" */
int pnd_program_parse(const char *line, char ret[PATH_MAX])
{
    const char *arrow = strstr(line, " => "), *at = arrow ? arrow + 4 : line;
    size_t len;

    at += strspn(at, " \t");
    len = strcspn(at, "\n");
    for (size_t i = 0; i + 2 < len; i++)
        if (strncmp(at + i, " (0x", 4) == 0)
            len = i;
    ret[0] = '\0';
    if (arrow && strncmp(at, "not found", 9) == 0)
        return PND_E_NOTFOUND;
    if (at[0] != '/')
        return PND_OK;
    if (len >= PATH_MAX)
        return PND_E_RANGE;
    memcpy(ret, at, len);
    ret[len] = '\0';
    return PND_OK;
}

static int hear(FILE *said, struct pnd_program *program, struct pnd_why *why)
{
    static char line[LINE_CAP], path[PATH_MAX];
    char safe[256];
    int err = PND_OK;

    while (!err && fgets(line, sizeof(line), said)) {
        err = pnd_program_parse(line, path);
        if (err)
            return pnd_why(why, err, 0, "a library of %s: %s", program->files[0],
                           pnd_text_escape(safe, sizeof(safe), line, strcspn(line, "\n")));
        if (path[0])
            err = add(program, path, why);
    }
    return err;
}

/* The program itself is not run: its linker only tells what it would load. */
static int ask_linker(struct pnd_program *program, struct pnd_why *why)
{
    char *const argv[] = {program->files[0], NULL};
    char *const envp[] = {(char[]){"LD_TRACE_LOADED_OBJECTS=1"}, NULL};
    posix_spawn_file_actions_t actions;
    PND_AUTO_FCLOSE FILE *said = NULL;
    int ends[2], status = 0, err;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return pnd_why(why, PND_E_SYS, errno, "a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    err = posix_spawn(&pid, program->files[0], &actions, NULL, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    said = err ? NULL : fdopen(ends[0], "r");
    if (!said)
        close(ends[0]);
    if (err)
        return pnd_why(why, PND_E_SYS, err, "ask the linker about %s", program->files[0]);
    err = said ? hear(said, program, why) : pnd_why(why, PND_E_SYS, errno, "a pipe");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return err;
}

/* @return it wants an interpreter, which is the linker. What is no ELF program cannot run there. */
static int is_dynamic(const char *path, bool *ret, struct pnd_why *why)
{
    static uint8_t head[HEAD_CAP];
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct pnd_elf_segment segment;
    struct pnd_elf elf;
    ssize_t n = fd < 0 ? -1 : pnd_io_read_at(fd, 0, head, sizeof(head));

    if (n < 0)
        return pnd_why(why, PND_E_SYS, errno, "read %s", path);
    if (pnd_elf_parse(head, (size_t)n, &elf))
        return pnd_why(why, PND_E_FORMAT, 0, "%s is no ELF program", path);
    for (uint32_t i = 0; i < elf.phnum; i++)
        if (pnd_elf_segment(&elf, head, (size_t)n, i, &segment) == PND_OK)
            *ret |= segment.type == PT_INTERP;
    return PND_OK;
}

int pnd_program_find(const char *name, struct pnd_program *ret, struct pnd_why *why)
{
    static const char *const places[] = {"/usr/bin", "/usr/sbin",      "/bin",
                                         "/sbin",    "/usr/local/bin", "/usr/local/sbin"};
    char path[PATH_MAX];
    bool dynamic = false;
    int err;

    ret->count = 0;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", places[i], name);
        if (access(path, X_OK) < 0)
            continue;
        add(ret, path, why);
        err = is_dynamic(path, &dynamic, why);
        return !err && dynamic ? ask_linker(ret, why) : err;
    }
    return pnd_why(why, PND_E_NOTFOUND, 0, "%s is not installed", name);
}
