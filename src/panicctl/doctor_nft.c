/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: what an nftables ruleset does with the first packet of a sender out there: UDP,
 * to our port, from an address and an interface that nobody knows yet; and with the answer. So a
 * match holds, does not hold, or may hold. @source libnftables-json(5) */
#include <stdio.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/doctor.h"

enum {
    DEPTH_MAX = 16,     /* the kernel follows at most 16 jumps */
    CHAINS_MAX = 10000, /* followed in all */
    UDP = 17,
};

enum tri { NO, MAYBE, YES };
enum outcome { GOES_ON, ACCEPTED, DROPPED };

/* What a rule looks at, of our packet. */
struct value {
    enum { UNKNOWN, NEVER, NUMBER, WORD, NOT_LOOPBACK } kind; /* NEVER: of another protocol */
    json_int_t number;
    const char *word;
};

struct walk {
    const json_t *objects; /* the array "nftables" */
    uint16_t port;
    bool answer; /* our packet is what the server answers, on its way out */
    unsigned chains;
    const json_t *dropper, *some_accept, *some_drop; /* rules; NULL: none */
    bool ufw, firewalld;
};

static const char *text_at(const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));

    return text ? text : "";
}

static bool same(const json_t *a, const char *a_key, const json_t *b, const char *b_key)
{
    return strcmp(text_at(a, a_key), text_at(b, b_key)) == 0;
}

/* ---- what the packet has ---- */

static struct value of_payload(const json_t *payload, const struct walk *walk)
{
    const char *our_field = walk->answer ? "sport" : "dport";
    const char *protocol = text_at(payload, "protocol"), *field = text_at(payload, "field");

    if (strcmp(protocol, "udp") == 0 || strcmp(protocol, "th") == 0)
        return strcmp(field, our_field) == 0 ? (struct value){.kind = NUMBER, .number = walk->port}
                                             : (struct value){.kind = UNKNOWN};
    if (strcmp(protocol, "ip") == 0)
        return strcmp(field, "protocol") == 0
                   ? (struct value){.kind = WORD, .word = "udp", .number = UDP}
                   : (struct value){.kind = UNKNOWN};
    if (strcmp(protocol, "ether") == 0 || strcmp(protocol, "") == 0)
        return (struct value){.kind = UNKNOWN};
    return (struct value){.kind = NEVER}; /* tcp, icmp, ip6, vlan, ... */
}

static struct value of_meta(const char *key)
{
    if (strcmp(key, "l4proto") == 0)
        return (struct value){.kind = WORD, .word = "udp", .number = UDP};
    if (strcmp(key, "nfproto") == 0)
        return (struct value){.kind = WORD, .word = "ipv4", .number = 2};
    if (strcmp(key, "protocol") == 0)
        return (struct value){.kind = WORD, .word = "ip", .number = 0x800};
    if (strcmp(key, "pkttype") == 0)
        return (struct value){.kind = WORD, .word = "unicast", .number = 0};
    if (strcmp(key, "iifname") == 0 || strcmp(key, "iif") == 0 || strcmp(key, "oifname") == 0 ||
        strcmp(key, "oif") == 0)
        return (struct value){.kind = NOT_LOOPBACK};
    return (struct value){.kind = UNKNOWN};
}

static struct value value_of(const json_t *left, const struct walk *walk)
{
    const json_t *ct = json_object_get(left, "ct");

    if (json_object_get(left, "payload"))
        return of_payload(json_object_get(left, "payload"), walk);
    if (json_object_get(left, "meta"))
        return of_meta(text_at(json_object_get(left, "meta"), "key"));
    if (ct && strcmp(text_at(ct, "key"), "state") == 0)
        return (struct value){
            .kind = WORD, .word = walk->answer ? "established" : "new", .number = -1};
    return (struct value){.kind = UNKNOWN};
}

/* ---- does it match ---- */

