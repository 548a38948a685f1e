/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: the order of the checks, and what they found, for people and for programs. */
#include "panicctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/guard.h"
#include "host/text.h"
#include "panicctl/bootargs.h"
#include "panicctl/print.h"

enum { CHECK_WIDTH = 11, PORT_MAX = 65535, CHUNK = 65536 };

static const struct {
    const char *word, *escape;
} results[] = {
    [PND_DOCTOR_OK] = {"ok", "\033[32m"},
    [PND_DOCTOR_WARN] = {"warn", "\033[33m"},
    [PND_DOCTOR_FAIL] = {"FAIL", "\033[31m"},
};

void pnd_doctor_add(struct pnd_doctor *doctor, const char *check, enum pnd_doctor_result result,
                    const char *fix, const char *fmt, ...)
{
    struct pnd_doctor_finding *finding;
    va_list ap;

    if (doctor->count == PND_DOCTOR_MAX)
        return;
    finding = &doctor->at[doctor->count++];
    finding->check = check;
    finding->result = result;
    snprintf(finding->fix, sizeof(finding->fix), "%s", fix);
    va_start(ap, fmt);
    vsnprintf(finding->text, sizeof(finding->text), fmt, ap);
    va_end(ap);
}

/* ---- other programs ---- */

static int read_all(int fd, char **ret)
{
    size_t len = 0, cap = 0;
    char *buf = NULL;
    ssize_t n = 0;

    do {
        if (cap - len < CHUNK) {
            char *grown = cap < PND_DOCTOR_OUT_MAX ? realloc(buf, 2 * cap + 2 * CHUNK) : NULL;

            if (!grown) {
                free(buf);
                return PND_E_FULL;
            }
            buf = grown;
            cap = 2 * cap + 2 * CHUNK;
        }
        n = read(fd, buf + len, cap - len - 1);
        len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    buf[len] = '\0';
    *ret = buf;
    return PND_OK;
}

/* In PATH, and where administrators' programs are, which a user's PATH may lack. */
static int spawn_somewhere(pid_t *ret, posix_spawn_file_actions_t *actions, char *const argv[])
{
    static const char *const places[] = {"/usr/sbin/", "/sbin/", "/usr/local/sbin/"};
    int err = posix_spawnp(ret, argv[0], actions, NULL, argv, environ);

    for (size_t i = 0; err == ENOENT && i < sizeof(places) / sizeof(*places); i++) {
        char path[128];

        snprintf(path, sizeof(path), "%s%s", places[i], argv[0]);
        err = posix_spawn(ret, path, actions, NULL, argv, environ);
    }
    return err;
}

int pnd_doctor_run(char *const argv[], char **ret)
{
    posix_spawn_file_actions_t actions;
    int fds[2], err, status = 0;
    pid_t pid;

    *ret = NULL;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return PND_E_SYS;
    PND_AUTO_CLOSE int from = fds[0];
    if (posix_spawn_file_actions_init(&actions) != 0) {
        close(fds[1]);
        return PND_E_SYS;
    }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    err = spawn_somewhere(&pid, &actions, argv);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (err)
        return err == ENOENT ? PND_E_NOTFOUND : PND_E_SYS;
    err = read_all(from, ret);
    close(pnd_steal_fd(&from)); /* a program that still writes ends */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!err && WIFEXITED(status))
        return WEXITSTATUS(status);
    free(*ret);
    *ret = NULL;
    return err ? err : PND_E_SYS;
}

/* ---- telling ---- */

static void print_word(const struct pnd_ctl *ctl, enum pnd_doctor_result result)
{
    if (ctl->colour)
        printf("%s%s\033[0m", results[result].escape, results[result].word);
    else
        fputs(results[result].word, stdout);
    printf("%*s", 6 - (int)strlen(results[result].word), "");
}

