/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ethernet, ARP, IPv4, UDP: what is built is read back, and what is wrong is refused. */
#include "tap.h"

#include "wire/frame.h"

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

/* 10.0.40.1:1069 -> 10.0.40.2:1069; the checksums were computed apart from the code, with RFC 1071
 * in Python. */
static const uint8_t known[] = {
    2,    0,    0,    0,    0,    0xb,  2,    0,    0,    0,    0,    0xa,  0x08, 0x00, /* eth */
    0x45, 0x00, 0x00, 0x22, 0x00, 0x07, 0x40, 0x00, 60,   17,   0xda, 0xc1, 10,   0,    40, 1, 10,
    0,    40,   2,    0x04, 0x2d, 0x04, 0x2d, 0x00, 0x0e, 0x93, 0x68, 0,    4,    0,    0,  0, 9};

static struct pnd_udp4 sample(const uint8_t *payload, size_t len)
{
    return (struct pnd_udp4){.from_ip = 0x0a002801,
                             .to_ip = 0x0a002802,
                             .from_port = 1069,
                             .to_port = 1069,
                             .id = 7,
                             .payload = payload,
                             .payload_len = len};
}

static void a_datagram_is_built_to_the_byte(void)
{
    static const uint8_t ack[] = {0, 4, 0, 0, 0, 9};
    struct pnd_udp4 udp = sample(ack, sizeof(ack));
    uint8_t frame[PND_ETH_CAP];
    uint8_t zeros[PND_ETH_MIN - sizeof(known)] = {0};

    CHECK_EQ(pnd_udp4_build(frame, sizeof(frame), mac_b, mac_a, &udp), PND_ETH_MIN);
    CHECK_MEM(frame, known, sizeof(known));
    CHECK_MEM(frame + sizeof(known), zeros, sizeof(zeros));
}

static void a_datagram_of_any_length_comes_back(void)
{
    uint8_t payload[1472], frame[PND_ETH_CAP];

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 7 + (i >> 8));
    for (size_t len = 0; len <= sizeof(payload); len++) {
        struct pnd_udp4 udp = sample(payload, len), back = {0};
        struct pnd_eth eth = {0};
        int n = pnd_udp4_build(frame, sizeof(frame), mac_b, mac_a, &udp);

        CHECK_EQ(n, len + 42 < 60 ? 60 : len + 42);
        CHECK_EQ(pnd_eth_parse(frame, (size_t)n, &eth), PND_OK);
        CHECK_EQ(eth.type, PND_ETH_IPV4);
        CHECK_MEM(eth.from, mac_a, 6);
        CHECK_MEM(eth.to, mac_b, 6);
        CHECK_EQ(pnd_udp4_parse(eth.payload, eth.payload_len, &back), PND_OK);
        CHECK(back.from_ip == udp.from_ip && back.to_ip == udp.to_ip && back.id == 7);
        CHECK(back.from_port == 1069 && back.to_port == 1069 && !back.unchecked);
        CHECK_EQ(back.payload_len, len);
        CHECK_MEM(back.payload, payload, len);
    }
}

static void a_datagram_in_two_parts_is_the_same_frame(void)
{
    uint8_t payload[1472], whole[PND_ETH_CAP], parts[PND_ETH_CAP];

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)(i * 11 + (i >> 8));
    for (size_t front = 0; front <= 30; front += 2) {
        for (size_t len = 32; len <= sizeof(payload); len += len < 64 ? 1 : 13) {
            struct pnd_udp4 udp = sample(payload, len), rest = sample(payload + front, len - front);
            int n = pnd_udp4_build(whole, sizeof(whole), mac_b, mac_a, &udp);
            int head = pnd_udp4_build_front(parts, 42 + front, mac_b, mac_a, &rest, payload, front);

            CHECK_EQ(head, 42 + front);
            memcpy(parts + head, rest.payload, rest.payload_len);
            CHECK_MEM(parts, whole, (size_t)n);
            CHECK_EQ(pnd_udp4_build_front(parts, 41 + front, mac_b, mac_a, &rest, payload, front),
                     PND_E_FULL);
        }
    }
}

