/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A link between two network namespaces that is long and loses packets: a TUN device in each, and
 * this program between them. Every IP packet goes through it, so it serves UDP and TCP alike. The
 * kernel hands over what its stack would have given to a card that segments by itself, 64 KiB at a
 * time, and takes the same; so a program of two threads carries gigabytes a second. Loss is still
 * decided for each packet of the wire: what is lost is cut out, and the rest goes on as two.
 * "bench-relay --help" says the options. When it is told to end it prints what it counted. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* Of Linux 6.2; an older one refuses it, and then segments UDP itself. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum {
    IPV4_MIN = 20,
    TCP_MIN = 20,
    UDP_HEADER = 8,
    HEADERS_CAP = 128, /* of IPv4 and TCP, both with all options: 120 */
    PACKET_CAP = 66 * 1024,
    BATCH = 64, /* packets that are read before what is due is looked for */
    PPM = 1000000,
};

/* In the queue, in front of each packet; len 0: the rest of the ring is empty, go on at its start.
 */
struct entry {
    uint64_t due_ns;
    uint64_t len;
};

struct way {
    const char *name;
    int in, out;
    uint64_t delay_ns, random;
    uint32_t loss_ppm;
    uint8_t *ring;
    size_t ring_bytes, head, tail; /* written at head, read at tail; equal: empty */
    uint64_t packets, bytes, lost, overflowed, failed;
};

static const size_t vnet = sizeof(struct virtio_net_hdr);

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "bench-relay: %s: %s\n", what, errno ? strerror(errno) : "failed");
    exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* splitmix64 */
static bool chance(struct way *way)
{
    uint64_t z = way->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % PPM < way->loss_ppm;
}

/* ---- the queue ---- */

static size_t aligned(size_t n)
{
    return (n + sizeof(struct entry) - 1) / sizeof(struct entry) * sizeof(struct entry);
}

/* @return room for an entry and a packet of PACKET_CAP at the head, NULL when the queue is full */
static uint8_t *room(struct way *way)
{
    size_t need = aligned(sizeof(struct entry) + PACKET_CAP);

    if (way->head >= way->tail) {
        if (way->ring_bytes - way->head >= need + sizeof(struct entry))
            return way->ring + way->head;
        if (way->tail <= need)
            return NULL;
        memset(way->ring + way->head, 0, sizeof(struct entry));
        way->head = 0;
        return way->ring;
    }
    return way->tail - way->head > need ? way->ring + way->head : NULL;
}

static void commit(struct way *way, size_t len, uint64_t now)
{
    struct entry entry = {.due_ns = now + way->delay_ns, .len = len};

    memcpy(way->ring + way->head, &entry, sizeof(entry));
    way->head += aligned(sizeof(entry) + len);
}

/* @return false: nothing is due; @p next is then when to look again, UINT64_MAX with nothing held
 */
static bool release(struct way *way, uint64_t now, uint64_t *next)
{
    struct entry entry;

    *next = UINT64_MAX;
    if (way->tail == way->head)
        return false;
    memcpy(&entry, way->ring + way->tail, sizeof(entry));
    if (entry.len == 0) {
        way->tail = 0;
        return release(way, now, next);
    }
    *next = entry.due_ns;
    if (entry.due_ns > now)
        return false;
    if (write(way->out, way->ring + way->tail + sizeof(entry), entry.len) < 0)
        way->failed++;
    way->tail += aligned(sizeof(entry) + entry.len);
    return true;
}

/* ---- loss, by the packets of the wire ---- */

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t sum16(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i += 2)
        sum += get16(at + i);
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* What the kernel handed over as one, and how to take it apart. */
struct train {
    struct virtio_net_hdr hdr;
    const uint8_t *ip;
    size_t ip_len, headers, payload, size;
    unsigned cars;
    bool tcp;
};

