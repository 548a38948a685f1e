/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many dumps at once, from one process: each its own port, stop-and-wait. No dump goes on before
 * every one has begun, so that the server has all of them live at a time. "bench-senders --help"
 * says the options. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/kdp.h"

enum {
    EVENTS = 64,
    AGAIN_MS = 1000, /* silence after which a packet is sent again */
    LOOK_MS = 200,
    PATIENCE_MS = 60000,
};

enum phase { ASKED, BEGUN, SENDING, ENDING, ENDED };

struct sender {
    int fd;
    struct sockaddr_in to; /* Apple's server goes on from another port */
    enum phase phase;
    uint32_t block;
    uint64_t sent_bytes, sent_ms;
    uint8_t packet[PND_KDP_REQUEST_CAP + PND_KDP_BLOCK_LARGE];
    size_t packet_len;
};

static struct sender *senders;
static unsigned count, begun, ended;
static uint64_t dump_bytes, again;
static const uint8_t *content; /* dump_bytes of it */

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-senders: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(EXIT_FAILURE);
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void transmit(struct sender *s)
{
    if (sendto(s->fd, s->packet, s->packet_len, 0, (struct sockaddr *)&s->to, sizeof(s->to)) < 0 &&
        errno != ECONNREFUSED && errno != ENOBUFS)
        die("send");
    s->sent_ms = now_ms();
}

static void send_data(struct sender *s)
{
    uint64_t left = dump_bytes - s->sent_bytes;
    size_t len = left < PND_KDP_BLOCK_LARGE ? (size_t)left : PND_KDP_BLOCK_LARGE;

    pnd_kdp_build_data_header(s->packet, sizeof(s->packet), s->block);
    memcpy(s->packet + PND_KDP_HEADER_BYTES, content + s->sent_bytes, len);
    s->packet_len = PND_KDP_HEADER_BYTES + len;
    s->sent_bytes += len;
    transmit(s);
}

static void send_eof(struct sender *s)
{
    s->packet_len = (size_t)pnd_kdp_build_eof(s->packet, sizeof(s->packet), s->block);
    s->phase = ENDING;
    transmit(s);
}

static void go_on(struct sender *s)
{
    s->phase = SENDING;
    if (s->sent_bytes < dump_bytes)
        send_data(s);
    else
        send_eof(s);
}

/* The expected ACK has come. */
static void step(struct sender *s)
{
    s->block++;
    if (s->phase == ASKED && s->block == 1) {
        send_data(s);
    } else if (s->phase == ASKED) {
        s->phase = BEGUN;
        if (++begun == count) {
            for (unsigned i = 0; i < count; i++)
                go_on(&senders[i]);
        }
    } else if (s->phase == ENDING) {
        s->phase = ENDED;
        ended++;
    } else {
        go_on(s);
    }
}

static void receive(struct sender *s)
{
    uint8_t buf[PND_KDP_REQUEST_CAP];
    struct pnd_kdp_packet packet;
    struct sockaddr_in from = {0};
    socklen_t from_len = sizeof(from);
    ssize_t n =
        recvfrom(s->fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

    if (n < 0 || pnd_kdp_parse(buf, (size_t)n, &packet))
        return;
    errno = 0;
    if (packet.op == PND_KDP_ERROR)
        die("the server has refused a dump");
    if (packet.op == PND_KDP_ACK && packet.block == s->block && s->phase != BEGUN &&
        s->phase != ENDED) {
        s->to.sin_port = from.sin_port;
        step(s);
    }
}

static void repeat_silent(void)
{
    uint64_t now = now_ms();

    for (unsigned i = 0; i < count; i++) {
        struct sender *s = &senders[i];

        if (s->phase == BEGUN || s->phase == ENDED || now < s->sent_ms + AGAIN_MS)
            continue;
        again++;
        transmit(s);
    }
}

static void open_all(int poll_fd, const struct sockaddr_in *to)
{
    char name[32];

    for (unsigned i = 0; i < count; i++) {
        struct sender *s = &senders[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};

        s->to = *to;
        s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (s->fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0)
            die("UDP socket");
        snprintf(name, sizeof(name), "dump-%u", i);
        s->packet_len = (size_t)pnd_kdp_build_wrq(s->packet, sizeof(s->packet), name,
                                                  PND_KDP_FEATURES, PND_KDP_BLOCK_LARGE);
        transmit(s);
    }
}

static void run(int poll_fd)
{
    struct epoll_event events[EVENTS];
    uint64_t look_ms = now_ms() + LOOK_MS, heard_ms = now_ms();

    while (ended < count) {
        int n = epoll_wait(poll_fd, events, EVENTS, LOOK_MS);
        uint64_t now;

        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
        now = now_ms();
        if (n > 0)
            heard_ms = now;
        errno = ETIMEDOUT;
        if (now > heard_ms + PATIENCE_MS)
            die("the server has fallen silent");
        if (now < look_ms)
            continue;
        repeat_silent();
        look_ms = now + LOOK_MS;
    }
}

/* @return BYTES of the file, or of noise without one */
static const uint8_t *open_content(const char *path)
{
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    uint8_t *at;

    if (path && fd < 0)
        die(path);
    at = mmap(NULL, dump_bytes, path ? PROT_READ : PROT_READ | PROT_WRITE,
              path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0);
    if (at == MAP_FAILED)
        die("map what is sent");
    for (uint64_t done = 0; !path && done < dump_bytes;) {
        ssize_t n = getrandom(at + done, dump_bytes - done, 0);

        if (n <= 0)
            die("getrandom");
        done += (uint64_t)n;
    }
    return at;
}

static void usage(FILE *to)
{
    fputs("usage: bench-senders [OPTION...] PORT COUNT BYTES\n"
          "Sends COUNT dumps of BYTES each at a time, and prints one line of JSON.\n"
          "  --address A    of the server (127.0.0.1)\n"
          "  --file PATH    the first BYTES of this file (noise)\n",
          to);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"address", required_argument, NULL, 'a'},
                                            {"file", required_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *path = NULL;
    struct rlimit files;
    uint64_t start_ms, took_ms;
    int poll_fd = epoll_create1(EPOLL_CLOEXEC), option;
    bool good = true;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'a')
            good &= inet_pton(AF_INET, optarg, &to.sin_addr) == 1;
        else if (option == 'f')
            path = optarg;
        else {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (!good || argc - optind != 3) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    to.sin_port = htons((uint16_t)strtoul(argv[optind], NULL, 10));
    count = (unsigned)strtoul(argv[optind + 1], NULL, 10);
    dump_bytes = strtoull(argv[optind + 2], NULL, 10);
    senders = calloc(count, sizeof(*senders));
    if (!senders || count == 0 || dump_bytes == 0 || poll_fd < 0)
        die("start");
    content = open_content(path);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    start_ms = now_ms();
    open_all(poll_fd, &to);
    run(poll_fd);
    took_ms = now_ms() - start_ms;
    printf("{\"dumps\": %u, \"bytes\": %" PRIu64 ", \"again\": %" PRIu64 ", \"seconds\": %.3f}\n",
           count, dump_bytes * count, again, (double)took_ms / 1e3);
    return EXIT_SUCCESS;
}
