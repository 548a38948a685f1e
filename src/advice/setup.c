/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is wanted for a machine, and whose steps those are. */
#include "advice/setup.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "advice/wish.h"

struct pnd_setup_step *pnd_setup_add(struct pnd_setup *setup, const char *title)
{
    struct pnd_setup_step *step = &setup->steps[setup->count++];

    assert(setup->count <= PND_SETUP_STEPS_MAX);
    memset(step, 0, sizeof(*step));
    step->title = title;
    return step;
}

void pnd_setup_about(struct pnd_setup *setup, const char *fmt, ...)
{
    unsigned at = setup->about_count++;
    va_list ap;

    assert(at < PND_SETUP_ABOUT_MAX);
    va_start(ap, fmt);
    vsnprintf(setup->about[at], PND_SETUP_TEXT_CAP, fmt, ap);
    va_end(ap);
}

void pnd_setup_add_doctor(struct pnd_setup *setup, const struct pnd_setup_want *want)
{
    struct pnd_setup_step *step = pnd_setup_add(setup, "Here: is the receiver ready?");
    char port[8] = "";

    if (want->port)
        snprintf(port, sizeof(port), ":%u", (unsigned)want->port);
    PND_SETUP_SAY(step->act, "sudo panicctl doctor --as-client %s%s", want->server, port);
    PND_SETUP_SAY(step->check, "no line says FAIL; what to type is below each that does. The last "
                               "line is about a small dump that went the whole way.");
}

/* ---- what is wanted ---- */

static const struct {
    const char *name;
    const char *(*steps)(const struct pnd_setup_want *want, struct pnd_setup *ret);
} systems[] = {
    {"macos", pnd_setup_macos},
    {"freebsd", pnd_setup_freebsd},
    {"linux", pnd_setup_linux},
    {"tftp", pnd_setup_tftp},
};

enum { SYSTEM_COUNT = sizeof(systems) / sizeof(*systems) };

void pnd_setup_want_init(struct pnd_setup_want *ret)
{
    *ret = (struct pnd_setup_want){.x86_64 = true, .arm64 = true};
}

static const char *set_system(struct pnd_setup_want *want, const char *value)
{
    for (size_t i = 0; i < SYSTEM_COUNT; i++) {
        if (strcmp(systems[i].name, value) == 0) {
            want->system = value;
            return NULL;
        }
    }
    return "--for takes macos, freebsd, linux or tftp";
}

static const char *set_arch(struct pnd_setup_want *want, const char *value)
{
    struct pnd_argline line;
    const char *wrong = pnd_argline_arch(&line, value);

    if (wrong)
        return wrong;
    want->x86_64 = line.x86_64;
    want->arm64 = line.arm64;
    return NULL;
}

const char *pnd_setup_want_set(struct pnd_setup_want *want, const char *name, const char *value)
{
    const struct {
        const char *name, **at;
    } texts[] = {{"server", &want->server},
                 {"interface", &want->interface},
                 {"client", &want->client},
                 {"gateway", &want->gateway},
                 {"release", &want->release}};
    const struct {
        const char *name;
        bool *at;
    } flags[] = {{"on-nmi", &want->on_nmi},
                 {"paniclog-only", &want->paniclog_only},
                 {"local", &want->local},
                 {"stay", &want->stay}};

    if (strcmp(name, "for") == 0)
        return set_system(want, value);
    if (strcmp(name, "arch") == 0)
        return set_arch(want, value);
    if (strcmp(name, "port") == 0)
        return pnd_advice_port(value, &want->port);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].at = value;
            return NULL;
        }
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (strcmp(flags[i].name, name) == 0) {
            *flags[i].at = true;
            return NULL;
        }
    }
    return "setup has no such option";
}

static bool is_address(const char *text)
{
    uint32_t address;

    return pnd_dotted_quad(text, &address) == PND_OK && address != 0;
}

/* Fit to stand in a command that somebody pastes. */
static bool is_interface(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= PND_ADVICE_INTERFACE_MAX && name[0] != '-' && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

/* @return NULL: every operand is one */
static const char *wrong_operand(const struct pnd_setup_want *want)
{
    if (want->server && !is_address(want->server))
        return "--server takes this machine's address, four decimal numbers with dots: "
               "--server 10.0.40.2";
    if (want->client && !is_address(want->client))
        return "--client takes the address of the machine that may panic: --client 10.0.40.7";
    if (want->gateway && !is_address(want->gateway))
        return "--gateway takes the router's address: --gateway 10.0.40.1";
    if (want->interface && !is_interface(want->interface))
        return "--interface takes the name of a wired interface of the machine that may panic: "
               "--interface en0";
    if (!want->server && !want->local)
        return "say who receives: --server 10.0.40.2, an address of this machine";
    /* a Linux machine has a route, and one program that finds what it leads to; so has, perhaps,
     * what sends by TFTP */
    if (want->server && !want->interface && strcmp(want->system, "linux") != 0 &&
        strcmp(want->system, "tftp") != 0)
        return "say which interface the machine that may panic sends with: --interface en0";
    return NULL;
}

const char *pnd_setup_make(const struct pnd_setup_want *want, struct pnd_setup *ret)
{
    const char *wrong = wrong_operand(want);
    size_t i = 0;

    memset(ret, 0, sizeof(*ret));
    if (wrong)
        return wrong;
    while (i + 1 < SYSTEM_COUNT && strcmp(systems[i].name, want->system) != 0)
        i++;
    return systems[i].steps(want, ret);
}