static void a_datagram_that_does_not_fit_is_not_built(void)
{
    uint8_t payload[1473] = {0}, frame[PND_ETH_CAP];
    struct pnd_udp4 udp = sample(payload, sizeof(payload));

    CHECK_EQ(pnd_udp4_build(frame, sizeof(frame), mac_b, mac_a, &udp), PND_E_FULL);
    udp.payload_len = 100;
    for (size_t cap = 0; cap < 142; cap++)
        CHECK_EQ(pnd_udp4_build(frame, cap, mac_b, mac_a, &udp), PND_E_FULL);
    udp.payload_len = 0;
    CHECK_EQ(pnd_udp4_build(frame, PND_ETH_MIN - 1, mac_b, mac_a, &udp), PND_E_FULL);
}

static void every_truncation_is_refused(void)
{
    for (size_t len = 0; len < sizeof(known); len++) {
        struct pnd_eth eth = {0};
        struct pnd_udp4 udp = {0};
        int err = pnd_eth_parse(known, len, &eth);

        if (len < PND_ETH_BYTES) {
            CHECK_EQ(err, PND_E_SHORT);
            continue;
        }
        CHECK_EQ(err, PND_OK);
        err = pnd_udp4_parse(eth.payload, eth.payload_len, &udp);
        CHECK_EQ(err, eth.payload_len < PND_IPV4_BYTES ? PND_E_SHORT : PND_E_LENGTH);
    }
}

static void every_flipped_bit_of_the_packet_is_noticed(void)
{
    /* the time to live, and so on, are in the checksum as well: all but the Ethernet header */
    for (size_t bit = PND_ETH_BYTES * 8; bit < sizeof(known) * 8; bit++) {
        uint8_t frame[sizeof(known)];
        struct pnd_udp4 udp = {0};

        memcpy(frame, known, sizeof(known));
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(pnd_udp4_parse(frame + PND_ETH_BYTES, sizeof(frame) - PND_ETH_BYTES, &udp) != PND_OK);
    }
}

/* Sets the header checksum of @p packet right again, after a change. */
static void fix_sum(uint8_t *packet)
{
    size_t len = (size_t)(packet[0] & 0xf) * 4;
    uint32_t sum = 0;

    packet[10] = packet[11] = 0;
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)packet[i] << 8 | packet[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    packet[10] = (uint8_t)(sum >> 8);
    packet[11] = (uint8_t)sum;
}

static int parse_changed(size_t at, uint8_t value)
{
    uint8_t packet[sizeof(known) - PND_ETH_BYTES];
    struct pnd_udp4 udp = {0};

    memcpy(packet, known + PND_ETH_BYTES, sizeof(packet));
    packet[at] = value;
    fix_sum(packet);
    return pnd_udp4_parse(packet, sizeof(packet), &udp);
}

static void other_packets_are_told_apart_by_their_headers(void)
{
    CHECK_EQ(parse_changed(1, 0), PND_OK);           /* nothing changed */
    CHECK_EQ(parse_changed(9, 6), PND_E_TYPE);       /* TCP */
    CHECK_EQ(parse_changed(6, 0x20), PND_E_TYPE);    /* more fragments */
    CHECK_EQ(parse_changed(7, 1), PND_E_TYPE);       /* a later fragment */
    CHECK_EQ(parse_changed(0, 0x65), PND_E_TYPE);    /* IPv6 */
    CHECK_EQ(parse_changed(0, 0x44), PND_E_LENGTH);  /* a header of 16 bytes */
    CHECK_EQ(parse_changed(3, 0x23), PND_E_LENGTH);  /* longer than the frame */
    CHECK_EQ(parse_changed(3, 19), PND_E_LENGTH);    /* shorter than its header */
    CHECK_EQ(parse_changed(3, 27), PND_E_SHORT);     /* no room for the UDP header */
    CHECK_EQ(parse_changed(25, 0x0f), PND_E_LENGTH); /* UDP longer than the packet */
    CHECK_EQ(parse_changed(25, 7), PND_E_LENGTH);    /* UDP shorter than its header */
    CHECK_EQ(parse_changed(27, 0x69), PND_E_FORMAT); /* a wrong UDP checksum */
}

static void a_datagram_without_checksum_passes_and_says_so(void)
{
    uint8_t packet[sizeof(known) - PND_ETH_BYTES];
    struct pnd_udp4 udp = {0};

    memcpy(packet, known + PND_ETH_BYTES, sizeof(packet));
    packet[26] = packet[27] = 0;
    CHECK_EQ(pnd_udp4_parse(packet, sizeof(packet), &udp), PND_OK);
    CHECK(udp.unchecked);
}