static void print_text(const struct pnd_doctor *doctor, unsigned worst)
{
    for (unsigned i = 0; i < doctor->count; i++) {
        const struct pnd_doctor_finding *finding = &doctor->at[i];

        print_word(doctor->ctl, finding->result);
        printf("%-*s%s\n", CHECK_WIDTH, finding->check, finding->text);
        if (finding->fix[0])
            printf("      %-*s%s\n", CHECK_WIDTH, "  to fix", finding->fix);
    }
    if (worst == PND_DOCTOR_FAIL)
        puts("\nA dump would not arrive, or not be kept, as long as a line says FAIL.");
    else if (!doctor->client)
        puts("\nTo see a dump go the whole way: panicctl doctor --as-client ADDRESS, with the "
             "address\nof this machine that senders are given.");
}

static int print_json(const struct pnd_doctor *doctor, unsigned worst)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < doctor->count; i++) {
        const struct pnd_doctor_finding *finding = &doctor->at[i];

        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:o, s:o}", "check", finding->check, "result",
                      finding->result == PND_DOCTOR_FAIL ? "fail" : results[finding->result].word,
                      "text", pnd_print_json_text(finding->text), "fix",
                      finding->fix[0] ? pnd_print_json_text(finding->fix) : json_null()));
    }
    return pnd_print_json(json_pack("{s:b, s:o, s:i, s:o}", "ok", worst != PND_DOCTOR_FAIL,
                                    "directory", pnd_print_json_text(doctor->ctl->directory),
                                    "port", (int)doctor->port, "checks", list));
}

/* ---- the verb ---- */

static int read_options(struct pnd_doctor *doctor, int argc, char **argv)
{
    static const struct option options[] = {{"as-client", required_argument, NULL, 'c'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    uint64_t port;
    int option, code;

    while ((option = getopt_long(argc, argv, "p:jh", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            doctor->client = optarg;
            break;
        case 'p':
            if (pnd_text_parse_uint(optarg, &port) || port == 0 || port > PORT_MAX)
                return pnd_ctl_misused(argv[0], "--port takes a UDP port, 1 to %d", PORT_MAX);
            doctor->port = (uint16_t)port;
            doctor->port_given = true;
            break;
        default:
            code = pnd_ctl_common_option(doctor->ctl, argv[0], option);
            if (code >= 0)
                return code;
        }
    }
    if (optind < argc)
        return pnd_ctl_misused(argv[0], "doctor takes options, not \"%s\"", argv[optind]);
    return -1;
}

static void examine(struct pnd_doctor *doctor)
{
    static void (*const checks[])(struct pnd_doctor * doctor) = {
        pnd_doctor_server,   pnd_doctor_port,      pnd_doctor_address, pnd_doctor_firewall,
        pnd_doctor_services, pnd_doctor_directory, pnd_doctor_room,    pnd_doctor_catalog,
        pnd_doctor_journal,  pnd_doctor_parts,     pnd_doctor_stream,  pnd_doctor_message,
        pnd_doctor_clock,    pnd_doctor_buffer,    pnd_doctor_client,
    };

    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
        checks[i](doctor);
}

int pnd_verb_doctor(struct pnd_ctl *ctl, int argc, char **argv)
{
    struct pnd_doctor *doctor = calloc(1, sizeof(*doctor));
    unsigned worst = PND_DOCTOR_OK;
    int code;

    if (!doctor)
        return pnd_ctl_fail("out of memory");
    doctor->ctl = ctl;
    doctor->uid = geteuid();
    code = read_options(doctor, argc, argv);
    if (code < 0) {
        examine(doctor);
        for (unsigned i = 0; i < doctor->count; i++)
            worst = doctor->at[i].result > worst ? doctor->at[i].result : worst;
        code = worst == PND_DOCTOR_FAIL ? PND_EXIT_NO : PND_EXIT_OK;
        if (!ctl->json)
            print_text(doctor, worst);
        else if (print_json(doctor, worst) != PND_EXIT_OK)
            code = PND_EXIT_COULD_NOT;
    }
    json_decref(doctor->server);
    free(doctor);
    return code;
}
