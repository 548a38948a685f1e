/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When trains are used and when frames are, played without a network; and what comes out of a TAP
 * device, by a kernel that has no address, with a card that sums and with one that does not. */
#include "capture/trains.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"

#include "tap.h"

enum { SERVER = 0x0a4d0002, OWN = 0x0a4d0001, PORT = 1069, PACKETS = 40, PAYLOAD = 1400 };

#define SECOND UINT64_C(1000000)

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

/* ---- the rule */

static struct pnd_trains_trust trust;

static bool ask(uint64_t now_us, uint64_t heard_us)
{
    struct pnd_trains_moment moment = {.now_us = now_us, .heard_us = heard_us};

    return pnd_trains_trusted(&trust, &moment);
}

static void trains_go_as_long_as_answers_come(void)
{
    memset(&trust, 0, sizeof(trust));
    for (uint64_t now = SECOND; now < 100 * SECOND; now += SECOND / 4)
        CHECK(ask(now, now - SECOND / 8));
}

static void a_second_of_trains_without_an_answer_is_followed_by_frames(void)
{
    memset(&trust, 0, sizeof(trust));
    CHECK(ask(10 * SECOND, 9 * SECOND));
    CHECK(ask(11 * SECOND - 1, 9 * SECOND));
    CHECK(!ask(11 * SECOND, 9 * SECOND));
    CHECK(!ask(20 * SECOND, 11 * SECOND));
}

static void an_answer_to_frames_brings_trains_back(void)
{
    memset(&trust, 0, sizeof(trust));
    CHECK(ask(10 * SECOND, 9 * SECOND));
    CHECK(!ask(12 * SECOND, 9 * SECOND));
    CHECK(ask(13 * SECOND, 12 * SECOND + 1));
    CHECK(ask(13 * SECOND + 5, 13 * SECOND + 1));
}

static void a_way_that_falls_silent_again_and_again_has_none_in_the_end(void)
{
    uint64_t now = SECOND;

    memset(&trust, 0, sizeof(trust));
    for (unsigned i = 0; i < PND_TRAINS_RESTS_MAX; i++, now += 10 * SECOND) {
        CHECK(ask(now, now - 1));
        CHECK(!ask(now + SECOND, now - 1));
    }
    CHECK(!ask(now, now - 1));
}

/* The content may take its time: between two trains nothing was to be answered. */
static void a_pause_of_the_sender_is_no_silence_of_the_server(void)
{
    memset(&trust, 0, sizeof(trust));
    CHECK(ask(10 * SECOND, 9 * SECOND));
    CHECK(ask(60 * SECOND, 10 * SECOND + 300));
    CHECK(ask(120 * SECOND, 60 * SECOND + 300));
}

static void many_repetitions_end_them(void)
{
    struct pnd_trains_moment m = {.now_us = SECOND, .heard_us = SECOND - 1};

    memset(&trust, 0, sizeof(trust));
    for (m.packets = 100; m.packets < 100 * PND_TRAINS_LOOK; m.packets += 100) {
        m.retransmissions += 40; /* a bad way, but not worse than for frames */
        m.heard_us = ++m.now_us;
        CHECK(pnd_trains_trusted(&trust, &m));
    }
    m.packets += PND_TRAINS_LOOK;
    m.retransmissions += PND_TRAINS_LOOK;
    CHECK(!pnd_trains_trusted(&trust, &m));
    m.packets += 9 * PND_TRAINS_LOOK;
    CHECK(!pnd_trains_trusted(&trust, &m));
}

static void what_the_kernel_does_not_take_counts_as_silence(void)
{
    memset(&trust, 0, sizeof(trust));
    CHECK(ask(10 * SECOND, 9 * SECOND));
    pnd_trains_rest(&trust, 10 * SECOND);
    CHECK(!ask(10 * SECOND + 1, 9 * SECOND));
    CHECK(ask(10 * SECOND + 3, 10 * SECOND + 2));
}

/* ---- the socket */

static struct pnd_packet packet;
static struct pnd_nic nic;
static struct pnd_trains trains;
static uint8_t payload[PACKETS][PAYLOAD];
static int cable = -1; /* the other end of it */

static bool set_flags(int fd, const char *name, short flags)
{
    struct ifreq ifr = {.ifr_flags = flags};

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    return ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
}

/* A cable in a network namespace of this process. @param sums  the card makes checksums */
static bool lay_cable(bool sums)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct pnd_why why = {.text = ""};
    bool good;
    int fd;

    if (cable >= 0)
        close(cable);
    if (unshare(CLONE_NEWNET) < 0)
        return false;
    cable = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "cable");
    good = cable >= 0 && ioctl(cable, TUNSETIFF, &ifr) == 0 &&
           ioctl(cable, TUNSETOFFLOAD, sums ? TUN_F_CSUM : 0) == 0 &&
           set_flags(fd, "cable", IFF_UP);
    close(fd);
    if (!good)
        return false;
    CHECK_EQ(pnd_packet_open(&packet, "cable", &nic, &why), PND_OK);
    return true;
}

