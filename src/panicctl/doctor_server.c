/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: the server, its port, its addresses. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/guard.h"
#include "panicctl/doctor.h"
#include "panicctl/print.h"
#include "view/socket.h"
#include "wire/kdp.h"
#include "wire/tftp.h"

enum { SOCKETS_MAX = 16, COMM_CAP = 64, INODE_FIELD = 9 /* the first is 0 */ };

/* ---- is one there ---- */

/* How a server for this directory is started. */
static const char *start_command(const struct pnd_doctor *doctor, char *ret, size_t cap)
{
    const char *directory = doctor->ctl->directory;
    bool service = strcmp(directory, "/var/lib/panicd") == 0;
    char word[PND_DOCTOR_OPERAND_CAP];

    if (service && !doctor->spool_open)
        snprintf(ret, cap, "panicd, which makes ./PanicDumps; or systemctl start panicd");
    else if (service)
        snprintf(ret, cap, "systemctl start panicd");
    else
        snprintf(ret, cap, "panicd %s", pnd_doctor_operand(directory, word));
    return ret;
}

const char *pnd_doctor_protocol(const struct pnd_doctor *doctor, uint16_t port)
{
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(doctor->server, "listening"), i, at)
    {
        if (json_integer_value(json_object_get(at, "port")) == port)
            return json_string_value(json_object_get(at, "protocol"));
    }
    return NULL;
}

/* The first port on which the server listens for Apple's protocol. */
static uint16_t first_port(const json_t *server)
{
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(server, "listening"), i, at)
    {
        const char *protocol = json_string_value(json_object_get(at, "protocol"));
        json_int_t port = json_integer_value(json_object_get(at, "port"));

        if (protocol && strcmp(protocol, "kdp") == 0 && port > 0 && port <= UINT16_MAX)
            return (uint16_t)port;
    }
    return PND_KDP_PORT;
}

/* Is this one of the server's sockets of the port that is asked about? */
static bool is_asked_about(const struct pnd_doctor *doctor, const json_t *listening)
{
    return json_integer_value(json_object_get(listening, "port")) == doctor->port;
}

static uid_t uid_of(pid_t pid, uid_t otherwise)
{
    char path[32];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%ld", (long)pid);
    return pid > 0 && stat(path, &st) == 0 ? st.st_uid : otherwise;
}

static void note_server(struct pnd_doctor *doctor)
{
    const char *version = json_string_value(json_object_get(doctor->server, "version"));
    char text[PND_PRINT_NAME_CAP];
    bool there = false;
    const json_t *at;
    size_t i;

    doctor->pid = (pid_t)json_integer_value(json_object_get(doctor->server, "pid"));
    doctor->uid = uid_of(doctor->pid, doctor->uid);
    if (!doctor->port_given)
        doctor->port = first_port(doctor->server);
    json_array_foreach(json_object_get(doctor->server, "listening"), i, at) there |=
        is_asked_about(doctor, at);
    pnd_print_name(text, version ? version : "");
    if (there)
        pnd_doctor_add(doctor, "server", PND_DOCTOR_OK, "", "panicd %.64s listens (process %ld)",
                       text, (long)doctor->pid);
    else
        pnd_doctor_add(
            doctor, "server", PND_DOCTOR_FAIL,
            doctor->port == PND_TFTP_PORT ? "panicctl setup --for tftp says how to listen for TFTP"
                                          : "start it with --port, or take the port that it has",
            "panicd listens on port %u, not on %u", first_port(doctor->server), doctor->port);
}

void pnd_doctor_server(struct pnd_doctor *doctor)
{
    struct pnd_ctl *ctl = doctor->ctl;
    char fix[PND_DOCTOR_TEXT_CAP];
    struct pnd_why why = {0};
    int err = pnd_spool_open_readonly(&ctl->spool, ctl->directory, &why);

    doctor->spool_open = !err;
    if (!err)
        err = pnd_socket_get(&ctl->spool, "status", &doctor->server, &why);
    if (!err) {
        note_server(doctor);
        return;
    }
    if (!doctor->port_given)
        doctor->port = PND_KDP_PORT;
    start_command(doctor, fix, sizeof(fix));
    if (err == PND_E_NOTFOUND)
        pnd_doctor_add(doctor, "server", PND_DOCTOR_FAIL, fix, "nobody listens for this directory");
    else if (geteuid() != 0)
        pnd_doctor_add(doctor, "server", PND_DOCTOR_FAIL, "sudo panicctl doctor",
                       "it may not be asked: %s", why.text);
    else
        pnd_doctor_add(doctor, "server", PND_DOCTOR_FAIL, "restart panicd", "%s", why.text);
}

