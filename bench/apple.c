/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Apple's client over a real socket: the model of tests/sim/apple_client.h, with real waits. It
 * sends as soon as it has heard, compresses nothing, and spends on a wait what the model says
 * (PROTOCOL.md#kdp-1.12). Prints one line of JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "sim/apple_client.h"
#include "wire/kdp.h"

enum { POLL_US = 3000, MIB = 1 << 20, KERNEL = 5 /* 3247-7195 */ };

static struct net net;
static struct apple_client apple;
static struct sockaddr_in server;
static int sock;
static bool spin;
static uint64_t packets;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-apple: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* The model's link. To it the server's own port is Apple's; others are what they are. */
void net_send(struct net *link, enum net_way way, uint16_t port, const void *dgram, size_t len)
{
    struct sockaddr_in to = server;

    (void)link;
    (void)way;
    if (port != PND_KDP_PORT)
        to.sin_port = htons(port);
    packets++;
    if (sendto(sock, dgram, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 &&
        errno != ECONNREFUSED && errno != ENOBUFS && errno != EPERM)
        die("send");
}

/* One poll of the driver: until a frame comes, or for 3 ms. */
static void poll_once(void)
{
    uint8_t dgram[2048];
    struct sockaddr_in from = {0};
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(sock, dgram, sizeof(dgram), spin ? MSG_DONTWAIT : 0,
                         (struct sockaddr *)&from, &from_len);
    uint16_t port = ntohs(from.sin_port);

    net.now_us = now_us();
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
        die("receive");
    if (n >= 0)
        apple.client.receive(&apple.client, port == ntohs(server.sin_port) ? PND_KDP_PORT : port,
                             dgram, (size_t)n);
}

static void run(void)
{
    while (apple.client.state == CLIENT_RUNNING) {
        net.now_us = now_us();
        apple.client.step(&apple.client);
        if (apple.client.state == CLIENT_RUNNING && apple.waiting)
            poll_once();
    }
}

static void open_socket(uint16_t local_port)
{
    struct timeval poll = {.tv_usec = POLL_US};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(local_port)};

    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || bind(sock, (struct sockaddr *)&local, sizeof(local)) < 0 ||
        setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &poll, sizeof(poll)) < 0)
        die("UDP socket");
}

static void map_file(const char *path, struct client_image *image)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0)
        die(path);
    image->len = (size_t)st.st_size;
    if (image->len)
        image->bytes = mmap(NULL, image->len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (image->bytes == MAP_FAILED)
        die(path);
    close(fd);
}

static void make_bytes(size_t len, struct rng *rng, struct client_image *image)
{
    image->len = len;
    image->bytes = malloc(len ? len : 1);
    if (!image->bytes)
        die("memory");
    rng_fill(rng, image->bytes, len);
}

static bool parse_server(const char *text)
{
    char address[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : PND_KDP_PORT;

    if (len >= sizeof(address) || port == 0 || port > 65535)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, address, &server.sin_addr) == 1;
}

static int usage(FILE *to)
{
    fprintf(to,
            "usage: bench-apple --server ADDRESS[:PORT] [options]\n"
            "Sends a dump as Apple's client does, and prints one line of JSON.\n"
            "  --mib N        so many MiB of random bytes (default 64)\n"
            "  --file PATH    the bytes of this file instead\n"
            "  --block N      bytes of a DATA packet, at most 1406 (default)\n"
            "  --name NAME    the file's name at the server (default core-bench-PID.gz)\n"
            "  --port N       the client's own UDP port (default: any)\n"
            "  --spin         polls its card without sleeping, as a panicking kernel does\n"
            "Exit status: 0 the client believes in success, 1 it gave up, 2 it cannot start.\n");
    return to == stdout ? 0 : 2;
}

static void report(uint64_t took_us)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    printf("{\"success\": %s, \"bytes\": %zu, \"seconds\": %.6f, \"mb_s\": %.3f, "
           "\"blocks\": %" PRIu32 ", \"packets\": %" PRIu64 ", \"retransmissions\": %u, "
           "\"most_transmissions\": %u, \"taken_for_success\": %u, \"cpu_s\": %.3f}\n",
           apple.client.state == CLIENT_SUCCESS ? "true" : "false", apple.image->len,
           (double)took_us / 1e6, (double)apple.image->len / (double)took_us, apple.block, packets,
           apple.retransmissions, apple.transmissions_most, apple.strays_taken,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"server", required_argument, NULL, 's'},
                                            {"mib", required_argument, NULL, 'm'},
                                            {"file", required_argument, NULL, 'f'},
                                            {"block", required_argument, NULL, 'b'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"port", required_argument, NULL, 'p'},
                                            {"spin", no_argument, NULL, 'S'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct apple_config config = {.kernel = &apple_kernels[KERNEL], .block_max = 1406};
    struct client_image image = {0};
    struct rng rng = {.state = 1};
    const char *file = NULL;
    uint64_t mib = 64, start_us;
    uint16_t port = 0;
    int option;

    snprintf(image.name, sizeof(image.name), "core-bench-%d.gz", (int)getpid());
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?' || (option == 's' && !parse_server(optarg)))
            return usage(stderr);
        if (option == 'm')
            mib = strtoull(optarg, NULL, 10);
        else if (option == 'f')
            file = optarg;
        else if (option == 'b')
            config.block_max = (uint32_t)strtoul(optarg, NULL, 10);
        else if (option == 'n')
            snprintf(image.name, sizeof(image.name), "%s", optarg);
        else if (option == 'p')
            port = (uint16_t)strtoul(optarg, NULL, 10);
        else if (option == 'S')
            spin = true;
        else if (option == 'h')
            return usage(stdout);
    }
    if (!server.sin_family || optind != argc || config.block_max == 0 || config.block_max > 1406)
        return usage(stderr);
    if (file)
        map_file(file, &image);
    else
        make_bytes((size_t)mib * MIB, &rng, &image);
    open_socket(port);
    net.now_us = start_us = now_us();
    apple_init_given(&apple, &config, &image, &net, &rng);
    run();
    report(now_us() - start_us);
    return apple.client.state == CLIENT_SUCCESS ? 0 : 1;
}
