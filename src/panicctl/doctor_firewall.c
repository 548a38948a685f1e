/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: does a firewall of this machine keep dumps away? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/guard.h"
#include "panicctl/doctor.h"

enum { UNREADABLE, ABSENT, READ };

/* @return READ; ABSENT nft is not there; UNREADABLE */
static int read_nft(uint16_t port, struct pnd_firewall *ret)
{
    char program[] = "nft", json[] = "-j", list[] = "list", what[] = "ruleset";
    char *const argv[] = {program, json, list, what, NULL};
    char *text = NULL;
    int code = pnd_doctor_run(argv, &text), got = UNREADABLE;
    json_t *ruleset = code == 0 ? json_loads(text, 0, NULL) : NULL;

    if (code == PND_E_NOTFOUND)
        got = ABSENT;
    else if (ruleset && pnd_firewall_nft(ruleset, port, ret) == PND_OK)
        got = READ;
    json_decref(ruleset);
    free(text);
    return got;
}

/* Are there tables of the old kind? Without root this file is not to be read. */
static bool has_legacy(void)
{
    PND_AUTO_FCLOSE FILE *names = fopen("/proc/net/ip_tables_names", "re");
    char line[64];

    while (names && fgets(line, sizeof(line), names)) {
        if (strcmp(line, "filter\n") == 0)
            return true;
    }
    return false;
}

static int read_iptables(bool legacy, uint16_t port, struct pnd_firewall *ret)
{
    char program[32], option[] = "-t", table[] = "filter";
    char *const argv[] = {program, option, table, NULL};
    char *text = NULL;
    int code;

    snprintf(program, sizeof(program), "%s", legacy ? "iptables-legacy-save" : "iptables-save");
    code = pnd_doctor_run(argv, &text);
    if (code == PND_E_NOTFOUND && legacy)
        return read_iptables(false, port, ret);
    if (code == 0)
        pnd_firewall_iptables(text, port, ret);
    free(text);
    return code == 0 ? READ : code == PND_E_NOTFOUND ? ABSENT : UNREADABLE;
}

static void report(struct pnd_doctor *doctor, const struct pnd_firewall *found)
{
    const char *what = found->answers ? "what is answered from " : "";

    if (found->fate == PND_FIREWALL_DROP)
        pnd_doctor_add(doctor, "firewall", PND_DOCTOR_FAIL, found->fix,
                       "%sUDP port %u is dropped: %s", what, doctor->port, found->where);
    else
        pnd_doctor_add(doctor, "firewall", PND_DOCTOR_WARN, found->fix,
                       "%sUDP port %u depends on the sender: %s", what, doctor->port, found->where);
}

void pnd_doctor_firewall(struct pnd_doctor *doctor)
{
    struct pnd_firewall nft = {0}, old = {0};
    int nft_got = read_nft(doctor->port, &nft), old_got = ABSENT;
    bool legacy = has_legacy();

    if (nft_got != READ || legacy)
        old_got = read_iptables(legacy, doctor->port, &old);
    if (nft_got == READ && nft.fate >= old.fate && nft.fate != PND_FIREWALL_PASS)
        report(doctor, &nft);
    else if (old_got == READ && old.fate != PND_FIREWALL_PASS)
        report(doctor, &old);
    else if (nft_got == UNREADABLE || old_got == UNREADABLE)
        pnd_doctor_add(doctor, "firewall", PND_DOCTOR_WARN,
                       geteuid() != 0 ? "sudo panicctl doctor" : "nft list ruleset",
                       "its rules cannot be read%s", geteuid() != 0 ? " by this user" : "");
    else if (nft_got == ABSENT && old_got == ABSENT &&
             access("/proc/net/ip_tables_names", F_OK) == 0)
        pnd_doctor_add(doctor, "firewall", PND_DOCTOR_WARN, "apt-get install nftables",
                       "there is one, but no program to read its rules with");
    else if (nft_got == ABSENT && old_got == ABSENT)
        pnd_doctor_add(doctor, "firewall", PND_DOCTOR_OK, "",
                       "neither nft nor iptables is on this machine");
    else
        pnd_doctor_add(doctor, "firewall", PND_DOCTOR_OK, "", "lets UDP port %u in", doctor->port);
}