static const json_t *named(const struct walk *walk, const char *kind, const json_t *rule,
                           const char *name)
{
    const json_t *at;
    size_t i;

    json_array_foreach(walk->objects, i, at)
    {
        const json_t *found = json_object_get(at, kind);

        if (found && same(found, "family", rule, "family") && same(found, "table", rule, "table") &&
            strcmp(text_at(found, "name"), name) == 0)
            return found;
    }
    return NULL;
}

static enum tri is_word(const struct value *value, const char *word)
{
    if (value->kind == NOT_LOOPBACK)
        return strcmp(word, "lo") == 0 ? NO : MAYBE;
    if (value->kind != WORD)
        return MAYBE;
    return strcmp(word, value->word) == 0 ||
                   (strcmp(word, "host") == 0 && strcmp(value->word, "unicast") == 0)
               ? YES
               : NO;
}

/* One member of a set, or what is compared with; no set within a set. */
static enum tri is_simple(const struct value *value, const json_t *right)
{
    const json_t *range = json_object_get(right, "range");
    const json_t *element = json_object_get(json_object_get(right, "elem"), "val");

    if (element)
        right = element;
    if (json_is_string(right))
        return is_word(value, json_string_value(right));
    if (value->kind != NUMBER && value->kind != WORD)
        return MAYBE;
    if (json_is_integer(right))
        return json_integer_value(right) == value->number ? YES : NO;
    if (json_array_size(range) == 2 && json_is_integer(json_array_get(range, 0)))
        return value->number >= json_integer_value(json_array_get(range, 0)) &&
                       value->number <= json_integer_value(json_array_get(range, 1))
                   ? YES
                   : NO;
    return MAYBE;
}

static enum tri is_among(const struct walk *walk, const json_t *rule, const struct value *value,
                         const json_t *right)
{
    const json_t *members = right, *at;
    enum tri best = NO;
    size_t i;

    if (json_is_string(right) && json_string_value(right)[0] == '@') {
        const json_t *set = named(walk, "set", rule, json_string_value(right) + 1);

        if (!set)
            return MAYBE;
        members = json_object_get(set, "elem");
        if (!members)
            return NO; /* it is empty */
    } else if (json_object_get(right, "set")) {
        members = json_object_get(right, "set");
    } else if (json_object_get(right, "|")) {
        members = json_object_get(right, "|");
    }
    if (!json_is_array(members))
        return is_simple(value, members);
    json_array_foreach(members, i, at)
    {
        enum tri one = is_simple(value, at);

        best = one > best ? one : best;
    }
    return best;
}

static enum tri is_match(const struct walk *walk, const json_t *rule, const json_t *match)
{
    struct value value = value_of(json_object_get(match, "left"), walk);
    const char *op = text_at(match, "op");
    enum tri hit;

    if (value.kind == NEVER)
        return NO;
    if (value.kind == UNKNOWN)
        return MAYBE;
    hit = is_among(walk, rule, &value, json_object_get(match, "right"));
    if (strcmp(op, "==") == 0 || strcmp(op, "in") == 0)
        return hit;
    if (strcmp(op, "!=") == 0)
        return YES - hit;
    return MAYBE;
}

/* ---- rules and chains ---- */

static enum outcome walk_chain(struct walk *walk, const json_t *like, const char *name,
                               enum tri sure, unsigned depth);

/* A verdict that may be meant for our packet: kept in mind, and the walk goes on. */
static enum outcome decide(struct walk *walk, const json_t *rule, enum tri sure,
                           enum outcome outcome)
{
    if (sure == YES) {
        if (outcome == DROPPED)
            walk->dropper = rule;
        return outcome;
    }
    if (outcome == ACCEPTED && !walk->some_accept)
        walk->some_accept = rule;
    if (outcome == DROPPED && !walk->some_drop)
        walk->some_drop = rule;
    return GOES_ON;
}

/* @param ret_left  the chain is left: the rules behind this one do not count */
static enum outcome apply(struct walk *walk, const json_t *rule, const json_t *verdict,
                          enum tri sure, unsigned depth, bool *ret_left)
{
    const char *jump = text_at(json_object_get(verdict, "jump"), "target");
    const char *go = text_at(json_object_get(verdict, "goto"), "target");

