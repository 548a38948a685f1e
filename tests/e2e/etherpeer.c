/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The other end of a QEMU guest's cable (-netdev dgram over unix sockets, one Ethernet frame a
 * datagram): answers ARP for the server's address, relays UDP to a port of 127.0.0.1 and back, and
 * on the way drops, duplicates, delays (so reorders) and corrupts what it is told to, by a seed.
 * It can be deaf to ARP, drop packets above an MTU, and speak only the frames of one VLAN; frames
 * for another MAC are never taken.
 * Its stack is its own, so that an error in the sender's stack does not meet the same error here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/cursor.h"

enum {
    FRAME_CAP = 2048,
    ETHER_BYTES = 14,
    TAG_BYTES = 4,
    MACS_BYTES = 12,
    FRAME_BYTES_MIN = 60, /* without FCS; shorter frames are padded, as a wire pads them */
    IP_BYTES = 20,
    UDP_BYTES = 8,
    LATE_CAP = 256, /* delayed frames; a full table delivers at once */
    ETHERTYPE_IP = 0x0800,
    ETHERTYPE_ARP = 0x0806,
    ETHERTYPE_VLAN = 0x8100,
    PROTO_UDP = 17,
};

enum way { TO_SERVER, TO_GUEST, WAYS };

static const char *const way_name[WAYS] = {"guest to server", "server to guest"};
static const uint8_t server_mac[6] = {0x52, 0x55, 0x0a, 0x00, 0x02, 0x02};

struct counters {
    uint64_t seen, dropped, duplicated, delayed, corrupted, delivered;
};

struct late {
    uint64_t due_us;
    size_t len;
    enum way way;
    uint8_t frame[FRAME_CAP];
};

struct peer {
    int cable, udp;
    struct sockaddr_un cable_to; /* QEMU's end, learnt from its first frame */
    socklen_t cable_to_len;
    uint32_t server_ip, guest_ip;
    uint8_t guest_mac[6];
    uint16_t port, guest_port;
    bool no_arp;
    uint16_t vlan; /* 0: untagged */
    size_t mtu;    /* bytes of IP packet from the guest; 0: any */
    double drop, duplicate, reorder, corrupt;
    uint64_t delay_us_max;
    uint64_t random;
    uint16_t ip_id;
    struct counters count[WAYS];
    uint64_t arp, bad_checksum, foreign, oversized, other_mac, other_vlan;
    size_t largest; /* IP packet from the guest */
    size_t late_count;
    struct late late[LATE_CAP];
};

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "etherpeer: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* [0, bound); xorshift64*, whose state is never 0 */
static uint64_t random_below(struct peer *peer, uint64_t bound)
{
    uint64_t x = peer->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    peer->random = x;
    return (x * UINT64_C(0x2545f4914f6cdd1d) >> 11) % bound;
}

static bool chance(struct peer *peer, double probability)
{
    return (double)random_below(peer, UINT64_C(1) << 32) < probability * 4294967296.0;
}

/* ---- checksums */

