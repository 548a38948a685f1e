/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a machine does with a line: on one release, and told over all of them. */
#ifndef PND_ADVICE_PLAY_H
#define PND_ADVICE_PLAY_H

#include "advice/argline.h"

enum {
    PND_PLAY_NODES = 7, /* two dumps with two results each, and their ends */
    PND_PLAY_TEXT_CAP = 640,
    PND_STORY_RELEASES_MAX = 20,
    PND_STORY_GROUPS_MAX = PND_STORY_RELEASES_MAX * 2,
    PND_STORY_TITLE_CAP = 80,
};

/* Every way that pnd_decide() can go. Behind a dump at i, 2 i + 1 is what comes when it succeeded,
 * 2 i + 2 when it failed. */
struct pnd_play {
    struct {
        bool used;
        struct pnd_situation now;
        struct pnd_decision decision;
        char text[PND_PLAY_TEXT_CAP]; /* from here on, as a sentence without its subject */
    } at[PND_PLAY_NODES];
    struct pnd_bootargs args;
};

void pnd_play(const struct pnd_argline *line, uint32_t xnu, enum pnd_trigger trigger, bool arm64,
              bool corefile, struct pnd_play *ret);

/* "local-core", "network-core", ..., "stand": for programs. */
const char *pnd_play_step_name(enum pnd_step step);

struct pnd_story_cell {
    uint32_t xnu;
    char text[2][PND_PLAY_TEXT_CAP]; /* with, without a file for the local core */
};

/* Releases next to each other, newest first, in which the same happens. */
struct pnd_story_group {
    unsigned first, last; /* of cells: the newest, the oldest */
    bool arm64;
    bool both; /* holds for either kind of machine */
};

/* What follows a trigger: in the line's train, or over the releases when none was given. */
struct pnd_story {
    const struct pnd_argline *line;
    enum pnd_trigger trigger;
    struct pnd_story_cell cells[2][PND_STORY_RELEASES_MAX]; /* [arm64]; newest first */
    unsigned counts[2];
    struct pnd_story_group groups[PND_STORY_GROUPS_MAX];
    unsigned group_count;
    struct pnd_play play; /* the last that was asked */
};

/* @p line outlives @p ret. */
void pnd_story_tell(const struct pnd_argline *line, enum pnd_trigger trigger,
                    struct pnd_story *ret);

/* Is a Mac of this kind one that the group speaks of? */
bool pnd_story_has_kind(const struct pnd_story *story, const struct pnd_story_group *group,
                        bool arm64);

/* "macOS 10.14 and newer, Intel" */
void pnd_story_title(const struct pnd_story *story, const struct pnd_story_group *group,
                     char ret[PND_STORY_TITLE_CAP]);

struct pnd_story_trigger {
    enum pnd_trigger trigger;
    const char *title, *name; /* "On a panic the machine", "panic" */
};

/* What can set a dump off. @return NULL when @p index is past the last */
const struct pnd_story_trigger *pnd_story_trigger(unsigned index);

#endif
