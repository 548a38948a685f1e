/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any bytes as a finished dump: the check ends, and what it says makes sense by the measure that
 * the parent of the sandboxed child applies. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inspect/answer.h"
#include "inspect/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int fd = -1;
    struct pnd_check check = {0}, back = {0};
    uint8_t answer[PND_ANSWER_LEN];
    struct pnd_why why = {0};

    if (fd < 0)
        fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
        abort();
    if (pnd_check_file(fd, NULL, NULL, &check, NULL, &why) != PND_OK)
        abort();
    if (check.bytes != len || (check.verdict == PND_VERDICT_CORRUPT && check.offset > len))
        abort();
    pnd_answer_encode(PND_OK, &check, &why, answer);
    if (pnd_answer_decode(answer, sizeof(answer), &back, &why) != PND_OK)
        abort();
    if (strcmp(back.reason, check.reason) != 0 || back.missing_count != check.missing_count)
        abort();

    /* The same bytes as an answer: refused or sensible, never more. */
    if (pnd_answer_decode(data, len, &back, &why) == PND_OK && strlen(back.sha256) != 64)
        abort();
    return 0;
}