static int open_trains(void)
{
    struct pnd_why why = {.text = ""};
    int err = pnd_trains_open(&trains, &packet, OWN, PORT, SERVER, mac, &why);

    if (err)
        printf("# %s\n", why.text);
    return err;
}

static bool send_some(unsigned count, uint64_t now_us)
{
    struct pnd_trains_moment moment = {.now_us = now_us, .heard_us = now_us - 1};
    struct pnd_datagram packets[PACKETS];

    for (unsigned i = 0; i < count; i++) {
        packets[i] =
            (struct pnd_datagram){.header_len = 2, .payload = payload[i], .payload_len = PAYLOAD};
        packets[i].header[0] = 0xab;
        packets[i].header[1] = (uint8_t)i;
        memset(payload[i], (int)i, PAYLOAD);
    }
    return pnd_trains_send(&trains, (struct pnd_endpoint){.ip = SERVER, .port = PORT}, packets,
                           count, &moment);
}

/* The next frame for the server that comes out of the cable; what else the kernel says is not
 * looked at. @return its length, 0: none */
static size_t next_frame(uint8_t *buf, size_t cap, bool *ret_unsummed)
{
    struct virtio_net_hdr header;
    struct pollfd pfd = {.fd = cable, .events = POLLIN};

    while (poll(&pfd, 1, 200) > 0) {
        ssize_t n = read(cable, buf, cap);

        if (n <= (ssize_t)(sizeof(header) + PND_ETH_BYTES))
            continue;
        memcpy(&header, buf, sizeof(header));
        *ret_unsummed = header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
        CHECK_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
        memmove(buf, buf + sizeof(header), (size_t)n - sizeof(header));
        if (memcmp(buf, mac, sizeof(mac)) == 0)
            return (size_t)n - sizeof(header);
    }
    return 0;
}

/* Each of them came, alone, from us to the server. */
static void expect(unsigned count)
{
    static uint8_t buf[65536];
    struct pnd_udp4 udp;
    struct pnd_eth eth;

    for (unsigned i = 0; i < count; i++) {
        bool unsummed = false;
        size_t len = next_frame(buf, sizeof(buf), &unsummed);

        CHECK_EQ(len, PND_ETH_BYTES + PND_UDP_OVERHEAD + 2 + PAYLOAD);
        if (len == 0)
            return;
        if (unsummed) /* a card does what is left */
            memset(buf + PND_ETH_BYTES + PND_IPV4_BYTES + 6, 0, 2);
        CHECK_EQ(pnd_eth_parse(buf, len, &eth), PND_OK);
        CHECK_MEM(eth.from, nic.mac, 6);
        CHECK_EQ(pnd_udp4_parse(eth.payload, eth.payload_len, &udp), PND_OK);
        CHECK_EQ(udp.from_ip, OWN);
        CHECK_EQ(udp.from_port, PORT);
        CHECK_EQ(udp.to_ip, SERVER);
        CHECK_EQ(udp.to_port, PORT);
        CHECK_EQ(udp.payload_len, 2 + PAYLOAD);
        CHECK(udp.payload[0] == 0xab && udp.payload[1] == i && udp.payload[2] == i);
    }
}

/* The kernel notices a link some time after the driver. */
static bool await_running(void)
{
    struct timespec pause = {.tv_nsec = 20000000};

    for (unsigned i = 0; i < 200; i++, nanosleep(&pause, NULL))
        if (send_some(PND_TRAINS_MIN, SECOND))
            return true;
    return false;
}

static unsigned neighbours(void)
{
    FILE *f = fopen("/proc/thread-self/net/arp", "re");
    char line[256];
    unsigned count = 0;

    while (f && fgets(line, sizeof(line), f))
        count += strstr(line, "10.77.0.2 ") == line;
    if (f)
        fclose(f);
    return count;
}

static void a_train_leaves_as_packets_of_an_address_that_this_kernel_does_not_have(void)
{
    if (!lay_cable(true))
        SKIP("needs root and /dev/net/tun");
    CHECK_EQ(open_trains(), PND_OK);
    CHECK_EQ(neighbours(), 1);
    CHECK(await_running());
    expect(PND_TRAINS_MIN);
    CHECK(send_some(PACKETS, 2 * SECOND));
    expect(PACKETS);
    CHECK_EQ(trains.udp.gso_failures, 0);
    CHECK(!send_some(PND_TRAINS_MIN - 1, 3 * SECOND));
    pnd_trains_close(&trains);
    CHECK_EQ(neighbours(), 0);
    CHECK(!send_some(PACKETS, 4 * SECOND));
    pnd_packet_close(&packet);
}