/* ---- who has the port ---- */

struct holder {
    unsigned long inode;
    pid_t pid; /* 0: not found */
    char comm[COMM_CAP];
    bool server;
};

struct holders {
    struct holder at[SOCKETS_MAX];
    unsigned count;
};

/* Sockets with this local port, of one table of /proc/net. */
static void read_table(const char *path, uint16_t port, struct holders *ret)
{
    PND_AUTO_FCLOSE FILE *table = fopen(path, "re");
    char line[512];

    while (table && fgets(line, sizeof(line), table) && ret->count < SOCKETS_MAX) {
        /* "12: 00000000:042D 00000000:0000 07 tx:rx tr:when retrnsmt uid timeout inode ..." */
        char *rest = NULL, *word = strtok_r(line, " ", &rest), *local = NULL, *inode = NULL;

        for (int field = 1; word && field <= INODE_FIELD; field++) {
            word = strtok_r(NULL, " ", &rest);
            local = field == 1 ? word : local;
            inode = field == INODE_FIELD ? word : NULL;
        }
        local = local ? strchr(local, ':') : NULL;
        if (local && inode && strtoul(local + 1, NULL, 16) == port)
            ret->at[ret->count++] = (struct holder){.inode = strtoul(inode, NULL, 10)};
    }
}

static void read_comm(pid_t pid, char ret[COMM_CAP])
{
    char path[40], raw[16] = "?", name[PND_PRINT_NAME_CAP];
    ssize_t len = -1;

    snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        len = read(fd, raw, sizeof(raw) - 1);
    raw[len > 0 ? len : 1] = '\0';
    raw[strcspn(raw, "\n")] = '\0';
    snprintf(ret, COMM_CAP, "%s", pnd_print_name(name, raw));
}

/* Which of the sockets has this process? */
static void look_at_process(pid_t pid, pid_t server, struct holders *holders)
{
    char path[40], link[64];
    const struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir))) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        unsigned long inode;

        if (len <= 0)
            continue;
        link[len] = '\0';
        if (strncmp(link, "socket:[", strlen("socket:[")) != 0)
            continue;
        inode = strtoul(link + strlen("socket:["), NULL, 10);
        for (unsigned i = 0; i < holders->count; i++) {
            struct holder *holder = &holders->at[i];

            if (holder->inode != inode)
                continue;
            holder->server |= pid == server;
            if (holder->pid && !holder->server)
                continue;
            holder->pid = pid;
            read_comm(pid, holder->comm);
        }
    }
    if (dir)
        closedir(dir);
}

static void find_holders(const struct pnd_doctor *doctor, struct holders *ret)
{
    const struct dirent *entry;
    DIR *proc;

    memset(ret, 0, sizeof(*ret));
    read_table("/proc/net/udp", doctor->port, ret);
    read_table("/proc/net/udp6", doctor->port, ret);
    if (ret->count == 0)
        return;
    proc = opendir("/proc");
    while (proc && (entry = readdir(proc))) {
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at_process((pid_t)strtol(entry->d_name, NULL, 10), doctor->pid, ret);
    }
    if (proc)
        closedir(proc);
}

static void add_stranger(struct pnd_doctor *doctor, const struct holder *holder)
{
    char fix[PND_DOCTOR_TEXT_CAP];

    if (holder->pid == 0) {
        pnd_doctor_add(doctor, "port",
                       geteuid() != 0 && doctor->server ? PND_DOCTOR_WARN : PND_DOCTOR_FAIL,
                       geteuid() != 0 ? "sudo panicctl doctor says which" : "",
                       "UDP port %u belongs to another program", doctor->port);
        return;
    }
    if (strcmp(holder->comm, "systemd") == 0)
        snprintf(fix, sizeof(fix), "systemctl start panicd, or stop panicd.socket");
    else if (strcmp(holder->comm, "panicd") == 0)
        snprintf(fix, sizeof(fix),
                 "name its directory: panicctl --directory DIR doctor; or stop "
                 "it: kill %ld",
                 (long)holder->pid);
    else
        snprintf(fix, sizeof(fix),
                 "stop it: kill %ld; or take another port: panicd --port 10690, "
                 "and panicd_port=10690 where senders are set up",
                 (long)holder->pid);
    pnd_doctor_add(doctor, "port", PND_DOCTOR_FAIL, fix, "UDP port %u belongs to %s (process %ld)",
                   doctor->port, holder->comm, (long)holder->pid);
}

