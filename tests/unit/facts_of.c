/* SPDX-License-Identifier: BSD-2-Clause
 *
 * facts-of FILE [LOG]: what the caged child says of a file, as JSON on stdout: {"verdict",
 * "format", "reason", "note", "facts"}, and the kernel's log into the file LOG. For tests that
 * compare with what other programs say. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "inspect/check.h"

static const char *verdict_name(enum pnd_verdict verdict)
{
    return verdict == PND_VERDICT_COMPLETE     ? "complete"
           : verdict == PND_VERDICT_INCOMPLETE ? "incomplete"
                                               : "corrupt";
}

static int save_log(const struct pnd_facts *facts, const char *path)
{
    FILE *f = fopen(path, "we");
    bool good = f && fwrite(facts->log ? facts->log : "", 1, facts->log_len, f) == facts->log_len;

    return f && fclose(f) == 0 && good ? 0 : 2;
}

int main(int argc, char **argv)
{
    static struct pnd_check check;
    struct pnd_facts facts = {0};
    struct pnd_why why = {0};
    json_t *answer, *inner;
    int fd, err, status = 0;

    pnd_check_child_main(argc, argv);
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: facts-of FILE [LOG]\n");
        return 2;
    }
    fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "facts-of: open %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    err = pnd_check_run(fd, NULL, NULL, &check, &facts, &why);
    if (err) {
        fprintf(stderr, "facts-of: %s: %s\n", argv[1], why.text);
        return 2;
    }
    inner = pnd_facts_to_json(&facts, false);
    answer = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "verdict", verdict_name(check.verdict),
                       "format", check.format, "reason", check.reason, "note", check.note, "bytes",
                       (json_int_t)check.bytes, "facts", inner);
    if (!answer || json_dumpf(answer, stdout, JSON_INDENT(1)) != 0)
        status = 2;
    if (argc == 3 && status == 0)
        status = save_log(&facts, argv[2]);
    json_decref(answer);
    pnd_facts_deinit(&facts);
    return status;
}
