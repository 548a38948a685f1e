/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a group is shown: for groups, note and watch. */
#ifndef PND_PANICCTL_GROUPS_H
#define PND_PANICCTL_GROUPS_H

#include <jansson.h>

#include "panicctl/panicctl.h"
#include "store/catalog_facts.h"

enum { PND_GROUP_TEXT_CAP = 4 * PND_GROUP_NOTE_MAX + 4 }; /* a title or note, escaped */

#endif