static void a_card_that_does_not_sum_gets_what_was_given_and_then_frames(void)
{
    if (!lay_cable(false))
        SKIP("needs root and /dev/net/tun");
    CHECK_EQ(open_trains(), PND_OK);
    CHECK(await_running());
    expect(PND_TRAINS_MIN);
    if (trains.udp.gso_failures)
        CHECK(!send_some(PACKETS, 2 * SECOND));
    else /* newer kernels sum themselves */
        CHECK(send_some(PACKETS, 2 * SECOND));
    pnd_trains_close(&trains);
    pnd_packet_close(&packet);
}

static void the_socket_that_holds_the_port_is_taken_and_left(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct ifreq ifr = {.ifr_name = "cable"};
    uint16_t port = PORT;

    if (!lay_cable(true))
        SKIP("needs root and /dev/net/tun");
    own.sin_addr.s_addr = htonl(OWN);
    memcpy(&ifr.ifr_addr, &own, sizeof(own));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(ioctl(fd, SIOCSIFADDR, &ifr), 0);
    close(fd);
    CHECK_EQ(pnd_packet_hold_port(&packet, OWN, &port, NULL), PND_OK);
    CHECK_EQ(open_trains(), PND_OK);
    CHECK(await_running());
    expect(PND_TRAINS_MIN);
    pnd_trains_close(&trains);
    CHECK(fcntl(packet.port_fd, F_GETFD) >= 0);
    pnd_packet_close(&packet);
}

static void without_the_link_that_the_kernel_knows_of_frames_go(void)
{
    if (!lay_cable(true))
        SKIP("needs root and /dev/net/tun");
    CHECK_EQ(open_trains(), PND_OK);
    CHECK(set_flags(trains.udp.fd, "cable", 0));
    CHECK(!send_some(PACKETS, SECOND));
    pnd_trains_close(&trains);
    pnd_packet_close(&packet);
}

static void a_train_into_an_interface_that_was_taken_down_makes_it_rest(void)
{
    if (!lay_cable(true))
        SKIP("needs root and /dev/net/tun");
    CHECK_EQ(open_trains(), PND_OK);
    CHECK(await_running());
    CHECK(set_flags(trains.udp.fd, "cable", 0));
    CHECK(send_some(PACKETS, 2 * SECOND)); /* lost, as a frame would be */
    CHECK(trains.trust.resting);
    CHECK(!send_some(PACKETS, 2 * SECOND));
    pnd_trains_close(&trains);
    pnd_packet_close(&packet);
}

static void a_tag_leaves_them_closed(void)
{
    struct pnd_why why = {.text = ""};

    if (!lay_cable(true))
        SKIP("needs root and /dev/net/tun");
    CHECK_EQ(pnd_packet_set_vlan(&packet, 7, &why), PND_OK);
    CHECK_EQ(open_trains(), PND_E_LINK);
    CHECK(!send_some(PACKETS, SECOND));
    pnd_trains_close(&trains);
    CHECK_EQ(neighbours(), 0);
    pnd_packet_close(&packet);
}

static void an_interface_that_is_gone_is_an_error(void)
{
    if (!lay_cable(true))
        SKIP("needs root and /dev/net/tun");
    snprintf(packet.name, sizeof(packet.name), "gone");
    CHECK_EQ(open_trains(), PND_E_SYS);
    CHECK(!send_some(PACKETS, SECOND));
    pnd_trains_close(&trains);
    pnd_packet_close(&packet);
}

int main(void)
{
    RUN(trains_go_as_long_as_answers_come);
    RUN(a_second_of_trains_without_an_answer_is_followed_by_frames);
    RUN(an_answer_to_frames_brings_trains_back);
    RUN(a_way_that_falls_silent_again_and_again_has_none_in_the_end);
    RUN(a_pause_of_the_sender_is_no_silence_of_the_server);
    RUN(many_repetitions_end_them);
    RUN(what_the_kernel_does_not_take_counts_as_silence);
    RUN(a_train_leaves_as_packets_of_an_address_that_this_kernel_does_not_have);
    RUN(a_card_that_does_not_sum_gets_what_was_given_and_then_frames);
    RUN(the_socket_that_holds_the_port_is_taken_and_left);
    RUN(without_the_link_that_the_kernel_knows_of_frames_go);
    RUN(a_train_into_an_interface_that_was_taken_down_makes_it_rest);
    RUN(a_tag_leaves_them_closed);
    RUN(an_interface_that_is_gone_is_an_error);
    return tap_done();
}