    if (json_object_get(verdict, "accept"))
        return decide(walk, rule, sure, ACCEPTED);
    if (json_object_get(verdict, "drop") || json_object_get(verdict, "reject"))
        return decide(walk, rule, sure, DROPPED);
    if (json_object_get(verdict, "queue"))
        return decide(walk, rule, MAYBE, DROPPED);
    if (json_object_get(verdict, "return"))
        *ret_left = sure == YES;
    if (jump[0])
        return walk_chain(walk, rule, jump, sure, depth + 1);
    if (go[0]) {
        *ret_left = sure == YES;
        return walk_chain(walk, rule, go, sure, depth + 1);
    }
    return GOES_ON;
}

static enum outcome apply_map(struct walk *walk, const json_t *rule, const json_t *map,
                              enum tri sure, unsigned depth, bool *ret_left)
{
    struct value value = value_of(json_object_get(map, "key"), walk);
    const json_t *data = json_object_get(map, "data"), *pairs = json_object_get(data, "set"), *at;
    enum outcome outcome = GOES_ON;
    size_t i;

    if (value.kind == NEVER)
        return GOES_ON;
    if (json_is_string(data))
        pairs = json_object_get(named(walk, "map", rule, json_string_value(data) + 1), "elem");
    json_array_foreach(pairs, i, at)
    {
        enum tri hit = value.kind == UNKNOWN ? MAYBE : is_simple(&value, json_array_get(at, 0));

        if (hit == NO || outcome != GOES_ON)
            continue;
        outcome =
            apply(walk, rule, json_array_get(at, 1), hit < sure ? hit : sure, depth, ret_left);
        if (hit == YES)
            break;
    }
    return outcome;
}

static enum outcome walk_rule(struct walk *walk, const json_t *rule, enum tri sure, unsigned depth,
                              bool *ret_left)
{
    enum outcome outcome = GOES_ON;
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(rule, "expr"), i, at)
    {
        const json_t *match = json_object_get(at, "match"), *map = json_object_get(at, "vmap");
        enum tri hit = YES;

        if (match)
            hit = is_match(walk, rule, match);
        else if (json_object_get(at, "limit") || json_object_get(at, "xt") ||
                 json_object_get(at, "quota") || json_object_get(at, "ct count"))
            hit = MAYBE;
        if (hit == NO)
            return GOES_ON;
        sure = hit < sure ? hit : sure;
        outcome = map ? apply_map(walk, rule, map, sure, depth, ret_left)
                      : apply(walk, rule, at, sure, depth, ret_left);
        if (outcome != GOES_ON || *ret_left)
            return outcome;
    }
    return GOES_ON;
}

static enum outcome walk_chain(struct walk *walk, const json_t *like, const char *name,
                               enum tri sure, unsigned depth)
{
    enum outcome outcome = GOES_ON;
    bool left = false;
    const json_t *at;
    size_t i;

    if (depth > DEPTH_MAX || walk->chains++ >= CHAINS_MAX)
        return GOES_ON;
    json_array_foreach(walk->objects, i, at)
    {
        const json_t *rule = json_object_get(at, "rule");

        if (!rule || left || outcome != GOES_ON || !same(rule, "family", like, "family") ||
            !same(rule, "table", like, "table") || strcmp(text_at(rule, "chain"), name) != 0)
            continue;
        outcome = walk_rule(walk, rule, sure, depth, &left);
    }
    return outcome;
}

/* ---- in words ---- */

enum { NAME_CAP = 128 };

static void name_chain(const json_t *rule, const char *key, char ret[3 * NAME_CAP])
{
    const char *const keys[] = {"family", "table", key};
    size_t used = 0;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const char *text = text_at(rule, keys[i]);
        char name[NAME_CAP];

        pnd_text_escape(name, sizeof(name), text, strlen(text));
        used += (size_t)snprintf(ret + used, 3 * NAME_CAP - used, "%s%s", i ? " " : "", name);
    }
}

