/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that are not of any dump, at a steady rate, from ever other ports: what a receiver has to
 * put up with on a network that it shares. Of each length up to a full packet; every other one
 * begins like a packet of the protocol. "bench-flood ADDRESS PORT PACKETS_PER_SECOND [SECONDS]";
 * it says at its end what it sent. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOCKETS = 64, LONGEST = 1472, BATCH_CAP = 1024, TURN_NS = 1000000 };

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-flood: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned batch(int fd, const uint8_t *noise, unsigned count, uint64_t at)
{
    static struct mmsghdr messages[BATCH_CAP];
    static struct iovec vectors[BATCH_CAP];
    static uint8_t packets[BATCH_CAP][LONGEST];
    int n;

    for (unsigned i = 0; i < count; i++) {
        size_t len = (size_t)(at + i) * 7 % LONGEST + 1;

        memcpy(packets[i], noise + (at + i) * 31 % LONGEST, len);
        if ((at + i) % 2 && len > 2) {
            packets[i][0] = 0;
            packets[i][1] = (uint8_t)(1 + (at + i) / 2 % 7);
        }
        vectors[i] = (struct iovec){.iov_base = packets[i], .iov_len = len};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    n = sendmmsg(fd, messages, count, 0);
    return n > 0 ? (unsigned)n : 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    static uint8_t noise[LONGEST * 2];
    double start, rate, seconds;
    int fds[SOCKETS];
    uint64_t sent = 0, turn = 0;

    if (argc < 4 || argc > 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: bench-flood ADDRESS PORT PACKETS_PER_SECOND [SECONDS]\n");
        return EXIT_FAILURE;
    }
    to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    rate = strtod(argv[3], NULL);
    seconds = argc == 5 ? strtod(argv[4], NULL) : 1e9;
    if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise))
        die("getrandom");
    for (unsigned i = 0; i < SOCKETS; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&to, sizeof(to)) < 0)
            die("UDP socket");
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    start = now_s();
    while (!ended && now_s() - start < seconds) {
        struct timespec pause = {.tv_nsec = TURN_NS};
        uint64_t due = (uint64_t)((now_s() - start) * rate);

        while (sent < due) {
            unsigned count = due - sent < BATCH_CAP ? (unsigned)(due - sent) : BATCH_CAP;

            /* What the socket does not take, a refusal among it, is not sent again. */
            batch(fds[turn++ % SOCKETS], noise, count, sent);
            sent += count;
        }
        nanosleep(&pause, NULL);
    }
    printf("{\"packets\": %llu, \"seconds\": %.3f}\n", (unsigned long long)sent, now_s() - start);
    return EXIT_SUCCESS;
}
