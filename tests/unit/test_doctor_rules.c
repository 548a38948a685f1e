/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What firewalls do with a dump, as panicctl doctor reads their rules. That the kernel agrees is
 * tested with the kernel, in tests/server/test_doctor.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panicctl/doctor.h"
#include "tap.h"

static struct pnd_firewall found;

static enum pnd_firewall_fate old(const char *rules)
{
    pnd_firewall_iptables(rules, 1069, &found);
    return found.fate;
}

/* @p objects: chains and rules of "table inet filter", chain input with @p policy */
static enum pnd_firewall_fate nft(const char *policy, const char *expressions)
{
    char text[8192];
    json_t *ruleset;

    snprintf(text, sizeof(text),
             "{\"nftables\": [{\"metainfo\": {}},"
             "{\"chain\": {\"family\": \"inet\", \"table\": \"filter\", \"name\": \"input\","
             " \"type\": \"filter\", \"hook\": \"input\", \"prio\": 0, \"policy\": \"%s\"}},"
             "{\"rule\": {\"family\": \"inet\", \"table\": \"filter\", \"chain\": \"input\","
             " \"handle\": 7, \"expr\": [%s]}}]}",
             policy, expressions);
    ruleset = json_loads(text, 0, NULL);
    CHECK(ruleset != NULL);
    CHECK(pnd_firewall_nft(ruleset, 1069, &found) == PND_OK);
    json_decref(ruleset);
    return found.fate;
}

static void no_rules_let_everything_in(void)
{
    CHECK(old("") == PND_FIREWALL_PASS);
    CHECK(old("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n") == PND_FIREWALL_PASS);
    CHECK(nft("accept", "") == PND_FIREWALL_PASS);
}

static void a_policy_of_drop_needs_a_rule_that_accepts(void)
{
    static const char head[] = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n"
                               "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";
    char text[1024];

    CHECK(old(head) == PND_FIREWALL_DROP);
    CHECK(strstr(found.where, "policy") && strstr(found.fix, "iptables -I INPUT -p udp --dport"));
    snprintf(text, sizeof(text), "%s-A INPUT -p udp -m udp --dport 1000:1100 -j ACCEPT\n", head);
    CHECK(old(text) == PND_FIREWALL_PASS);
    snprintf(text, sizeof(text), "%s-A INPUT -p tcp -m tcp --dport 1069 -j ACCEPT\n", head);
    CHECK(old(text) == PND_FIREWALL_DROP);
    CHECK(nft("drop", "") == PND_FIREWALL_DROP);
    CHECK(strcmp(found.fix, "nft insert rule inet filter input udp dport 1069 accept") == 0);
}

static void a_rule_that_drops_is_named(void)
{
    CHECK(old(":INPUT ACCEPT\n-A INPUT -p udp --dport 1069 -m comment --comment \"no dumps -j x\" "
              "-j REJECT --reject-with icmp-port-unreachable\n") == PND_FIREWALL_DROP);
    CHECK(strstr(found.where, "-j REJECT"));
    CHECK(old(":INPUT ACCEPT\n-A INPUT -p udp ! --dport 53 -j DROP\n") == PND_FIREWALL_DROP);
    CHECK(old(":INPUT ACCEPT\n-A INPUT -p udp ! --dport 1069 -j DROP\n") == PND_FIREWALL_PASS);
    CHECK(old(":INPUT ACCEPT\n-A INPUT -p udp -m multiport --dports 53,1069 -j DROP\n") ==
          PND_FIREWALL_DROP);
    CHECK(nft("accept", "{\"drop\": null}") == PND_FIREWALL_DROP);
    CHECK(strstr(found.where, "chain inet filter input, rule with handle 7"));
}

static void what_depends_on_the_sender_is_not_a_verdict(void)
{
    CHECK(old(":INPUT ACCEPT\n-A INPUT -s 10.0.0.0/8 -p udp -j DROP\n") == PND_FIREWALL_SOME);
    CHECK(old(":INPUT DROP\n-A INPUT -s 10.0.0.0/8 -j ACCEPT\n") == PND_FIREWALL_SOME);
    CHECK(strstr(found.where, "10.0.0.0/8"));
    CHECK(old(":INPUT DROP\n-A INPUT -i eth1 -j ACCEPT\n") == PND_FIREWALL_SOME);
    CHECK(nft("drop", "{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"ip\","
                      " \"field\": \"saddr\"}}, \"right\": \"10.0.0.1\"}}, {\"accept\": null}") ==
          PND_FIREWALL_SOME);
}

static void other_chains_are_followed_and_loops_end(void)
{
    CHECK(old(":INPUT ACCEPT\n:mine - [0:0]\n-A INPUT -j mine\n-A mine -p udp -j DROP\n") ==
          PND_FIREWALL_DROP);
    CHECK(old(":INPUT DROP\n-A INPUT -j mine\n-A mine -p tcp -j RETURN\n-A mine -j ACCEPT\n") ==
          PND_FIREWALL_PASS);
    CHECK(old(":INPUT DROP\n-A INPUT -j mine\n-A mine -j RETURN\n-A mine -j ACCEPT\n") ==
          PND_FIREWALL_DROP);
    CHECK(old(":INPUT ACCEPT\n-A INPUT -j mine\n-A mine -j mine\n") == PND_FIREWALL_PASS);
    CHECK(nft("accept", "{\"jump\": {\"target\": \"input\"}}") == PND_FIREWALL_PASS);
}

static void who_else_writes_rules_is_told_to(void)
{
    CHECK(old(":INPUT DROP\n:ufw-user-input - [0:0]\n") == PND_FIREWALL_DROP);
    CHECK(strcmp(found.fix, "ufw allow 1069/udp") == 0);
}

static void what_is_no_ruleset_is_said(void)
{
    json_t *list = json_array();

    CHECK(pnd_firewall_nft(list, 1069, &found) == PND_E_FORMAT);
    CHECK(pnd_firewall_nft(NULL, 1069, &found) == PND_E_FORMAT);
    json_decref(list);
    for (const char *const *at = (const char *const[]){"-A", "-A INPUT", "-A INPUT -j",
                                                       "-A INPUT !", "-A INPUT -p", "\"", NULL};
         *at; at++)
        CHECK(old(*at) == PND_FIREWALL_PASS);
}

static void names_cannot_steer_a_terminal(void)
{
    CHECK(old(":INPUT ACCEPT\n-A INPUT -m comment --comment \"\033[2J\" -j DROP\n") ==
          PND_FIREWALL_DROP);
    CHECK(!strchr(found.where, '\033'));
}

int main(void)
{
    RUN(no_rules_let_everything_in);
    RUN(a_policy_of_drop_needs_a_rule_that_accepts);
    RUN(a_rule_that_drops_is_named);
    RUN(what_depends_on_the_sender_is_not_a_verdict);
    RUN(other_chains_are_followed_and_loops_end);
    RUN(who_else_writes_rules_is_told_to);
    RUN(what_is_no_ruleset_is_said);
    RUN(names_cannot_steer_a_terminal);
    return tap_done();
}
