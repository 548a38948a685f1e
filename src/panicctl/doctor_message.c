/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: are people told? */
#include <inttypes.h>

#include "panicctl/doctor.h"
#include "panicctl/message.h"
#include "panicctl/print.h"

static void check_channel(struct pnd_doctor *doctor, const struct pnd_queue_channel *channel)
{
    char name[PND_PRINT_NAME_CAP], error[PND_PRINT_NAME_CAP], since[PND_PRINT_TIME_CAP],
        fix[PND_DOCTOR_TEXT_CAP];

    pnd_print_name(name, channel->name);
    snprintf(fix, sizeof(fix), "panicctl message test %s", channel->name);
    if (channel->failing_ms)
        pnd_doctor_add(doctor, "message", PND_DOCTOR_WARN, fix,
                       "%.40s is not told, since %s: %.200s; %" PRIu64 " wait", name,
                       pnd_print_time(since, channel->failing_ms),
                       pnd_print_name(error, channel->error), channel->waiting);
    else
        pnd_doctor_add(doctor, "message", PND_DOCTOR_OK, "",
                       "%.40s (%s): %" PRIu64 " sent, %" PRIu64 " waiting", name, channel->way,
                       channel->sent, channel->waiting);
}

void pnd_doctor_message(struct pnd_doctor *doctor)
{
    struct pnd_channels channels;
    struct pnd_why why = {0};

    if (!doctor->spool_open)
        return;
    if (pnd_channels_read(&doctor->ctl->spool, &channels, &why)) {
        pnd_doctor_add(doctor, "message", PND_DOCTOR_WARN, "sudo panicctl doctor",
                       "whether people are told cannot be told: %.300s", why.text);
        return;
    }
    if (channels.count && doctor->server && !channels.served)
        pnd_doctor_add(doctor, "message", PND_DOCTOR_WARN, "journalctl -u panicd",
                       "people are to be told, and the process that does it does not run");
    for (unsigned i = 0; i < channels.count; i++)
        check_channel(doctor, &channels.at[i]);
}
