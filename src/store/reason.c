/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/reason.h"

#include <stddef.h>
#include <string.h>

/* As the sessions, the policy, the keeper and the tools say it; a row may hold more behind it. */
static const struct {
    const char *start;
    enum pnd_reason reason;
} known[] = {
    {"the sender fell silent", PND_REASON_SENDER},
    {"the sender gave up", PND_REASON_SENDER},
    {"the sender started another dump", PND_REASON_SENDER},
    {"the sender began this dump anew", PND_REASON_SENDER},
    {"another dump of this id is complete here", PND_REASON_SENDER},
    {"the server ended before the dump did", PND_REASON_RESTART},
    {"its receiver was killed while it came", PND_REASON_RESTART},
    {"disk full", PND_REASON_ROOM},
    {"too many dumps arrive at this moment", PND_REASON_ROOM},
    {"this address has its share of the disk", PND_REASON_ROOM},
    {"the room for dumps is used up", PND_REASON_ROOM},
    {"the dump is larger than the server allows", PND_REASON_ROOM},
    {"SEEK beyond the size that the server allows", PND_REASON_ROOM},
    {"the file system cannot hold a file of this size", PND_REASON_ROOM},
    {"the server cannot write its disk", PND_REASON_DISK},
    {"the dump could not be made durable", PND_REASON_DISK},
    {"could not be made durable", PND_REASON_DISK},
    {"packets were lost that the sender took for acknowledged", PND_REASON_LOST},
    {"nothing came for the start of the dump", PND_REASON_LOST},
    {"parts of the dump were never sent", PND_REASON_LOST},
    {"the file ended before its announced size", PND_REASON_LOST},
    {"bytes came from behind the end of the dump", PND_REASON_LOST},
    {"what arrived is not what was sent", PND_REASON_LOST},
};

static const char *const names[PND_REASONS] = {
    [PND_REASON_SENDER] = "sender", [PND_REASON_RESTART] = "restart",
    [PND_REASON_ROOM] = "room",     [PND_REASON_DISK] = "disk",
    [PND_REASON_LOST] = "lost",     [PND_REASON_CONTENT] = "content",
};

enum pnd_reason pnd_reason_of(const char *reason)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strncmp(reason, known[i].start, strlen(known[i].start)) == 0)
            return known[i].reason;
    return PND_REASON_CONTENT;
}

const char *pnd_reason_name(enum pnd_reason reason)
{
    return names[reason];
}