/* @return false: one packet, or nothing that can be taken apart */
static bool couple(const uint8_t *packet, size_t len, struct train *ret)
{
    struct train train = {0};
    int type;

    memcpy(&train.hdr, packet, vnet);
    type = train.hdr.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    train.ip = packet + vnet;
    train.tcp = type == VIRTIO_NET_HDR_GSO_TCPV4;
    if ((!train.tcp && type != VIRTIO_NET_HDR_GSO_UDP_L4) || train.hdr.gso_size == 0 ||
        len < vnet + IPV4_MIN + TCP_MIN || train.ip[0] >> 4 != 4)
        return false;
    train.ip_len = (size_t)(train.ip[0] & 15) * 4;
    train.headers = train.ip_len + UDP_HEADER;
    if (train.tcp && len > vnet + train.ip_len + TCP_MIN)
        train.headers = train.ip_len + (size_t)(train.ip[train.ip_len + 12] >> 4) * 4;
    if (train.headers > HEADERS_CAP || len <= vnet + train.headers)
        return false;
    train.payload = len - vnet - train.headers;
    train.size = train.hdr.gso_size;
    train.cars = (unsigned)((train.payload + train.size - 1) / train.size);
    *ret = train;
    return train.cars > 1;
}

/* The cars [first, end) of a train as a packet of their own. Its checksum is left to whom the
 * kernel leaves it: the field holds the sum of the pseudo header. */
static size_t uncouple(const struct train *train, unsigned first, unsigned end, uint8_t *to)
{
    size_t start = first * train->size;
    size_t stop = end == train->cars ? train->payload : end * train->size, part = stop - start;
    struct virtio_net_hdr hdr = train->hdr;
    uint8_t *ip = to + vnet, *l4 = ip + train->ip_len;
    uint16_t l4_len = (uint16_t)(train->headers - train->ip_len + part);

    memcpy(ip, train->ip, train->headers);
    memcpy(ip + train->headers, train->ip + train->headers + start, part);
    if (end - first == 1)
        hdr.gso_type = hdr.gso_size = 0;
    memcpy(to, &hdr, vnet);
    put16(ip + 2, (uint16_t)(train->headers + part));
    put16(ip + 4, (uint16_t)(get16(ip + 4) + first));
    put16(ip + 10, 0);
    put16(ip + 10, (uint16_t)~fold(sum16(ip, train->ip_len, 0)));
    if (train->tcp) {
        uint32_t seq = ((uint32_t)get16(l4 + 4) << 16 | get16(l4 + 6)) + (uint32_t)start;

        put16(l4 + 4, (uint16_t)(seq >> 16));
        put16(l4 + 6, (uint16_t)seq);
        if (end < train->cars)
            l4[13] &= (uint8_t)~0x09; /* FIN, PSH: of the last */
        if (first > 0)
            l4[13] &= (uint8_t)~0x80; /* CWR: of the first */
    } else {
        put16(l4 + 4, l4_len);
    }
    put16(l4 + (train->tcp ? 16 : 6), fold(sum16(ip + 12, 8, (uint32_t)ip[9] + l4_len)));
    return vnet + train->headers + part;
}

static void admit(struct way *way, const uint8_t *packet, size_t len, uint64_t now)
{
    uint8_t *at = room(way);

    if (!at) {
        way->overflowed++;
        return;
    }
    memcpy(at + sizeof(struct entry), packet, len);
    commit(way, len, now);
}

static void lose_some(struct way *way, const uint8_t *packet, size_t len, uint64_t now)
{
    struct train train;
    unsigned first = 0;

    if (!couple(packet, len, &train)) {
        if (chance(way))
            way->lost++;
        else
            admit(way, packet, len, now);
        return;
    }
    for (unsigned car = 0; car <= train.cars; car++) {
        bool gone = car < train.cars && chance(way);
        uint8_t *at;

        if (!gone && car < train.cars)
            continue;
        way->lost += gone;
        if (car > first) {
            at = room(way);
            if (at)
                commit(way, uncouple(&train, first, car, at + sizeof(struct entry)), now);
            else
                way->overflowed++;
        }
        first = car + 1;
    }
}

/* ---- the two threads ---- */

/* @return packets; 0 none waits */
static unsigned read_some(struct way *way)
{
    static _Thread_local uint8_t spare[PACKET_CAP];
    unsigned count = 0;

    for (; count < BATCH; count++) {
        uint8_t *at = way->loss_ppm ? NULL : room(way);
        ssize_t n = read(way->in, at ? at + sizeof(struct entry) : spare, PACKET_CAP);

        if (n < (ssize_t)vnet)
            break;
        way->packets++;
        way->bytes += (uint64_t)n - vnet;
        if (at)
            commit(way, (size_t)n, now_ns());
        else if (way->loss_ppm)
            lose_some(way, spare, (size_t)n, now_ns());
        else
            way->overflowed++;
    }
    return count;
}

