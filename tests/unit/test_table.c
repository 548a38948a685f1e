/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of transfers, and the networks of the allow-list. */
#include "panicd/peer.h"
#include "panicd/table.h"

#include "tap.h"

enum { SLOTS = 64 };

static struct pnd_table *table;
static struct pnd_slot displaced;

static struct pnd_origin origin(uint16_t port)
{
    struct pnd_origin out = {.port = port};

    out.peer.b[10] = out.peer.b[11] = 0xff;
    out.peer.b[12] = 10;
    return out;
}

static struct pnd_slot *take(uint16_t port, enum pnd_class class)
{
    struct pnd_origin from = origin(port);
    struct pnd_slot *slot = pnd_table_take(table, &from, &displaced);

    if (slot)
        pnd_table_classify(table, slot, class);
    return slot;
}

static void setup(void)
{
    table = pnd_table_create(SLOTS);
    CHECK(table != NULL);
}

static void a_peer_is_found_by_address_and_port(void)
{
    struct pnd_origin one = origin(1), two = origin(2);
    struct pnd_slot *slot;

    setup();
    slot = take(1, PND_CLASS_BUSY);
    CHECK(pnd_table_find(table, &one) == slot);
    CHECK(!pnd_table_find(table, &two));
    one.peer.b[15] = 1;
    CHECK(!pnd_table_find(table, &one));
    one.peer.b[15] = 0;
    pnd_table_free(table, slot);
    CHECK(!pnd_table_find(table, &one));
    CHECK_EQ(pnd_table_count(table, PND_CLASS_FREE), SLOTS);
    pnd_table_destroy(table);
}

static void the_same_peer_has_a_slot_for_each_service(void)
{
    struct pnd_origin one = origin(1), other = origin(1);
    struct pnd_slot *slot;

    setup();
    slot = take(1, PND_CLASS_BUSY);
    other.service = 1;
    CHECK(!pnd_table_find(table, &other));
    CHECK(pnd_table_take(table, &other, &displaced) != slot);
    CHECK(pnd_table_find(table, &one) == slot);
    CHECK(pnd_table_find(table, &other) != NULL);
    CHECK(pnd_table_find(table, &other) != slot);
    other.sock = 3; /* several addresses of one service are the same */
    CHECK(pnd_table_find(table, &other) != NULL);
    pnd_table_free(table, slot);
    CHECK(!pnd_table_find(table, &one));
    CHECK(pnd_table_find(table, &other) != NULL);
    pnd_table_destroy(table);
}

static void every_slot_can_be_taken_freed_and_found_in_any_order(void)
{
    setup();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SLOTS; i++)
            CHECK(take(i, PND_CLASS_BUSY) && displaced.class == PND_CLASS_FREE);
        CHECK(!take(999, PND_CLASS_BUSY));
        for (unsigned i = 0; i < SLOTS; i++) {
            struct pnd_origin from = origin((uint16_t)(i * 37 % SLOTS));
            struct pnd_slot *slot = pnd_table_find(table, &from);

            CHECK(slot && slot->origin.port == from.port);
            if (slot)
                pnd_table_free(table, slot);
        }
    }
    pnd_table_destroy(table);
}

static void what_arrives_is_never_displaced(void)
{
    setup();
    for (unsigned i = 0; i < SLOTS - 1; i++)
        take(i, PND_CLASS_BUSY);
    take(100, PND_CLASS_ASKED);
    for (unsigned i = 200; i < 300; i++) {
        CHECK(take(i, PND_CLASS_ASKED) != NULL);
        CHECK_EQ(displaced.class, PND_CLASS_ASKED);
    }
    CHECK_EQ(pnd_table_count(table, PND_CLASS_BUSY), SLOTS - 1);
    pnd_table_destroy(table);
}

static void few_openings_displace_what_ended_longest_ago(void)
{
    setup();
    for (unsigned i = 0; i < SLOTS; i++)
        take(i, PND_CLASS_RESTING);
    for (unsigned i = 0; i < SLOTS / PND_TABLE_ASKED_SHARE; i++) {
        take((uint16_t)(100 + i), PND_CLASS_ASKED);
        CHECK_EQ(displaced.class, PND_CLASS_RESTING);
        CHECK_EQ(displaced.origin.port, i);
    }
    pnd_table_destroy(table);
}

static void a_flood_of_openings_displaces_openings_oldest_first(void)
{
    unsigned resting;

    setup();
    for (unsigned i = 0; i < SLOTS; i++)
        take(i, PND_CLASS_RESTING);
    for (unsigned i = 0; i < 1000; i++)
        take((uint16_t)(1000 + i), PND_CLASS_ASKED);
    resting = pnd_table_count(table, PND_CLASS_RESTING);
    CHECK_EQ(resting, SLOTS - SLOTS / PND_TABLE_ASKED_SHARE);
    take(5000, PND_CLASS_ASKED);
    CHECK_EQ(displaced.class, PND_CLASS_ASKED);
    CHECK_EQ(displaced.origin.port, 2000 - SLOTS / PND_TABLE_ASKED_SHARE);
    pnd_table_destroy(table);
}

static bool has(const char *network, const char *address)
{
    struct pnd_cidr cidr, addr;

    CHECK_EQ(pnd_cidr_parse(network, &cidr), PND_OK);
    CHECK_EQ(pnd_cidr_parse(address, &addr), PND_OK);
    return pnd_cidr_has(&cidr, &addr.addr);
}

static void networks_hold_their_addresses_and_no_others(void)
{
    CHECK(has("10.0.40.0/24", "10.0.40.255") && !has("10.0.40.0/24", "10.0.41.0"));
    CHECK(has("10.0.40.128/25", "10.0.40.129") && !has("10.0.40.128/25", "10.0.40.127"));
    CHECK(has("0.0.0.0/0", "255.255.255.255") && !has("0.0.0.0/0", "2001:db8::1"));
    CHECK(has("10.1.2.3", "10.1.2.3") && !has("10.1.2.3", "10.1.2.2"));
    CHECK(has("fe80::/10", "febf::1") && !has("fe80::/10", "fec0::1"));
    CHECK(has("::/0", "10.0.0.1"));
}

static void what_is_no_network_is_refused(void)
{
    static const char *const bad[] = {"",           "10.0.0",     "10.0.0.0/33", "10.0.0.0/",
                                      "10.0.0/8",   "::/129",     "host",        "10.0.0.0/-1",
                                      "1.2.3.4/8x", "10.0.0.0/ 8"};
    struct pnd_cidr cidr;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_EQ(pnd_cidr_parse(bad[i], &cidr), PND_E_ARG);
}

int main(void)
{
    RUN(a_peer_is_found_by_address_and_port);
    RUN(the_same_peer_has_a_slot_for_each_service);
    RUN(every_slot_can_be_taken_freed_and_found_in_any_order);
    RUN(what_arrives_is_never_displaced);
    RUN(few_openings_displace_what_ended_longest_ago);
    RUN(a_flood_of_openings_displaces_openings_oldest_first);
    RUN(networks_hold_their_addresses_and_no_others);
    RUN(what_is_no_network_is_refused);
    return tap_done();
}
