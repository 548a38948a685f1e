/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Apple's server over real sockets: the model of tests/sim/kdumpd.h. A process for each WRQ, with
 * a port of its own; each block is acknowledged, and then written by one call whose result nobody
 * looks at (PROTOCOL.md#kdp-1.13). It spends nothing on timers or on a log, so that it is rather
 * faster than what it stands for. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "sim/kdumpd.h"
#include "wire/kdp.h"

enum {
    LOOK_MS = 100, /* the repetition after 2 s may be late by so much */
    LINGER_S = 2,
    NAME_CAP = 256,
};

static struct net net;
static struct kdumpd kdumpd;
static int sock = -1, file = -1;
static uint64_t file_at;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-kdumpd: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* The model's link: the socket of this process is connected to its client. */
void net_send(struct net *link, enum net_way way, uint16_t port, const void *dgram, size_t len)
{
    (void)link;
    (void)way;
    (void)port;
    if (send(sock, dgram, len, 0) < 0 && errno == ECONNREFUSED)
        exit(0); /* the client is gone; what came stays under its name */
}

static void write_block(void *ctx, uint64_t offset, const uint8_t *data, size_t len)
{
    ssize_t written;

    (void)ctx;
    if (offset != file_at)
        lseek(file, (off_t)offset, SEEK_SET);
    written = write(file, data, len);
    file_at = offset + (written > 0 ? (uint64_t)written : 0);
}

static void set_wait(int fd, time_t seconds, long ms)
{
    struct timeval wait = {.tv_sec = seconds, .tv_usec = ms * 1000};

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
        die("receive timeout");
}

static void refuse(uint32_t code, const char *text)
{
    uint8_t error[64];
    int len = pnd_kdp_build_error(error, sizeof(error), (enum pnd_kdp_error)code, text);

    if (len > 0)
        send(sock, error, (size_t)len, 0);
}

/* @return false: refused */
static bool open_file(const struct pnd_kdp_packet *wrq)
{
    char name[NAME_CAP];

    if (wrq->name_len >= sizeof(name))
        return false;
    memcpy(name, wrq->name, wrq->name_len);
    name[wrq->name_len] = '\0';
    if (strchr(name, '/') || strstr(name, "..")) {
        refuse(PND_KDP_E_ACCESS, "Access violation");
        return false;
    }
    kdumpd.exists = access(name, F_OK) == 0;
    if (!kdumpd.exists)
        file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
    return kdumpd.exists || file >= 0;
}

_Noreturn static void transfer(const struct sockaddr_in *client, const uint8_t *wrq, size_t wrq_len)
{
    struct pnd_kdp_packet packet;
    uint8_t dgram[PND_KDP_HEADER_BYTES + PND_KDP_BLOCK_LARGE];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (const struct sockaddr *)client, sizeof(*client)) < 0)
        die("UDP socket");
    net.now_us = now_us();
    kdumpd_init(&kdumpd, &net);
    kdumpd.write = write_block;
    if (pnd_kdp_parse(wrq, wrq_len, &packet) || packet.op != PND_KDP_WRQ || !open_file(&packet))
        exit(0);
    kdumpd_datagram(&kdumpd, PND_KDP_PORT, wrq, wrq_len);
    set_wait(sock, 0, LOOK_MS);
    while (kdumpd.active) {
        ssize_t n = recv(sock, dgram, sizeof(dgram), 0); /* cuts what is longer */

        net.now_us = now_us();
        if (n >= 0)
            kdumpd_datagram(&kdumpd, kdumpd.port, dgram, (size_t)n);
        else if (errno != EAGAIN && errno != EINTR)
            break;
        kdumpd_tick(&kdumpd);
    }
    if (file >= 0)
        close(file);
    if (kdumpd.ended) { /* it listens for one more packet, and does nothing with it */
        set_wait(sock, LINGER_S, 0);
        if (recv(sock, dgram, sizeof(dgram), 0) < 0)
            exit(0);
    }
    exit(0);
}

static int usage(FILE *to)
{
    fprintf(to,
            "usage: bench-kdumpd [--address A] [--port P] DIRECTORY\n"
            "Receives dumps into DIRECTORY as Apple's kdumpd does: a process for each, every\n"
            "block acknowledged before it is written. Ends by a signal.\n"
            "  --address A    listens on this IPv4 address (default 0.0.0.0)\n"
            "  --port P       and UDP port (default 1069); \"ready\" is printed when it does\n");
    return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"address", required_argument, NULL, 'a'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(PND_KDP_PORT)};
    uint8_t wrq[2048];
    int option, listener;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            local.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
        else if (option == 'h')
            return usage(stdout);
        else if (option != 'a' || inet_pton(AF_INET, optarg, &local.sin_addr) != 1)
            return usage(stderr);
    }
    if (optind + 1 != argc)
        return usage(stderr);
    listener = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&local, sizeof(local)) < 0)
        die("UDP socket");
    umask(007);
    if (chdir(argv[optind]) < 0)
        die(argv[optind]);
    signal(SIGCHLD, SIG_IGN);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(listener, wrq, sizeof(wrq), 0, (struct sockaddr *)&from, &from_len);
        pid_t child = n < 0 ? 0 : fork();

        if (n < 0 && errno != EINTR)
            die("receive");
        if (child < 0)
            die("fork");
        if (n >= 0 && child == 0)
            transfer(&from, wrq, (size_t)n);
    }
}
