/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The limit of any stop-and-wait transfer on this machine: two processes on loopback, one packet
 * of a full block's size there, one of an ACK's size back, nothing else done with either.
 *   bench-echo BYTES     as many packets as BYTES of dump take; prints JSON */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/kdp.h"

enum { PACKET_BYTES = PND_KDP_HEADER_BYTES + PND_KDP_BLOCK_LARGE, LOST_US = 200000 };

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int open_socket(struct sockaddr_in *ret)
{
    struct timeval lost = {.tv_usec = LOST_US};
    socklen_t len = sizeof(*ret);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)ret, sizeof(*ret)) < 0 ||
        getsockname(fd, (struct sockaddr *)ret, &len) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &lost, sizeof(lost)) < 0) {
        perror("UDP socket");
        exit(EXIT_FAILURE);
    }
    return fd;
}

/* Until it is killed. */
_Noreturn static void answer(int fd)
{
    uint8_t packet[PACKET_BYTES];
    struct sockaddr_in from;

    for (;;) {
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);

        if (n == PACKET_BYTES)
            sendto(fd, packet, PND_KDP_ACK_BYTES, 0, (struct sockaddr *)&from, len);
    }
}

/* @return packets that were sent again, after LOST_US without an answer */
static uint64_t ask(int fd, const struct sockaddr_in *to, uint64_t packets)
{
    uint8_t packet[PACKET_BYTES] = {0}, reply[PND_KDP_ACK_BYTES];
    uint64_t again = 0;

    for (uint64_t i = 0; i < packets; i++) {
        uint32_t number = (uint32_t)i;

        memcpy(packet, &number, sizeof(number));
        for (;;) {
            ssize_t n;

            sendto(fd, packet, sizeof(packet), 0, (const struct sockaddr *)to, sizeof(*to));
            do
                n = recv(fd, reply, sizeof(reply), 0);
            while (n == PND_KDP_ACK_BYTES && memcmp(reply, &number, sizeof(number)) != 0);
            if (n == PND_KDP_ACK_BYTES)
                break;
            if (n < 0 && errno != EAGAIN && errno != EINTR) {
                perror("receive");
                exit(EXIT_FAILURE);
            }
            again++;
        }
    }
    return again;
}

int main(int argc, char **argv)
{
    uint64_t bytes = argc == 2 ? strtoull(argv[1], NULL, 10) : 0, packets, again;
    struct sockaddr_in server, client;
    int server_fd, client_fd;
    double start_s, took_s;
    pid_t child;

    if (bytes == 0) {
        fprintf(stderr, "usage: bench-echo BYTES\n");
        return EXIT_FAILURE;
    }
    packets = (bytes + PND_KDP_BLOCK_LARGE - 1) / PND_KDP_BLOCK_LARGE;
    server_fd = open_socket(&server);
    client_fd = open_socket(&client);
    child = fork();
    if (child < 0) {
        perror("fork");
        return EXIT_FAILURE;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer(server_fd);
    }
    start_s = now_s();
    again = ask(client_fd, &server, packets);
    took_s = now_s() - start_s;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    printf("{\"packets\": %" PRIu64 ", \"again\": %" PRIu64 ", \"seconds\": %.6f}\n", packets,
           again, took_s);
    return EXIT_SUCCESS;
}
