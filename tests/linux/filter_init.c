/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /init of a crash kernel: says what filtered dumps of the true /proc/vmcore would be - their size,
 * their CRC-32, and what they took - and then becomes /sender/init, which sends everything. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "capture/content.h"
#include "host/clock.h"
#include "wire/crc32.h"

static uint32_t crc;
static uint64_t bytes;

static int sum(void *ctx, const void *buf, size_t len)
{
    (void)ctx;
    crc = pnd_crc32(crc, buf, len);
    bytes += len;
    return PND_OK;
}

/* The most memory this process has had, in KiB. */
static unsigned long most_memory(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    unsigned long kib = 0;
    char line[256];

    while (status && fgets(line, sizeof(line), status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoul(line + 6, NULL, 10);
    if (status)
        fclose(status);
    return kib;
}

static void filter(struct pnd_vmcore_file *file, unsigned level)
{
    struct pnd_sink sink = {.write = sum};
    struct pnd_content content;
    struct pnd_why why = {.text = ""};
    uint64_t start_us = pnd_clock_us(), chosen_us;
    int err = pnd_content_filtered(file, level, &content, &why);

    chosen_us = pnd_clock_us() - start_us;
    crc = 0;
    bytes = 0;
    start_us = pnd_clock_us();
    if (!err)
        err = content.write(content.ctx, &sink);
    printf("lab: filter %u: %s %s: %" PRIu64 " bytes, CRC %08" PRIx32 ", chosen in %" PRIu64
           " us, written in %" PRIu64 " us, %lu KiB\n",
           level, pnd_err_text(err), why.text, bytes, crc, chosen_us, pnd_clock_us() - start_us,
           most_memory());
}

int main(void)
{
    static struct pnd_vmcore_file file;
    struct pnd_why why = {.text = ""};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (mount("proc", "/proc", "proc", 0, NULL) < 0 ||
        pnd_vmcore_file_open(&file, "/proc/vmcore", &why) != PND_OK) {
        printf("lab: filter: /proc/vmcore: %s\n", why.text);
        return 1;
    }
    filter(&file, 30);
    filter(&file, 31);
    filter(&file, 1);
    pnd_vmcore_file_close(&file);
    execl("/sender/init", "/sender/init", (char *)NULL);
    printf("lab: filter: /sender/init cannot be run\n");
    return 1;
}
