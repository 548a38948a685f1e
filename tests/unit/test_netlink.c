/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The attributes of the kernel's answers, whole, cut and odd; and an answer that fails. */
#include "arm/netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "tap.h"

enum { TYPES = 8, CAP = 128 };

static uint8_t buf[CAP];
static size_t len;
static struct pnd_netlink_attr attrs[TYPES];

static void add(uint16_t type, const void *data, size_t bytes)
{
    struct nlattr attr = {.nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = type};

    memcpy(buf + len, &attr, sizeof(attr));
    memcpy(buf + len + NLA_HDRLEN, data, bytes);
    len += NLA_ALIGN(attr.nla_len);
}

/* Three attributes, of 4, 5 and 6 bytes: two of them have padding behind them. */
static void make(void)
{
    uint32_t number = 0x01020304;

    memset(buf, 0, sizeof(buf));
    len = 0;
    add(1, &number, sizeof(number));
    add(2 | NLA_F_NESTED, "four", 5);
    add(3, "\x02\x00\x00\x00\x00\x07", 6);
}

static void finds_each_attribute(void)
{
    char text[8];
    uint8_t mac[6];

    make();
    pnd_netlink_attrs(buf, len, attrs, TYPES);
    CHECK_EQ(pnd_netlink_u32(attrs[1]), 0x01020304);
    pnd_netlink_text(attrs[2], text, sizeof(text));
    CHECK_STR(text, "four");
    pnd_netlink_mac(attrs[3], mac);
    CHECK_MEM(mac, "\x02\x00\x00\x00\x00\x07", 6);
    CHECK(!attrs[0].data && !attrs[4].data);
}

static void an_attribute_of_another_size_is_no_number(void)
{
    static const uint8_t none[6];
    uint8_t mac[6];

    make();
    pnd_netlink_attrs(buf, len, attrs, TYPES);
    CHECK_EQ(pnd_netlink_u16(attrs[1]), 0);
    CHECK_EQ(pnd_netlink_u8(attrs[1]), 0);
    CHECK_EQ(pnd_netlink_u32(attrs[2]), 0);
    CHECK_EQ(pnd_netlink_ipv4(attrs[0]), 0);
    pnd_netlink_mac(attrs[1], mac);
    CHECK_MEM(mac, none, 6);
}

static void text_is_cut_where_it_does_not_fit(void)
{
    char text[3];

    make();
    pnd_netlink_attrs(buf, len, attrs, TYPES);
    pnd_netlink_text(attrs[2], text, sizeof(text));
    CHECK_STR(text, "fo");
    pnd_netlink_text(attrs[5], text, sizeof(text));
    CHECK_STR(text, "");
}

static void types_that_nobody_knows_are_passed_over(void)
{
    make();
    add(TYPES, "beyond", 6);
    add(4, "x", 1);
    pnd_netlink_attrs(buf, len, attrs, TYPES);
    CHECK_EQ(pnd_netlink_u8(attrs[4]), 'x');
}

/* In memory that ends where the attributes do, so that a sanitizer sees a byte too many. */
static void every_cut_gives_the_attributes_before_it(void)
{
    static const size_t ends[] = {8, 17, 30};

    make();
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);

        if (!exact)
            abort();
        memcpy(exact, buf, cut);
        pnd_netlink_attrs(exact, cut, attrs, TYPES);
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
            CHECK_EQ(attrs[i + 1].data != NULL, cut >= ends[i]);
        free(exact);
    }
}

static void a_length_that_cannot_be_ends_the_reading(void)
{
    struct nlattr odd = {.nla_len = NLA_HDRLEN - 1, .nla_type = 5};

    make();
    memcpy(buf + len, &odd, sizeof(odd));
    pnd_netlink_attrs(buf, len + sizeof(odd), attrs, TYPES);
    CHECK(attrs[3].data && !attrs[5].data);
}

static int count(void *ctx, uint16_t type, const uint8_t *body, size_t body_len)
{
    (void)type;
    (void)body;
    (void)body_len;
    return ++*(int *)ctx == 2 ? PND_E_FULL : PND_OK;
}

static void the_kernel_is_asked_and_its_refusal_is_told(void)
{
    static struct pnd_netlink netlink;
    struct ifinfomsg all = {.ifi_family = AF_UNSPEC}, none = {.ifi_index = 0x7fffffff};
    int heard = 0;

    CHECK_EQ(pnd_netlink_open(&netlink, NULL), PND_OK);
    CHECK_EQ(pnd_netlink_ask(&netlink, RTM_GETLINK, 0, &none, sizeof(none), count, &heard),
             PND_E_SYS);
    CHECK_EQ(errno, ENODEV);
    CHECK_EQ(heard, 0);
    CHECK_EQ(pnd_netlink_ask(&netlink, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all), count, &heard),
             heard == 2 ? PND_E_FULL : PND_OK);
    CHECK(heard >= 1); /* the loopback at least */
    pnd_netlink_close(&netlink);
}

/* What was not read of one answer is not taken for the next. */
static void an_answer_that_was_left_is_not_taken_for_the_next(void)
{
    static struct pnd_netlink netlink;
    struct ifinfomsg all = {.ifi_family = AF_UNSPEC}, one = {.ifi_index = 1};
    int heard = 1, next = 0;

    CHECK_EQ(pnd_netlink_open(&netlink, NULL), PND_OK);
    CHECK_EQ(pnd_netlink_ask(&netlink, RTM_GETLINK, NLM_F_DUMP, &all, sizeof(all), count, &heard),
             PND_E_FULL);
    CHECK_EQ(pnd_netlink_ask(&netlink, RTM_GETLINK, 0, &one, sizeof(one), count, &next), PND_OK);
    CHECK_EQ(next, 1);
    pnd_netlink_close(&netlink);
}

int main(void)
{
    RUN(finds_each_attribute);
    RUN(an_attribute_of_another_size_is_no_number);
    RUN(text_is_cut_where_it_does_not_fit);
    RUN(types_that_nobody_knows_are_passed_over);
    RUN(every_cut_gives_the_attributes_before_it);
    RUN(a_length_that_cannot_be_ends_the_reading);
    RUN(the_kernel_is_asked_and_its_refusal_is_told);
    RUN(an_answer_that_was_left_is_not_taken_for_the_next);
    return tap_done();
}
