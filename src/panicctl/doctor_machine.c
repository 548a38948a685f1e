/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl doctor: the machine's clock, and its receive buffers. @source adjtimex(2), socket(7) */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "host/guard.h"
#include "host/text.h"
#include "panicctl/doctor.h"

#define RECEIVE_BUFFER (UINT64_C(8) << 20) /* what panicd asks for */

enum { YEAR_FIRST = 2026 }; /* before it, there was no panicd */

static int year_now(void)
{
    time_t now = time(NULL);
    struct tm tm;

    return gmtime_r(&now, &tm) ? tm.tm_year + 1900 : 0;
}

void pnd_doctor_clock(struct pnd_doctor *doctor)
{
    struct timex timex = {0};
    int state = adjtimex(&timex);

    if (year_now() < YEAR_FIRST)
        pnd_doctor_add(doctor, "clock", PND_DOCTOR_FAIL, "timedatectl set-ntp true",
                       "it says %d: the times of dumps would be wrong", year_now());
    else if (state < 0)
        pnd_doctor_add(doctor, "clock", PND_DOCTOR_WARN, "",
                       "whether it is synchronised cannot be told here: %s", strerror(errno));
    else if (state == TIME_ERROR || timex.status & STA_UNSYNC)
        pnd_doctor_add(doctor, "clock", PND_DOCTOR_WARN, "timedatectl set-ntp true",
                       "nothing synchronises it: the times of dumps are as good as it is");
    else
        pnd_doctor_add(doctor, "clock", PND_DOCTOR_OK, "", "synchronised");
}

void pnd_doctor_buffer(struct pnd_doctor *doctor)
{
    const json_t *counters = json_object_get(doctor->server, "counters");
    json_int_t drops = json_integer_value(json_object_get(counters, "receive_drops"));
    PND_AUTO_FCLOSE FILE *file = fopen("/proc/sys/net/core/rmem_max", "re");
    char text[32] = "", bytes[PND_TEXT_BYTES_CAP], fix[PND_DOCTOR_TEXT_CAP];
    uint64_t most = 0;

    if (file && fgets(text, sizeof(text), file))
        text[strcspn(text, "\n")] = '\0';
    snprintf(fix, sizeof(fix), "sysctl -w net.core.rmem_max=%llu, and restart panicd",
             (unsigned long long)RECEIVE_BUFFER);
    if (drops > 0)
        pnd_doctor_add(doctor, "buffer", PND_DOCTOR_WARN, fix,
                       "%lld packets came faster than they were read, and had to be sent again",
                       (long long)drops);
    else if (pnd_text_parse_uint(text, &most))
        pnd_doctor_add(doctor, "buffer", PND_DOCTOR_OK, "",
                       "no packet was lost; net.core.rmem_max cannot be read here");
    else if (most < RECEIVE_BUFFER)
        pnd_doctor_add(doctor, "buffer", PND_DOCTOR_WARN, fix,
                       "net.core.rmem_max is %s: less than panicd asks for, when many send at once",
                       pnd_text_bytes(bytes, sizeof(bytes), most));
    else
        pnd_doctor_add(doctor, "buffer", PND_DOCTOR_OK, "", "net.core.rmem_max is %s",
                       pnd_text_bytes(bytes, sizeof(bytes), most));
}