static void ip_options_are_skipped(void)
{
    uint8_t packet[sizeof(known) - PND_ETH_BYTES + 4];
    struct pnd_udp4 udp = {0};

    memcpy(packet, known + PND_ETH_BYTES, 20);
    memset(packet + 20, 1, 4);
    memcpy(packet + 24, known + PND_ETH_BYTES + 20, 14);
    packet[0] = 0x46;
    packet[3] += 4;
    fix_sum(packet);
    CHECK_EQ(pnd_udp4_parse(packet, sizeof(packet), &udp), PND_OK);
    CHECK_EQ(udp.payload_len, 6);
    CHECK_EQ(udp.payload[5], 9);
}

static void a_checksum_that_comes_out_zero_is_sent_as_ones(void)
{
    /* two bytes of payload can make the sum anything: look for the one */
    for (uint32_t v = 0; v <= UINT16_MAX; v++) {
        uint8_t payload[2] = {(uint8_t)(v >> 8), (uint8_t)v}, frame[PND_ETH_CAP];
        struct pnd_udp4 udp = sample(payload, 2), back = {0};

        pnd_udp4_build(frame, sizeof(frame), mac_b, mac_a, &udp);
        if (frame[40] == 0xff && frame[41] == 0xff) {
            CHECK_EQ(pnd_udp4_parse(frame + 14, 30, &back), PND_OK);
            CHECK(!back.unchecked);
            return;
        }
        CHECK(frame[40] || frame[41]);
    }
    CHECK(!"one payload sums to zero");
}

static void an_arp_request_is_built_as_the_panicking_kernel_does(void)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t want[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0,  0,  0, 0,
                                   0xa,  8,    6,    0,    1,    8,    0,  6,  4,  0, 1,
                                   2,    0,    0,    0,    0,    0xa,  10, 0,  40, 1, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0xff, 10,   0,  40, 2};
    struct pnd_arp arp = {.op = PND_ARP_REQUEST, .from_ip = 0x0a002801, .to_ip = 0x0a002802};
    struct pnd_arp back = {0};
    uint8_t frame[PND_ETH_CAP];

    memcpy(arp.from_mac, mac_a, 6);
    memcpy(arp.to_mac, all, 6);
    CHECK_EQ(pnd_arp_build(frame, sizeof(frame), all, &arp), PND_ETH_MIN);
    CHECK_MEM(frame, want, sizeof(want));
    CHECK_EQ(pnd_arp_parse(frame + 14, sizeof(want) - 14, &back), PND_OK);
    CHECK(back.op == arp.op && back.from_ip == arp.from_ip && back.to_ip == arp.to_ip);
    CHECK_MEM(back.from_mac, mac_a, 6);
    CHECK_MEM(back.to_mac, all, 6);
    for (size_t len = 0; len < PND_ARP_BYTES; len++)
        CHECK_EQ(pnd_arp_parse(frame + 14, len, &back), PND_E_SHORT);
    for (size_t at = 0; at < 6; at++) { /* hardware, protocol, their lengths */
        frame[14 + at] ^= 1;
        CHECK_EQ(pnd_arp_parse(frame + 14, PND_ARP_BYTES, &back), PND_E_TYPE);
        frame[14 + at] ^= 1;
    }
    for (size_t cap = 0; cap < PND_ETH_MIN; cap++)
        CHECK_EQ(pnd_arp_build(frame, cap, all, &arp), PND_E_FULL);
}

int main(void)
{
    RUN(a_datagram_is_built_to_the_byte);
    RUN(a_datagram_of_any_length_comes_back);
    RUN(a_datagram_in_two_parts_is_the_same_frame);
    RUN(a_datagram_that_does_not_fit_is_not_built);
    RUN(every_truncation_is_refused);
    RUN(every_flipped_bit_of_the_packet_is_noticed);
    RUN(other_packets_are_told_apart_by_their_headers);
    RUN(a_datagram_without_checksum_passes_and_says_so);
    RUN(ip_options_are_skipped);
    RUN(a_checksum_that_comes_out_zero_is_sent_as_ones);
    RUN(an_arp_request_is_built_as_the_panicking_kernel_does);
    return tap_done();
}
