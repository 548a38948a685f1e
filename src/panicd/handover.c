/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/handover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/log.h"
#include "image/kdh.h"
#include "panicd/protocol.h"
#include "store/beside.h"
#include "store/paths.h"
#include "store/savecore.h"

/* The directory of dumps is where it will run, so that a relative path would mean something else
 * then. */
int pnd_handover_configure(const char *option, struct pnd_config *config, struct pnd_why *why)
{
    if (option) {
        char *path = realpath(option, NULL);
        bool fits = path && strlen(path) < sizeof(config->hook);

        if (fits)
            memcpy(config->hook, path, strlen(path) + 1);
        else if (path)
            errno = ENAMETOOLONG;
        free(path);
        if (!fits)
            return pnd_why(why, PND_E_SYS, errno, "--hook %s", option);
    }
    if (!config->hook[0])
        return PND_OK;
    if (config->hook[0] != '/')
        return pnd_why(why, PND_E_FORMAT, 0, "netdump-hook %s: write its absolute path",
                       config->hook);
    if (access(config->hook, X_OK) < 0)
        return pnd_why(why, PND_E_SYS, errno, "netdump-hook %s cannot be run", config->hook);
    return PND_OK;
}

int pnd_handover_open(const struct pnd_config *config, const struct pnd_spool *spool,
                      struct pnd_handover *ret, struct pnd_why *why)
{
    struct pnd_handover handover = {.names = config->names, .paths = config->paths};

    if (!config->hook[0]) {
        pnd_hook_forget(spool);
    } else {
        int err = pnd_hook_start(spool, config->hook, config->hook_ms, &handover.hook, why);

        if (err)
            return err;
        if (handover.names == PND_CONFIG_NAMES_OWN) /* it is told of an info, which needs a name */
            handover.names = PND_CONFIG_NAMES_NETDUMP;
    }
    *ret = handover;
    return PND_OK;
}

void pnd_handover_close(struct pnd_handover *handover)
{
    pnd_hook_stop(handover->hook);
    handover->hook = NULL;
}

/* What a person has imported is that person's, and a log is no core. */
static bool concerns(const struct pnd_handover *handover, const struct pnd_dump *dump)
{
    static const char log[] = "panic-log";
    size_t len = strlen(dump->format);

    if (handover->names == PND_CONFIG_NAMES_ALL)
        return strcmp(dump->protocol, "import") != 0 &&
               (len < sizeof(log) - 1 || strcmp(dump->format + len - (sizeof(log) - 1), log) != 0);
    return handover->names == PND_CONFIG_NAMES_NETDUMP && strcmp(dump->protocol, "netdump") == 0;
}

static void call_hook(const struct pnd_handover *handover, const struct pnd_dump *dump,
                      const struct pnd_savecore_names *names)
{
    struct pnd_hook_call call = {.id = dump->id};
    struct pnd_why why;

    snprintf(call.reason, sizeof(call.reason), "%s", pnd_savecore_outcome(dump));
    snprintf(call.address, sizeof(call.address), "%s", dump->peer);
    memcpy(call.host, names->host, sizeof(call.host));
    memcpy(call.info, names->info, sizeof(call.info));
    memcpy(call.core, dump->file, sizeof(call.core));
    if (pnd_hook_queue(handover->hook, &call, &why))
        pnd_log(PND_ERR, "hook-lost", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
}

/* What has been received with the dump. */
struct received {
    uint8_t header[PND_KDH_BYTES], key[PND_SAVECORE_KEY_MAX];
};

static void read_beside(const struct pnd_spool *spool, const char *file, struct received *received,
                        struct pnd_savecore_beside *ret)
{
    if (pnd_beside_read(spool, file, PND_BESIDE_HEADER, received->header, sizeof(received->header),
                        &ret->header_len) == PND_OK)
        ret->header = received->header;
    if (pnd_beside_read(spool, file, PND_BESIDE_KEY, received->key, sizeof(received->key),
                        &ret->key_len) == PND_OK)
        ret->key = received->key;
}

/* @return false: a person has removed it meanwhile */
static bool hand_over(const struct pnd_handover *handover, const struct pnd_spool *spool,
                      const struct pnd_savecore_beside *beside, struct pnd_dump *dump)
{
    struct pnd_savecore_names names = {0};
    struct pnd_why why = {0};
    int err = pnd_savecore_place(spool, beside, dump, &names, &why);

    if (err)
        pnd_log(PND_ERR, "names-failed", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
    if (err == PND_E_NOTFOUND)
        return false;
    if (!names.host[0])
        pnd_savecore_host(beside, dump, names.host);
    if (handover->hook)
        call_hook(handover, dump, &names);
    return true;
}

/* @return as hand_over() */
static bool give_names(const struct pnd_handover *handover, const struct pnd_spool *spool,
                       const struct pnd_facts *facts, struct pnd_dump *dump)
{
    struct pnd_savecore_beside beside = {.facts = facts};
    struct received *received = malloc(sizeof(*received));
    bool there;

    if (!received) { /* its names need its header */
        pnd_log(PND_ERR, "names-failed", "id=%" PRIu64 " why=\"no memory\"", dump->id);
        return true;
    }
    read_beside(spool, dump->file, received, &beside);
    there = hand_over(handover, spool, &beside, dump);
    free(received);
    return there;
}

/* The path of the herald, which stands in the dump's name before the one that it got here; that is
 * missing when there was no room for it. @return PND_OK; PND_E_NAME */
static int path_of(const struct pnd_dump *dump, char ret[PND_PATHS_PATH_CAP], struct pnd_why *why)
{
    const char *slash = strrchr(dump->name, '/');
    const char *file = slash ? slash + 1 : dump->name, *prefix = pnd_protocol_netdump.prefix;
    char path[sizeof(dump->name)];

    if (strncmp(file, prefix, strlen(prefix)) != 0)
        return pnd_why(why, PND_E_NAME, 0, "its path has more than %d bytes",
                       PND_PATHS_PATH_CAP - 1);
    snprintf(path, sizeof(path), "%.*s", (int)(slash ? slash + 1 - dump->name : 0), dump->name);
    return pnd_paths_clean(path, ret, why);
}

/* Into its directory. A number can have been a removed dump's: what that one had goes. */
static void give_directory(const struct pnd_handover *handover, const struct pnd_spool *spool,
                           const struct pnd_dump *dump)
{
    char path[PND_PATHS_PATH_CAP] = "";
    struct pnd_why why = {0};
    int err = PND_OK;

    if (!dump->protocol[0]) /* nothing is known of it but its file */
        return;
    if (handover->paths && strcmp(dump->protocol, pnd_protocol_netdump.name) == 0)
        err = path_of(dump, path, &why);
    if (err || !path[0])
        (void)pnd_paths_remove(spool, dump->file, NULL);
    else
        err = pnd_paths_place(spool, dump->file, path, &why);
    if (err && err != PND_E_NOTFOUND)
        pnd_log(PND_WARNING, "path-refused", "id=%" PRIu64 " why=\"%s\"", dump->id, why.text);
}

void pnd_handover_judged(const struct pnd_handover *handover, const struct pnd_spool *spool,
                         const struct pnd_facts *facts, struct pnd_dump *dump)
{
    if (!handover)
        return;
    if (!concerns(handover, dump) || give_names(handover, spool, facts, dump))
        give_directory(handover, spool, dump);
}

void pnd_handover_concluded(const struct pnd_handover *handover)
{
    if (handover)
        pnd_hook_go(handover->hook);
}