static void *carry(void *context)
{
    struct way *way = context;

    prctl(PR_SET_TIMERSLACK, 1UL); /* the default of 50 us would be a quarter of a short delay */
    for (;;) {
        struct pollfd readable = {.fd = way->in, .events = POLLIN};
        uint64_t now, next;
        struct timespec wait;

        if (read_some(way) == 0) {
            now = now_ns();
            if (!release(way, now, &next)) {
                uint64_t left = next == UINT64_MAX ? 0 : next - now;

                wait = (struct timespec){.tv_sec = (time_t)(left / 1000000000),
                                         .tv_nsec = (long)(left % 1000000000)};
                ppoll(&readable, 1, next == UINT64_MAX ? NULL : &wait, NULL);
                continue;
            }
        }
        now = now_ns();
        while (release(way, now, &next))
            ;
    }
    return NULL;
}

static int open_tun(const char *namespace, const char *name, bool offload)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    unsigned segments = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int ns = open(namespace, O_RDONLY | O_CLOEXEC), fd;

    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        die(namespace);
    close(ns);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        die("/dev/net/tun");
    if (offload && ioctl(fd, TUNSETOFFLOAD, segments | TUN_F_USO4 | TUN_F_USO6) < 0 &&
        ioctl(fd, TUNSETOFFLOAD, segments) < 0)
        die("TUNSETOFFLOAD");
    if (!offload && ioctl(fd, TUNSETOFFLOAD, 0) < 0)
        die("TUNSETOFFLOAD");
    return fd;
}

static void usage(FILE *to)
{
    fputs("usage: bench-relay [OPTION...] NAMESPACE NAMESPACE\n"
          "Joins two network namespaces (files, as in /proc/PID/ns/net) by a device \"relay\" in\n"
          "each, prints \"ready\", and carries packets until SIGTERM or SIGINT.\n\n"
          "  --delay-us N    that each packet takes, each way (0)\n"
          "  --loss-ppm N    packets of a million that are lost, each way (0)\n"
          "  --seed N        of what is lost (1)\n"
          "  --queue-mib N   that are held, each way; more is lost (256)\n"
          "  --no-offload    packets of the wire's size only\n",
          to);
}

static void tell(const struct way *way, const char *behind)
{
    printf("\"%s\": {\"packets\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"overflowed\": %" PRIu64 ", \"failed\": %" PRIu64 "}%s",
           way->name, way->packets, way->bytes, way->lost, way->overflowed, way->failed, behind);
}

static void run(struct way ways[2])
{
    sigset_t end;
    int got;

    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGINT);
    sigprocmask(SIG_BLOCK, &end, NULL);
    for (unsigned i = 0; i < 2; i++) {
        pthread_t thread;

        ways[i].ring = mmap(NULL, ways[i].ring_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (ways[i].ring == MAP_FAILED || pthread_create(&thread, NULL, carry, &ways[i]))
            die("start");
    }
    puts("ready");
    fflush(stdout);
    sigwait(&end, &got);
    printf("{");
    tell(&ways[0], ", ");
    tell(&ways[1], "}\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"delay-us", required_argument, NULL, 'd'},
                                            {"loss-ppm", required_argument, NULL, 'l'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"queue-mib", required_argument, NULL, 'q'},
                                            {"no-offload", no_argument, NULL, 'n'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    /* Static: its threads run until the process is gone, and not until main() is. */
    static struct way ways[2] = {{.name = "there", .random = 1, .ring_bytes = (size_t)256 << 20}};
    bool offload = true;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t number = optarg ? strtoull(optarg, NULL, 10) : 0;

        if (option == 'd')
            ways[0].delay_ns = number * 1000;
        else if (option == 'l')
            ways[0].loss_ppm = (uint32_t)number;
        else if (option == 's')
            ways[0].random = number;
        else if (option == 'q')
            ways[0].ring_bytes = (size_t)number << 20;
        else if (option == 'n')
            offload = false;
        else {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (argc - optind != 2 || ways[0].ring_bytes == 0) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ways[0].in = open_tun(argv[optind], "relay", offload);
    ways[0].out = open_tun(argv[optind + 1], "relay", offload);
    ways[1] = ways[0];
    ways[1].name = "back";
    ways[1].random = ~ways[0].random;
    ways[1].in = ways[0].out;
    ways[1].out = ways[0].in;
    run(ways);
    return EXIT_SUCCESS;
}
