/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a line does, told over the releases: those in which the same happens are told together. */
#include <stdio.h>
#include <string.h>

#include "advice/known.h"
#include "advice/play.h"

enum { ARM_SINCE = 7195 };

static bool same(const struct pnd_story_cell *a, const struct pnd_story_cell *b)
{
    return strcmp(a->text[0], b->text[0]) == 0 && strcmp(a->text[1], b->text[1]) == 0;
}

static void play_cell(struct pnd_story *story, bool arm64, uint32_t xnu)
{
    struct pnd_story_cell *cell = &story->cells[arm64][story->counts[arm64]++];

    cell->xnu = xnu;
    for (unsigned i = 0; i < 2; i++) {
        pnd_play(story->line, xnu, story->trigger, arm64, i == 0, &story->play);
        memcpy(cell->text[i], story->play.at[0].text, sizeof(cell->text[i]));
    }
}

static void play_releases(struct pnd_story *story, bool arm64)
{
    const struct pnd_macos *release;
    unsigned count = 0;

    if (story->line->xnu_given) {
        play_cell(story, arm64, story->line->xnu);
        return;
    }
    while (pnd_macos(count))
        count++;
    while (count-- > 0) {
        release = pnd_macos(count);
        if (!arm64 || release->xnu >= ARM_SINCE)
            play_cell(story, arm64, release->xnu);
    }
}

/* Does a Mac of either kind do the same, wherever there are both? */
static bool kinds_agree(const struct pnd_story *story)
{
    if (story->counts[0] == 0 || story->counts[1] == 0)
        return true;
    for (unsigned i = 0; i < story->counts[0] && i < story->counts[1]; i++) {
        if (!same(&story->cells[0][i], &story->cells[1][i]))
            return false;
    }
    return true;
}

static void make_groups(struct pnd_story *story)
{
    bool agree = kinds_agree(story);

    for (unsigned kind = 0; kind < 2; kind++) {
        const struct pnd_story_cell *cells = story->cells[kind];

        if (kind == 1 && agree && story->counts[0] > 0)
            break;
        for (unsigned i = 0; i < story->counts[kind]; i++) {
            if (i > 0 && same(&cells[i - 1], &cells[i]))
                story->groups[story->group_count - 1].last = i;
            else
                story->groups[story->group_count++] = (struct pnd_story_group){
                    .first = i, .last = i, .arm64 = kind == 1, .both = agree};
        }
    }
}

void pnd_story_tell(const struct pnd_argline *line, enum pnd_trigger trigger, struct pnd_story *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->line = line;
    ret->trigger = trigger;
    if (line->x86_64)
        play_releases(ret, false);
    if (line->arm64 && (!line->xnu_given || line->xnu >= ARM_SINCE || !line->x86_64))
        play_releases(ret, true);
    make_groups(ret);
}

bool pnd_story_has_kind(const struct pnd_story *story, const struct pnd_story_group *group,
                        bool arm64)
{
    if (!group->both && group->arm64 != arm64)
        return false;
    if (arm64)
        return story->line->arm64 && story->cells[group->arm64][group->first].xnu >= ARM_SINCE;
    return story->line->x86_64;
}

void pnd_story_title(const struct pnd_story *story, const struct pnd_story_group *group,
                     char ret[PND_STORY_TITLE_CAP])
{
    const struct pnd_story_cell *cells = story->cells[group->arm64];
    uint32_t newest = cells[group->first].xnu, oldest = cells[group->last].xnu;
    const char *kind = group->both ? "" : group->arm64 ? ", Apple silicon" : ", Intel";

    if (story->line->xnu_given)
        snprintf(ret, PND_STORY_TITLE_CAP, "xnu %u (macOS %s)%s", newest, pnd_macos_of(newest),
                 kind);
    else if (group->first == 0)
        snprintf(ret, PND_STORY_TITLE_CAP, "macOS %s and newer%s", pnd_macos_of(oldest), kind);
    else if (newest == oldest)
        snprintf(ret, PND_STORY_TITLE_CAP, "macOS %s%s", pnd_macos_of(oldest), kind);
    else
        snprintf(ret, PND_STORY_TITLE_CAP, "macOS %s to %s%s", pnd_macos_of(oldest),
                 pnd_macos_of(newest), kind);
}

static const struct pnd_story_trigger triggers[] = {
    {PND_TRIGGER_PANIC, "On a panic the machine", "panic"},
    {PND_TRIGGER_NMI, "On an NMI (keys, button) it", "nmi"},
    {PND_TRIGGER_DEBUGGER, "When something calls Debugger() it", "debugger"},
};

enum { TRIGGER_COUNT = sizeof(triggers) / sizeof(triggers[0]) };

const struct pnd_story_trigger *pnd_story_trigger(unsigned index)
{
    return index < TRIGGER_COUNT ? &triggers[index] : NULL;
}