void pnd_doctor_port(struct pnd_doctor *doctor)
{
    const char *protocol = pnd_doctor_protocol(doctor, doctor->port);
    unsigned own = 0, strangers = 0, unknown = 0;
    char name[PND_PRINT_NAME_CAP];
    struct holders holders;
    const json_t *at;
    size_t j;

    json_array_foreach(json_object_get(doctor->server, "listening"), j, at) own +=
        is_asked_about(doctor, at);
    find_holders(doctor, &holders);
    for (unsigned i = 0; i < holders.count; i++) {
        if (holders.at[i].server)
            own -= own > 0;
        else
            unknown += holders.at[i].pid == 0;
    }
    for (unsigned i = 0; i < holders.count; i++) {
        const struct holder *holder = &holders.at[i];

        /* whose sockets cannot be told may be the server's own */
        if (holder->server || (holder->pid == 0 && unknown <= own))
            continue;
        add_stranger(doctor, holder);
        strangers++;
    }
    if (strangers)
        return;
    if (protocol && strcmp(protocol, "kdp") != 0)
        pnd_doctor_add(doctor, "port", PND_DOCTOR_OK, "", "UDP port %u, for %s", doctor->port,
                       pnd_print_name(name, protocol));
    else if (doctor->server && doctor->port != PND_KDP_PORT)
        pnd_doctor_add(doctor, "port", doctor->port_given ? PND_DOCTOR_OK : PND_DOCTOR_WARN, "",
                       "UDP port %u: every sender has to be told, with panicd_port=%u",
                       doctor->port, doctor->port);
    else
        pnd_doctor_add(doctor, "port", PND_DOCTOR_OK, "", "UDP port %u%s", doctor->port,
                       doctor->server ? "" : " is free");
}

/* ---- other protocols ---- */

static void add_unheard(struct pnd_doctor *doctor)
{
    const json_t *at;
    size_t i;

    json_array_foreach(json_object_get(doctor->server, "not_listening"), i, at)
    {
        const char *protocol = json_string_value(json_object_get(at, "protocol"));
        const char *why = json_string_value(json_object_get(at, "why"));
        char name[PND_PRINT_NAME_CAP], reason[PND_PRINT_NAME_CAP];

        pnd_print_name(name, protocol ? protocol : "?");
        pnd_print_name(reason, why ? why : "?");
        pnd_doctor_add(doctor, "services", PND_DOCTOR_WARN, "", "nobody listens for %.32s: %.400s",
                       name, reason);
    }
}

void pnd_doctor_services(struct pnd_doctor *doctor)
{
    uint16_t asked = doctor->port;
    const json_t *at;
    size_t i;

    add_unheard(doctor);
    if (doctor->port_given)
        return;
    json_array_foreach(json_object_get(doctor->server, "listening"), i, at)
    {
        const char *protocol = json_string_value(json_object_get(at, "protocol"));
        json_int_t port = json_integer_value(json_object_get(at, "port"));

        if (!protocol || strcmp(protocol, "kdp") == 0 || port == asked || port == doctor->port ||
            port <= 0 || port > UINT16_MAX) /* another address of the same one comes next to it */
            continue;
        doctor->port = (uint16_t)port;
        pnd_doctor_firewall(doctor);
    }
    doctor->port = asked;
}

/* ---- from where it is heard ---- */

struct interfaces {
    char list[256]; /* "10.0.40.2 (eth0), ..." of those that are up, without loopback */
    char found[64]; /* the interface that has the address which was looked for */
    bool running, loopback;
};

