/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/messenger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/guard.h"
#include "host/log.h"
#include "host/run.h"
#include "message/config.h"
#include "message/connection.h"
#include "message/queue.h"
#include "panicd/control.h"
#include "panicd/server.h"

/* Where it lies beside this program: installed, and where both have just been built. */
static int find_program(char ret[4096], struct pnd_why *why)
{
    static const char *const places[] = {"../libexec/panicd/panicd-messenger",
                                         "../messenger/panicd-messenger"};
    char self[2048] = "", *slash;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    slash = len > 0 ? strrchr(self, '/') : NULL;
    for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
        snprintf(ret, 4096, "%.*s/%s", (int)(slash - self), self, places[i]);
        if (access(ret, X_OK) == 0)
            return PND_OK;
    }
    return pnd_why(why, PND_E_NOTFOUND, 0,
                   "panicd-messenger, which sends messages, is not beside %s", self);
}

static int check_hooks(const struct pnd_message_config *config, struct pnd_why *why)
{
    for (unsigned i = 0; i < config->count; i++)
        if (config->at[i].way == PND_MESSAGE_HOOK && access(config->at[i].program, X_OK) < 0)
            return pnd_why(why, PND_E_SYS, errno, "[message %s] program %s cannot be run",
                           config->at[i].name, config->at[i].program);
    return PND_OK;
}

int pnd_messenger_configure(const char *config_path, struct pnd_messenger *ret, struct pnd_why *why)
{
    struct pnd_message_config *config = calloc(1, sizeof(*config));
    struct pnd_messenger out = {0};
    char *path;
    int err = PND_OK;

    if (!config)
        return pnd_why(why, PND_E_SYS, ENOMEM, "messages");
    path = config_path ? realpath(config_path, NULL) : NULL;
    if (path)
        err = pnd_message_config_read(config_path, config, why);
    if (!err)
        err = check_hooks(config, why);
    if (!err && config->count)
        err = find_program(out.program, why);
    if (!err && config->count &&
        snprintf(out.config_path, sizeof(out.config_path), "%s", path) >=
            (int)sizeof(out.config_path))
        err = pnd_why(why, PND_E_NAME, 0, "%s is too long", path);
    free(path);
    free(config);
    if (!err)
        *ret = out;
    return err;
}

/* ---- its life ---- */

static int spawn(const struct pnd_messenger *messenger, const char *directory, int fd, pid_t *ret)
{
    char since[24];
    char *argv[] = {(char *)(uintptr_t)messenger->program,
                    (char *)(uintptr_t)messenger->config_path, (char *)(uintptr_t)directory, since,
                    NULL};
    posix_spawn_file_actions_t actions;
    int err = posix_spawn_file_actions_init(&actions);

    if (err)
        return err;
    snprintf(since, sizeof(since), "%" PRId64, messenger->since_ms);
    err = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!err)
        err = posix_spawn_file_actions_adddup2(&actions, fd, PND_MESSENGER_FD);
    if (!err)
        err = posix_spawn_file_actions_addclosefrom_np(&actions, PND_MESSENGER_FD + 1);
    if (!err) /* a terminal's Ctrl-C is the server's; it ends when that has ended */
        err = pnd_run_spawn(argv[0], &actions, true, argv, environ, ret);
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

static void start(struct pnd_server *server)
{
    struct pnd_messenger *messenger = &server->messenger;
    int pair[2], err;

    messenger->since_ms = pnd_queue_since(&server->spool);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        pnd_log(PND_ERR, "messenger-lost", "why=\"%s\"", strerror(errno));
        return;
    }
    PND_AUTO_CLOSE int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, PND_MESSENGER_FD + 1);
    close(pair[1]);
    err = theirs < 0 ? errno : spawn(messenger, server->spool.path, theirs, &messenger->pid);
    if (err) {
        messenger->pid = 0;
        close(pair[0]);
        pnd_log(PND_ERR, "messenger-lost", "why=\"%s: %s\"", messenger->program, strerror(err));
        return;
    }
    pnd_control_adopt(server->control, pair[0]);
}

static void note_end(struct pnd_messenger *messenger, int status, uint64_t now_ms)
{
    bool well = now_ms - messenger->start_ms >= PND_MESSENGER_WELL_MS;

    messenger->pid = 0;
    if (well || !messenger->pause_ms)
        messenger->pause_ms = PND_MESSENGER_PAUSE_MS;
    else if (messenger->pause_ms * 2 <= PND_MESSENGER_PAUSE_MAX_MS)
        messenger->pause_ms *= 2;
    pnd_log(PND_WARNING, "messenger-ended", "%s=%d again_ms=%llu",
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
            (unsigned long long)messenger->pause_ms);
}

void pnd_messenger_tick(struct pnd_server *server, uint64_t now_ms)
{
    struct pnd_messenger *messenger = &server->messenger;
    int status;

    if (now_ms < messenger->look_ms || (!messenger->pid && !messenger->config_path[0]))
        return;
    messenger->look_ms = now_ms + PND_MESSENGER_LOOK_MS;
    if (messenger->pid && waitpid(messenger->pid, &status, WNOHANG) == messenger->pid) {
        note_end(messenger, status, now_ms);
        messenger->start_ms = now_ms + messenger->pause_ms;
    }
    if (messenger->pid || !messenger->config_path[0] || now_ms < messenger->start_ms)
        return;
    messenger->start_ms = now_ms;
    start(server);
    if (!messenger->pid)
        messenger->start_ms = now_ms + PND_MESSENGER_PAUSE_MAX_MS;
}

void pnd_messenger_reload(struct pnd_messenger *messenger, const struct pnd_messenger *fresh)
{
    memcpy(messenger->config_path, fresh->config_path, sizeof(messenger->config_path));
    memcpy(messenger->program, fresh->program, sizeof(messenger->program));
    messenger->pause_ms = 0;
    if (messenger->pid)
        kill(messenger->pid, SIGTERM);
    else
        messenger->start_ms = 0;
}

void pnd_messenger_stop(struct pnd_messenger *messenger)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000000L};
    uint64_t until_ms = pnd_clock_ms() + PND_MESSENGER_STOP_MS;
    pid_t got = 0;

    if (!messenger->pid)
        return;
    while ((got = waitpid(messenger->pid, NULL, WNOHANG)) == 0 && pnd_clock_ms() < until_ms)
        nanosleep(&pause, NULL);
    if (got == 0) {
        kill(messenger->pid, SIGKILL);
        waitpid(messenger->pid, NULL, 0);
    }
    messenger->pid = 0;
}