static void tell(const struct walk *walk, const json_t *rule, const json_t *chain,
                 enum pnd_firewall_fate fate, struct pnd_firewall *ret)
{
    long long handle = json_integer_value(json_object_get(rule, "handle"));
    char base[3 * NAME_CAP], here[3 * NAME_CAP];

    ret->fate = fate;
    ret->answers = walk->answer;
    name_chain(chain, "name", base);
    if (rule) {
        name_chain(rule, "chain", here);
        snprintf(ret->where, sizeof(ret->where), "nftables chain %s, rule with handle %lld", here,
                 handle);
    } else {
        snprintf(ret->where, sizeof(ret->where), "nftables chain %s, whose policy is to drop",
                 base);
    }
    if (walk->firewalld)
        snprintf(ret->fix, sizeof(ret->fix),
                 "firewall-cmd --permanent --add-port=%u/udp && firewall-cmd --reload", walk->port);
    else if (walk->ufw)
        snprintf(ret->fix, sizeof(ret->fix), "ufw allow %u/udp", walk->port);
    else if (fate == PND_FIREWALL_SOME)
        snprintf(ret->fix, sizeof(ret->fix), "nft -a list chain %s, and see who is meant",
                 rule ? here : base);
    else
        snprintf(ret->fix, sizeof(ret->fix), "nft insert rule %s udp %s %u accept", base,
                 walk->answer ? "sport" : "dport", walk->port);
}

static void judge_chain(struct walk *walk, const json_t *chain, struct pnd_firewall *ret)
{
    enum outcome outcome;

    walk->dropper = walk->some_accept = walk->some_drop = NULL;
    outcome = walk_chain(walk, chain, text_at(chain, "name"), YES, 0);
    if (outcome == GOES_ON && strcmp(text_at(chain, "policy"), "drop") == 0)
        outcome = DROPPED;
    if (outcome == DROPPED && !walk->some_accept)
        tell(walk, walk->dropper, chain, PND_FIREWALL_DROP, ret);
    else if (ret->fate == PND_FIREWALL_PASS && (outcome == DROPPED || walk->some_drop))
        tell(walk, outcome == DROPPED ? walk->some_accept : walk->some_drop, chain,
             PND_FIREWALL_SOME, ret);
}

static bool is_hook(const json_t *chain, const char *a, const char *b, const char *c)
{
    const char *hook = text_at(chain, "hook");

    return strcmp(hook, a) == 0 || strcmp(hook, b) == 0 || strcmp(hook, c) == 0;
}

int pnd_firewall_nft(const json_t *ruleset, uint16_t port, struct pnd_firewall *ret)
{
    struct walk walk = {.objects = json_object_get(ruleset, "nftables"), .port = port};
    const json_t *at;
    size_t i;

    memset(ret, 0, sizeof(*ret));
    if (!json_is_array(walk.objects))
        return PND_E_FORMAT;
    json_array_foreach(walk.objects, i, at)
    {
        const json_t *chain = json_object_get(at, "chain");

        walk.ufw |= strncmp(text_at(chain, "name"), "ufw", 3) == 0;
        walk.firewalld |= strcmp(text_at(chain, "table"), "firewalld") == 0;
    }
    json_array_foreach(walk.objects, i, at)
    {
        const json_t *chain = json_object_get(at, "chain");
        const char *family = text_at(chain, "family");

        if (ret->fate == PND_FIREWALL_DROP || strcmp(family, "ip6") == 0 ||
            strcmp(family, "arp") == 0 || strcmp(family, "bridge") == 0)
            continue;
        walk.answer = is_hook(chain, "output", "postrouting", "egress");
        if (walk.answer || is_hook(chain, "input", "prerouting", "ingress"))
            judge_chain(&walk, chain, ret);
    }
    return PND_OK;
}
