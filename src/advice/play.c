/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a machine does with a line: pnd_decide() asked along every way that it can go, and that in
 * plain words. */
#include "advice/play.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *words; /* in JSON; "the machine ..." */
} steps[] = {
    [PND_STEP_LOCAL_CORE] = {"local-core", "writes a local core"},
    [PND_STEP_NET_CORE] = {"network-core", "sends a core to"},
    [PND_STEP_NET_LOG] = {"network-log", "sends the panic log to"},
    [PND_STEP_NET_SYSTEM_LOG] = {"network-system-log", "sends the system log to"},
    [PND_STEP_WAIT] = {"wait", "waits for a debugger, for ever"},
    [PND_STEP_CONTINUE] = {"continue", "goes on"},
    [PND_STEP_REBOOT] = {"restart", "restarts"},
    [PND_STEP_SPIN] = {"stand", "stands still"},
};

static bool is_dump(enum pnd_step step)
{
    return step < PND_STEP_WAIT;
}

static bool is_network(enum pnd_step step)
{
    return is_dump(step) && step != PND_STEP_LOCAL_CORE;
}

static void note(struct pnd_situation *now, enum pnd_step step, enum pnd_done done)
{
    if (step == PND_STEP_LOCAL_CORE)
        now->local = done;
    else if (step == PND_STEP_NET_CORE)
        now->net_core = done;
    else
        now->net_log = done;
}

/* A bare value says nothing of the server; then there is one. */
static bool has_server(const struct pnd_play *play)
{
    return play->args.server != 0;
}

static void ask(struct pnd_play *play)
{
    for (unsigned i = 0; i < PND_PLAY_NODES; i++) {
        unsigned ok = 2 * i + 1, failed = 2 * i + 2;
        enum pnd_step step;

        if (!play->at[i].used)
            continue;
        pnd_decide(&play->at[i].now, &play->at[i].decision);
        step = play->at[i].decision.step;
        if (!is_dump(step) || failed >= PND_PLAY_NODES)
            continue;
        play->at[ok].used = !is_network(step) || has_server(play);
        play->at[ok].now = play->at[failed].now = play->at[i].now;
        note(&play->at[ok].now, step, PND_DONE_OK);
        play->at[failed].used = true;
        note(&play->at[failed].now, step, PND_DONE_FAILED);
    }
}

static void words_of(const struct pnd_play *play, enum pnd_step step, char *ret, size_t cap)
{
    const struct pnd_bootargs *args = &play->args;
    const char *words = steps[step].words;

    if (!is_network(step))
        snprintf(ret, cap, "%s", words);
    else if (!has_server(play))
        snprintf(ret, cap, "tries to %.4s%s nobody, as _panicd_ip= is %s", words,
                 words + strlen("sends"), args->has_panicd_ip ? "no address" : "missing");
    else if (args->has_panicd_ip)
        snprintf(ret, cap, "%s %s", words, args->panicd_ip);
    else
        snprintf(ret, cap, "%s the server", words);
}

/* What is too long for the text is cut; a plan of two dumps and four ends is not. */
static void add(char *text, const char *part)
{
    size_t len = strlen(text);

    snprintf(text + len, PND_PLAY_TEXT_CAP - len, "%s", part);
}

static void tell(struct pnd_play *play, unsigned i)
{
    const struct pnd_decision *decision = &play->at[i].decision;
    unsigned ok = 2 * i + 1, failed = 2 * i + 2;
    const char *after = NULL, *otherwise = NULL;
    char words[128], *text = play->at[i].text;

    words_of(play, decision->step, words, sizeof(words));
    if (is_dump(decision->step) && failed < PND_PLAY_NODES) {
        otherwise = play->at[failed].text;
        after = play->at[ok].used ? play->at[ok].text : otherwise;
    }
    text[0] = '\0';
    add(text, words);
    if (!after)
        return;
    if (strcmp(after, otherwise) == 0) {
        add(text, ", then ");
    } else {
        add(text, "; if that succeeds, ");
        add(text, after);
        add(text, "; else ");
    }
    add(text, otherwise);
}

void pnd_play(const struct pnd_argline *line, uint32_t xnu, enum pnd_trigger trigger, bool arm64,
              bool corefile, struct pnd_play *ret)
{
    memset(ret, 0, sizeof(*ret));
    pnd_bootargs_read(line->text, xnu, &ret->args);
    if (line->value_only) {
        ret->args.has_match_name = true;
        ret->args.server = UINT32_MAX;
    }
    ret->at[0].used = true;
    ret->at[0].now = (struct pnd_situation){
        .args = &ret->args,
        .trigger = trigger,
        .arm64 = arm64,
        .transport = true,
        .corefile = corefile,
    };
    ask(ret);
    for (unsigned i = PND_PLAY_NODES; i-- > 0;) {
        if (ret->at[i].used)
            tell(ret, i);
    }
    if (!is_dump(ret->at[0].decision.step)) {
        add(ret->at[0].text, ": ");
        add(ret->at[0].text, ret->at[0].decision.why);
    }
}

const char *pnd_play_step_name(enum pnd_step step)
{
    return steps[step].name;
}