static uint32_t sum_words(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += (i & 1) ? bytes[i] : (uint32_t)bytes[i] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Over the pseudo header and @p udp, whose checksum field counts as it stands. */
static uint16_t udp_checksum(uint32_t src, uint32_t dst, const uint8_t *udp, size_t len)
{
    uint32_t sum = (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff);

    return fold(sum_words(sum + PROTO_UDP + (uint32_t)len, udp, len));
}

/* ---- frames to the guest */

static void send_frame(struct peer *peer, const uint8_t *frame, size_t len)
{
    uint8_t out[FRAME_CAP + TAG_BYTES] = {0};
    size_t tag = peer->vlan ? TAG_BYTES : 0;

    memcpy(out, frame, MACS_BYTES);
    if (tag) {
        struct pnd_wr wr = pnd_wr(out + MACS_BYTES, TAG_BYTES);

        pnd_wr_be16(&wr, ETHERTYPE_VLAN);
        pnd_wr_be16(&wr, peer->vlan);
    }
    memcpy(out + MACS_BYTES + tag, frame + MACS_BYTES, len - MACS_BYTES);
    len += tag;
    if (len < FRAME_BYTES_MIN)
        len = FRAME_BYTES_MIN;
    /* a full queue is a lost frame, as on a wire */
    (void)!sendto(peer->cable, out, len, MSG_DONTWAIT, (struct sockaddr *)&peer->cable_to,
                  peer->cable_to_len);
}

static void wr_ether(struct pnd_wr *wr, const struct peer *peer, uint16_t type)
{
    pnd_wr_bytes(wr, peer->guest_mac, 6);
    pnd_wr_bytes(wr, server_mac, 6);
    pnd_wr_be16(wr, type);
}

static void answer_arp(struct peer *peer, struct pnd_rd rd)
{
    uint8_t reply[64];
    struct pnd_wr wr = pnd_wr(reply, sizeof(reply));
    uint64_t kind = pnd_rd_be(&rd, 6); /* Ethernet, IPv4, 6, 4 */
    uint16_t op = pnd_rd_be16(&rd);
    const uint8_t *mac = pnd_rd_bytes(&rd, 6);
    uint32_t ip = pnd_rd_be32(&rd);

    pnd_rd_bytes(&rd, 6);
    uint32_t wanted = pnd_rd_be32(&rd);
    if (!pnd_rd_ok(&rd) || kind != UINT64_C(0x000108000604) || op != 1 ||
        wanted != peer->server_ip || peer->no_arp)
        return;
    peer->arp++;
    memcpy(peer->guest_mac, mac, 6);
    wr_ether(&wr, peer, ETHERTYPE_ARP);
    pnd_wr_be(&wr, kind, 6);
    pnd_wr_be16(&wr, 2);
    pnd_wr_bytes(&wr, server_mac, 6);
    pnd_wr_be32(&wr, peer->server_ip);
    pnd_wr_bytes(&wr, mac, 6);
    pnd_wr_be32(&wr, ip);
    send_frame(peer, reply, pnd_wr_len(&wr));
}

/* The server's datagram as a frame for the guest. @return its length, 0: too large */
static size_t build_frame(struct peer *peer, const uint8_t *data, size_t len, uint8_t *ret)
{
    struct pnd_wr wr = pnd_wr(ret, FRAME_CAP);

    wr_ether(&wr, peer, ETHERTYPE_IP);
    uint8_t *ip = wr.at;

    pnd_wr_be16(&wr, 0x4500);
    pnd_wr_be16(&wr, (uint16_t)(IP_BYTES + UDP_BYTES + len));
    pnd_wr_be16(&wr, peer->ip_id++);
    pnd_wr_be16(&wr, 0x4000); /* don't fragment */
    pnd_wr_be16(&wr, 64 << 8 | PROTO_UDP);
    pnd_wr_be16(&wr, 0);
    pnd_wr_be32(&wr, peer->server_ip);
    pnd_wr_be32(&wr, peer->guest_ip);
    uint8_t *udp = wr.at;

    pnd_wr_be16(&wr, peer->port);
    pnd_wr_be16(&wr, peer->guest_port);
    pnd_wr_be16(&wr, (uint16_t)(UDP_BYTES + len));
    pnd_wr_be16(&wr, 0);
    pnd_wr_bytes(&wr, data, len);
    if (!pnd_wr_ok(&wr))
        return 0;
    uint16_t sum = fold(sum_words(0, ip, IP_BYTES));

    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
    sum = udp_checksum(peer->server_ip, peer->guest_ip, udp, UDP_BYTES + len);
    if (!sum)
        sum = 0xffff;
    udp[6] = (uint8_t)(sum >> 8);
    udp[7] = (uint8_t)sum;
    return pnd_wr_len(&wr);
}

/* ---- frames from the guest */

/* The UDP payload for our port in an IPv4 packet whose checksums are right, else NULL. */
static const uint8_t *take_udp(struct peer *peer, const uint8_t *ip, size_t left, size_t *ret_len)
{
    struct pnd_rd rd = pnd_rd(ip, left);
    uint8_t version = pnd_rd_u8(&rd);

    pnd_rd_u8(&rd);
    uint16_t total = pnd_rd_be16(&rd);

    pnd_rd_bytes(&rd, 2);
    uint16_t fragment = pnd_rd_be16(&rd) & 0x3fff; /* more fragments, and the offset */

    pnd_rd_u8(&rd);
    uint8_t protocol = pnd_rd_u8(&rd);

    pnd_rd_be16(&rd);
    uint32_t src = pnd_rd_be32(&rd), dst = pnd_rd_be32(&rd);
    const uint8_t *udp = rd.at;
    uint16_t src_port = pnd_rd_be16(&rd), dst_port = pnd_rd_be16(&rd), len = pnd_rd_be16(&rd);
    uint16_t given = pnd_rd_be16(&rd);

    if (!pnd_rd_ok(&rd) || version != 0x45 || total > left || fragment || dst != peer->server_ip ||
        protocol != PROTO_UDP || len < UDP_BYTES || total != IP_BYTES + len ||
        dst_port != peer->port) {
        peer->foreign++;
        return NULL;
    }
    if (fold(sum_words(0, ip, IP_BYTES)) || (given && udp_checksum(src, dst, udp, len))) {
        peer->bad_checksum++;
        return NULL;
    }
    peer->guest_ip = src;
    peer->guest_port = src_port;
    *ret_len = len - (size_t)UDP_BYTES;
    return rd.at;
}

static void deliver(struct peer *peer, enum way way, const uint8_t *frame, size_t len)
{
    size_t data_len = 0;

    peer->count[way].delivered++;
    if (way == TO_GUEST) {
        send_frame(peer, frame, len);
        return;
    }
    const uint8_t *data = take_udp(peer, frame + ETHER_BYTES, len - ETHER_BYTES, &data_len);

    if (data)
        (void)!send(peer->udp, data, data_len, MSG_DONTWAIT); /* nobody listening: lost */
}

static void deliver_late(struct peer *peer, enum way way, const uint8_t *frame, size_t len)
{
    if (peer->late_count == LATE_CAP) {
        deliver(peer, way, frame, len);
        return;
    }
    struct late *late = &peer->late[peer->late_count++];

    late->due_us = now_us() + 1 + random_below(peer, peer->delay_us_max);
    late->way = way;
    late->len = len;
    memcpy(late->frame, frame, len);
    peer->count[way].delayed++;
}

/* One frame on its way: what may happen to it is drawn in a fixed order, so that a seed and a
 * sequence of frames give the same faults. */
static void impair(struct peer *peer, enum way way, uint8_t *frame, size_t len)
{
    struct counters *count = &peer->count[way];

    count->seen++;
    if (chance(peer, peer->drop)) {
        count->dropped++;
        return;
    }
    if (chance(peer, peer->corrupt)) {
        size_t at = ETHER_BYTES + random_below(peer, len - ETHER_BYTES);

        frame[at] ^= (uint8_t)(1 << random_below(peer, 8));
        count->corrupted++;
    }
    if (chance(peer, peer->duplicate)) {
        count->duplicated++;
        deliver_late(peer, way, frame, len);
    }
    if (chance(peer, peer->reorder))
        deliver_late(peer, way, frame, len);
    else
        deliver(peer, way, frame, len);
}

/* Takes the tag of our VLAN out. @return bytes left; 0: the frame is of another */
static size_t take_tag(struct peer *peer, uint8_t *frame, size_t len)
{
    struct pnd_rd rd = pnd_rd(frame, len);
    uint16_t type, tag = 0;

    pnd_rd_bytes(&rd, MACS_BYTES);
    type = pnd_rd_be16(&rd);
    if (type == ETHERTYPE_VLAN)
        tag = pnd_rd_be16(&rd) & 0xfff;
    if (tag != peer->vlan) {
        peer->other_vlan++;
        return 0;
    }
    if (type != ETHERTYPE_VLAN)
        return len;
    memmove(frame + MACS_BYTES, frame + MACS_BYTES + TAG_BYTES, len - MACS_BYTES - TAG_BYTES);
    return len - TAG_BYTES;
}

static void from_guest_ip(struct peer *peer, uint8_t *frame, size_t len)
{
    struct pnd_rd rd = pnd_rd(frame + ETHER_BYTES, len - ETHER_BYTES);

    pnd_rd_be16(&rd);
    size_t total = pnd_rd_be16(&rd);

    if (total > peer->largest)
        peer->largest = total;
    if (peer->mtu && total > peer->mtu) {
        peer->oversized++;
        return;
    }
    memcpy(peer->guest_mac, frame + 6, 6);
    impair(peer, TO_SERVER, frame, len);
}

static void from_cable(struct peer *peer)
{
    uint8_t frame[FRAME_CAP];
    socklen_t from_len = sizeof(peer->cable_to);
    ssize_t n = recvfrom(peer->cable, frame, sizeof(frame), MSG_DONTWAIT,
                         (struct sockaddr *)&peer->cable_to, &from_len);

    if (n < ETHER_BYTES + TAG_BYTES)
        return;
    peer->cable_to_len = from_len;
    size_t len = take_tag(peer, frame, (size_t)n);

    if (!len)
        return;
    if (!(frame[0] & 1) && memcmp(frame, server_mac, 6) != 0) {
        peer->other_mac++;
        return;
    }
    struct pnd_rd rd = pnd_rd(frame, len);

    pnd_rd_bytes(&rd, MACS_BYTES);
    uint16_t type = pnd_rd_be16(&rd);

    if (type == ETHERTYPE_ARP)
        answer_arp(peer, rd);
    else if (type == ETHERTYPE_IP && len > ETHER_BYTES + IP_BYTES)
        from_guest_ip(peer, frame, len);
    else
        peer->foreign++;
}

static void from_server(struct peer *peer)
{
    uint8_t data[FRAME_CAP], frame[FRAME_CAP];
    ssize_t n = recv(peer->udp, data, sizeof(data), MSG_DONTWAIT);

    if (n < 0 || !peer->guest_port)
        return;
    size_t len = build_frame(peer, data, (size_t)n, frame);

    if (len)
        impair(peer, TO_GUEST, frame, len);
}

/* Delivers what is due. @return milliseconds until the next is due, -1: nothing waits */
static int run_late(struct peer *peer)
{
    uint64_t now = now_us(), next = UINT64_MAX;

    for (size_t i = 0; i < peer->late_count;) {
        struct late *late = &peer->late[i];

        if (late->due_us > now) {
            next = late->due_us < next ? late->due_us : next;
            i++;
            continue;
        }
        deliver(peer, late->way, late->frame, late->len);
        *late = peer->late[--peer->late_count];
    }
    return next == UINT64_MAX ? -1 : (int)((next - now) / 1000 + 1);
}

/* ---- set-up */

static void open_cable(struct peer *peer, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        die(path);
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    peer->cable = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (peer->cable < 0 || bind(peer->cable, (struct sockaddr *)&at, sizeof(at)) < 0)
        die(path);
}

static void open_udp(struct peer *peer)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(peer->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    peer->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (peer->udp < 0 || connect(peer->udp, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect to the server");
}

static void start(struct peer *peer, const char *cable)
{
    if (!cable || !peer->server_ip || !peer->port || !peer->delay_us_max) {
        fprintf(stderr, "usage: etherpeer --cable PATH --server IP --port N [--drop P] "
                        "[--duplicate P] [--reorder P] [--corrupt P] [--delay-ms N] [--seed N] "
                        "[--mtu N] [--vlan N] [--no-arp]\n");
        exit(2);
    }
    open_cable(peer, cable);
    open_udp(peer);
}

static void parse_options(struct peer *peer, int argc, char **argv)
{
    static const struct option options[] = {
        {"cable", required_argument, NULL, 'c'},
        {"server", required_argument, NULL, 's'},
        {"port", required_argument, NULL, 'p'},
        {"drop", required_argument, NULL, 'd'},
        {"duplicate", required_argument, NULL, 'u'},
        {"reorder", required_argument, NULL, 'r'},
        {"corrupt", required_argument, NULL, 'x'},
        {"delay-ms", required_argument, NULL, 'm'},
        {"seed", required_argument, NULL, 'e'},
        {"mtu", required_argument, NULL, 't'},
        {"vlan", required_argument, NULL, 'v'},
        {"no-arp", no_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    const char *cable = NULL;
    struct in_addr server = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            cable = optarg;
            break;
        case 's':
            inet_pton(AF_INET, optarg, &server);
            break;
        case 'p':
            peer->port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            peer->drop = strtod(optarg, NULL);
            break;
        case 'u':
            peer->duplicate = strtod(optarg, NULL);
            break;
        case 'r':
            peer->reorder = strtod(optarg, NULL);
            break;
        case 'x':
            peer->corrupt = strtod(optarg, NULL);
            break;
        case 'm':
            peer->delay_us_max = strtoull(optarg, NULL, 10) * 1000;
            break;
        case 't':
            peer->mtu = strtoul(optarg, NULL, 10);
            break;
        case 'v':
            peer->vlan = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            peer->no_arp = true;
            break;
        case 'e':
            peer->random += strtoull(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    peer->server_ip = ntohl(server.s_addr);
    start(peer, cable);
}

static void report(const struct peer *peer)
{
    for (enum way way = TO_SERVER; way < WAYS; way++) {
        const struct counters *c = &peer->count[way];

        printf("%s: seen=%" PRIu64 " dropped=%" PRIu64 " duplicated=%" PRIu64 " delayed=%" PRIu64
               " corrupted=%" PRIu64 " delivered=%" PRIu64 "\n",
               way_name[way], c->seen, c->dropped, c->duplicated, c->delayed, c->corrupted,
               c->delivered);
    }
    printf("arp=%" PRIu64 " bad-checksum=%" PRIu64 " foreign=%" PRIu64 " oversized=%" PRIu64
           " other-mac=%" PRIu64 " other-vlan=%" PRIu64 " largest=%zu\n",
           peer->arp, peer->bad_checksum, peer->foreign, peer->oversized, peer->other_mac,
           peer->other_vlan, peer->largest);
}

int main(int argc, char **argv)
{
    static struct peer peer = {.random = UINT64_C(0x9e3779b97f4a7c15), .delay_us_max = 30000};
    struct sigaction action = {.sa_handler = on_signal};

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(&peer, argc, argv);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    printf("ready\n");
    while (!stop_asked) {
        struct pollfd fds[] = {{peer.cable, POLLIN, 0}, {peer.udp, POLLIN, 0}};

        if (poll(fds, 2, run_late(&peer)) < 0)
            continue; /* EINTR: the loop's condition knows */
        if (fds[0].revents)
            from_cable(&peer);
        if (fds[1].revents)
            from_server(&peer);
    }
    report(&peer);
    return EXIT_SUCCESS;
}