static void read_interfaces(uint32_t wanted, struct interfaces *ret)
{
    struct ifaddrs *list = NULL;
    size_t used = 0;

    memset(ret, 0, sizeof(*ret));
    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
        char address[INET_ADDRSTRLEN], name[PND_PRINT_NAME_CAP];
        struct sockaddr_in sin;

        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&sin, at->ifa_addr, sizeof(sin));
        inet_ntop(AF_INET, &sin.sin_addr, address, sizeof(address));
        pnd_print_name(name, at->ifa_name);
        if (wanted && ntohl(sin.sin_addr.s_addr) == wanted) {
            snprintf(ret->found, sizeof(ret->found), "%.60s", name);
            ret->running = at->ifa_flags & IFF_RUNNING;
        }
        if (at->ifa_flags & IFF_LOOPBACK || !(at->ifa_flags & IFF_UP) || used >= sizeof(ret->list))
            continue;
        ret->running |= !wanted && at->ifa_flags & IFF_RUNNING;
        used += (size_t)snprintf(ret->list + used, sizeof(ret->list) - used, "%s%s (%.60s)",
                                 used ? ", " : "", address, name);
    }
    freeifaddrs(list);
}

static void check_all(struct pnd_doctor *doctor)
{
    struct interfaces interfaces;

    read_interfaces(0, &interfaces);
    if (!interfaces.list[0])
        pnd_doctor_add(doctor, "address", PND_DOCTOR_FAIL,
                       "ip -br address; give an interface an address, and take it up",
                       "no interface of this machine but loopback has an IPv4 address");
    else if (!interfaces.running)
        pnd_doctor_add(doctor, "address", PND_DOCTOR_WARN, "look at the cable: ip -br link",
                       "%s; no interface has a link", interfaces.list);
    else
        pnd_doctor_add(doctor, "address", PND_DOCTOR_OK, "", "%s", interfaces.list);
}

static void check_one(struct pnd_doctor *doctor, const char *address)
{
    char fix[PND_DOCTOR_TEXT_CAP], name[PND_PRINT_NAME_CAP];
    struct interfaces interfaces;
    struct in_addr addr;

    pnd_print_name(name, address);
    if (inet_pton(AF_INET, address, &addr) != 1) {
        pnd_doctor_add(doctor, "address", PND_DOCTOR_WARN, "panicd --address 0.0.0.0",
                       "%.64s is IPv6: a kernel that panics sends IPv4", name);
        return;
    }
    read_interfaces(ntohl(addr.s_addr), &interfaces);
    if (ntohl(addr.s_addr) >> 24 == 127) {
        snprintf(fix, sizeof(fix), "start panicd without --address, or with one of: %.300s",
                 interfaces.list[0] ? interfaces.list : "ip -br address");
        pnd_doctor_add(doctor, "address", PND_DOCTOR_FAIL, fix,
                       "it listens on %.64s only, which no other machine reaches", name);
    } else if (!interfaces.found[0]) {
        pnd_doctor_add(doctor, "address", PND_DOCTOR_FAIL, "start panicd without --address",
                       "it listens on %.64s, which no interface has", name);
    } else if (!interfaces.running) {
        pnd_doctor_add(doctor, "address", PND_DOCTOR_WARN, "look at the cable: ip -br link",
                       "%.64s (%s); it has no link", name, interfaces.found);
    } else {
        pnd_doctor_add(doctor, "address", PND_DOCTOR_OK, "", "%.64s (%s) only", name,
                       interfaces.found);
    }
}

void pnd_doctor_address(struct pnd_doctor *doctor)
{
    const json_t *at;
    size_t i, outside = 0;

    json_array_foreach(json_object_get(doctor->server, "listening"), i, at)
    {
        const char *address = json_string_value(json_object_get(at, "address"));

        if (is_asked_about(doctor, at) &&
            (!address || strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0)) {
            check_all(doctor);
            return;
        }
    }
    if (!doctor->server)
        check_all(doctor);
    json_array_foreach(json_object_get(doctor->server, "listening"), i, at)
    {
        const char *address = json_string_value(json_object_get(at, "address"));

        outside += is_asked_about(doctor, at) && strncmp(address, "127.", 4) != 0;
    }
    json_array_foreach(json_object_get(doctor->server, "listening"), i, at)
    {
        const char *address = json_string_value(json_object_get(at, "address"));

        if (is_asked_about(doctor, at) && (outside == 0 || strncmp(address, "127.", 4) != 0))
            check_one(doctor, address);
    }
}
