/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The child's message; see answer.h. */
#include "inspect/answer.h"

#include <limits.h>
#include <string.h>

#include "wire/cursor.h"

#define ANSWER_MAGIC UINT32_C(0x504e4431) /* "PND1" */

enum {
    HEX_LEN = 64,
    RANGE_LEN = 16,
    FIXED_LEN = 4 + 4 + 4 + 8 + 8 + 8 + 4, /* magic, err, verdict, three sizes, count */
    TEXTS_LEN = sizeof(((struct pnd_check *)0)->format) + sizeof(((struct pnd_check *)0)->reason) +
                sizeof(((struct pnd_check *)0)->note) + sizeof(((struct pnd_check *)0)->sha256) +
                sizeof(((struct pnd_why *)0)->text),
};

_Static_assert(PND_ANSWER_LEN == FIXED_LEN + TEXTS_LEN + RANGE_LEN * PND_CHECK_MISSING_CAP,
               "no byte is left over");
_Static_assert(PND_ANSWER_LEN <= PIPE_BUF, "a pipe takes it whole");

void pnd_answer_encode(int err, const struct pnd_check *check, const struct pnd_why *why,
                       uint8_t ret[PND_ANSWER_LEN])
{
    struct pnd_wr wr = pnd_wr(ret, PND_ANSWER_LEN);

    memset(ret, 0, PND_ANSWER_LEN);
    pnd_wr_be32(&wr, ANSWER_MAGIC);
    pnd_wr_be32(&wr, err ? 1 : 0);
    pnd_wr_be32(&wr, (uint32_t)check->verdict);
    pnd_wr_be64(&wr, check->offset);
    pnd_wr_be64(&wr, check->bytes);
    pnd_wr_be64(&wr, check->content_bytes);
    pnd_wr_be32(&wr, check->missing_count);
    pnd_wr_bytes(&wr, check->format, sizeof(check->format));
    pnd_wr_bytes(&wr, check->reason, sizeof(check->reason));
    pnd_wr_bytes(&wr, check->note, sizeof(check->note));
    pnd_wr_bytes(&wr, check->sha256, sizeof(check->sha256));
    pnd_wr_bytes(&wr, why->text, sizeof(why->text));
    for (size_t i = 0; i < PND_CHECK_MISSING_CAP; i++) {
        pnd_wr_be64(&wr, check->missing[i].start);
        pnd_wr_be64(&wr, check->missing[i].end);
    }
}

/* Text of @p cap bytes: printable ASCII, ended by a NUL. */
static void read_text(struct pnd_rd *rd, char *ret, size_t cap)
{
    const uint8_t *p = pnd_rd_bytes(rd, cap);

    for (size_t i = 0; p && i < cap; i++) {
        if (p[i] == '\0') {
            memcpy(ret, p, i + 1);
            return;
        }
        if (p[i] < 0x20 || p[i] > 0x7e)
            break;
    }
    rd->bad = true;
}

static bool is_hash(const char *hex)
{
    return strspn(hex, "0123456789abcdef") == HEX_LEN && hex[HEX_LEN] == '\0';
}

static bool makes_sense(const struct pnd_check *check)
{
    bool complete = check->verdict == PND_VERDICT_COMPLETE;

    if (!is_hash(check->sha256) || check->format[0] == '\0')
        return false;
    if (complete != (check->reason[0] == '\0'))
        return false;
    if ((check->verdict == PND_VERDICT_INCOMPLETE) != (check->missing_count > 0))
        return false;
    if (check->verdict == PND_VERDICT_CORRUPT && check->offset > check->bytes)
        return false;
    for (unsigned i = 0; i < check->missing_count; i++) {
        if (check->missing[i].start >= check->missing[i].end)
            return false;
    }
    return true;
}

static bool read_ranges(struct pnd_rd *rd, struct pnd_check *check)
{
    for (size_t i = 0; i < PND_CHECK_MISSING_CAP; i++) {
        check->missing[i].start = pnd_rd_be64(rd);
        check->missing[i].end = pnd_rd_be64(rd);
    }
    return check->missing_count <= PND_CHECK_MISSING_CAP;
}

int pnd_answer_decode(const void *msg, size_t len, struct pnd_check *ret, struct pnd_why *why)
{
    struct pnd_rd rd = pnd_rd(msg, len);
    struct pnd_check check = {0};
    struct pnd_why said = {0};
    uint32_t magic = pnd_rd_be32(&rd), failed = pnd_rd_be32(&rd), verdict = pnd_rd_be32(&rd);
    bool ok;

    check.offset = pnd_rd_be64(&rd);
    check.bytes = pnd_rd_be64(&rd);
    check.content_bytes = pnd_rd_be64(&rd);
    check.missing_count = pnd_rd_be32(&rd);
    read_text(&rd, check.format, sizeof(check.format));
    read_text(&rd, check.reason, sizeof(check.reason));
    read_text(&rd, check.note, sizeof(check.note));
    read_text(&rd, check.sha256, sizeof(check.sha256));
    read_text(&rd, said.text, sizeof(said.text));
    ok = read_ranges(&rd, &check) && pnd_rd_ok(&rd) && len == PND_ANSWER_LEN;

    if (!ok || magic != ANSWER_MAGIC || failed > 1 || verdict > PND_VERDICT_CORRUPT)
        return pnd_why(why, PND_E_FORMAT, 0, "the check process gave no proper answer");
    if (failed)
        return pnd_why(why, PND_E_SYS, 0, "%s", said.text);
    check.verdict = (enum pnd_verdict)verdict;
    if (!makes_sense(&check))
        return pnd_why(why, PND_E_FORMAT, 0, "the check process gave an answer without sense");
    *ret = check;
    return PND_OK;
}
