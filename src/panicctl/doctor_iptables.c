/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: the same of rules as iptables-save prints them, for machines that have the old
 * tables, which nft does not show. @source iptables(8), iptables-extensions(8) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "panicctl/doctor.h"

enum {
    DEPTH_MAX = 16,
    CHAINS_MAX = 10000,
    LINE_CAP = 1024,
    WORDS_MAX = 64,
    CHAIN_CAP = 64,
    SHOWN_CAP = 400
};

enum tri { NO, MAYBE, YES };
enum outcome { GOES_ON, ACCEPTED, DROPPED };

struct walk {
    const char *rules;
    uint16_t port;
    unsigned chains;
    char dropper[LINE_CAP], some_accept[LINE_CAP], some_drop[LINE_CAP]; /* "": none */
};

/* The next line of @p at, which moves behind it. @return false at the end */
static bool next_line(const char **at, char ret[LINE_CAP])
{
    size_t len = strcspn(*at, "\n");

    if (!**at)
        return false;
    snprintf(ret, LINE_CAP, "%.*s", (int)(len < LINE_CAP ? len : LINE_CAP - 1), *at);
    *at += len + ((*at)[len] == '\n');
    return true;
}

static enum tri port_matches(const char *text, uint16_t port)
{
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;

        if (end == at)
            return MAYBE;
        if (*end == ':')
            last = strtoul(end + 1, NULL, 10);
        if (port >= first && port <= last)
            return YES;
    }
    return NO;
}

/* One option with its value. @return whether our packet has that */
static enum tri option_matches(const char *name, const char *value, uint16_t port)
{
    if (strcmp(name, "-p") == 0)
        return strcmp(value, "udp") == 0 || strcmp(value, "all") == 0 ? YES : NO;
    if (strcmp(name, "--dport") == 0 || strcmp(name, "--dports") == 0)
        return port_matches(value, port);
    if (strcmp(name, "-i") == 0)
        return strcmp(value, "lo") == 0 ? NO : MAYBE;
    if (strcmp(name, "--state") == 0 || strcmp(name, "--ctstate") == 0)
        return strstr(value, "NEW") ? YES : NO;
    if (strcmp(name, "-m") == 0 || strcmp(name, "--comment") == 0 || strcmp(name, "-j") == 0 ||
        strcmp(name, "-g") == 0)
        return YES;
    return MAYBE;
}

static void note(char keep[LINE_CAP], const char *line)
{
    if (!keep[0])
        snprintf(keep, LINE_CAP, "%s", line);
}

static enum outcome walk_chain(struct walk *walk, const char *chain, enum tri sure, unsigned depth);

static enum outcome apply(struct walk *walk, const char *line, const char *target, enum tri sure,
                          unsigned depth, bool *ret_left)
{
    bool accept = strcmp(target, "ACCEPT") == 0;

    if (strcmp(target, "RETURN") == 0) {
        *ret_left = sure == YES;
    } else if (accept || strcmp(target, "DROP") == 0 || strcmp(target, "REJECT") == 0) {
        if (sure == YES) {
            if (!accept)
                note(walk->dropper, line);
            return accept ? ACCEPTED : DROPPED;
        }
        note(accept ? walk->some_accept : walk->some_drop, line);
    } else if (target[0]) {
        return walk_chain(walk, target, sure, depth + 1);
    }
    return GOES_ON;
}

/* Parts a line at blanks; what is in quotes (a comment) is one word. */
static unsigned part(char *line, char *words[WORDS_MAX])
{
    unsigned count = 0;

    while (*line && count < WORDS_MAX) {
        const char *stop = *line == '"' ? "\"" : " ";

        line += *line == '"';
        words[count++] = line;
        line += strcspn(line, stop);
        if (*line)
            *line++ = '\0';
        line += strspn(line, " ");
    }
    return count;
}

static enum outcome walk_rule(struct walk *walk, const char *line, const char *chain, enum tri sure,
                              unsigned depth, bool *ret_left)
{
    char copy[LINE_CAP], *words[WORDS_MAX];
    const char *target = "";
    unsigned count, i;

    snprintf(copy, sizeof(copy), "%s", line);
    count = part(copy, words);
    if (count < 2 || strcmp(words[0], "-A") != 0 || strcmp(words[1], chain) != 0)
        return GOES_ON;
    for (i = 2; i < count; i++) {
        bool inverted = strcmp(words[i], "!") == 0;
        enum tri hit;

        i += inverted;
        if (i >= count || words[i][0] != '-')
            continue;
        hit = option_matches(words[i], i + 1 < count ? words[i + 1] : "", walk->port);
        if (strcmp(words[i], "-j") == 0 || strcmp(words[i], "-g") == 0) {
            target = i + 1 < count ? words[i + 1] : "";
            break; /* what follows is the target's */
        }
        hit = inverted ? YES - hit : hit;
        if (hit == NO)
            return GOES_ON;
        sure = hit < sure ? hit : sure;
    }
    return apply(walk, line, target, sure, depth, ret_left);
}

static enum outcome walk_chain(struct walk *walk, const char *chain, enum tri sure, unsigned depth)
{
    char line[LINE_CAP], name[CHAIN_CAP];
    enum outcome outcome = GOES_ON;
    bool left = false;

    snprintf(name, sizeof(name), "%s", chain);
    if (depth > DEPTH_MAX || walk->chains++ >= CHAINS_MAX)
        return GOES_ON;
    for (const char *at = walk->rules; !left && outcome == GOES_ON && next_line(&at, line);)
        outcome = walk_rule(walk, line, name, sure, depth, &left);
    return outcome;
}

void pnd_firewall_iptables(const char *rules, uint16_t port, struct pnd_firewall *ret)
{
    struct walk walk = {.rules = rules, .port = port};
    enum outcome outcome = walk_chain(&walk, "INPUT", YES, 0);
    const char *what = "its policy is to drop";
    char text[SHOWN_CAP];

    memset(ret, 0, sizeof(*ret));
    if (outcome == GOES_ON && strstr(rules, ":INPUT DROP"))
        outcome = DROPPED;
    if (outcome == DROPPED && !walk.some_accept[0]) {
        ret->fate = PND_FIREWALL_DROP;
        what = walk.dropper[0] ? walk.dropper : what;
    } else if (outcome == DROPPED || walk.some_drop[0]) {
        ret->fate = PND_FIREWALL_SOME;
        what = outcome == DROPPED ? walk.some_accept : walk.some_drop;
    }
    snprintf(ret->where, sizeof(ret->where), "iptables: %s",
             pnd_text_escape(text, sizeof(text), what, strlen(what)));
    if (strstr(rules, ":ufw-"))
        snprintf(ret->fix, sizeof(ret->fix), "ufw allow %u/udp", port);
    else if (ret->fate == PND_FIREWALL_SOME)
        snprintf(ret->fix, sizeof(ret->fix), "iptables -S INPUT, and see who is meant");
    else
        snprintf(ret->fix, sizeof(ret->fix), "iptables -I INPUT -p udp --dport %u -j ACCEPT", port);
}
