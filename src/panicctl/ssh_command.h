/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a kdump set-up asks a server of SSH for, understood without a shell. A command is one to
 * PND_SSH_STEPS_MAX steps with "&&" or ";" between them, each of which is one of
 *
 *   umask OCTAL           mkdir -p DIR       mktemp -dqp DIR       rmdir DIR
 *   mv FROM TO            df --output=avail DIR
 *   cat > FILE            dd [bs=N] of=FILE
 *
 * with at most one of those of the last line, and it is the last step. A word is of letters,
 * digits, bytes above 127 and _ . / : , = + @ % ^ ~ -, or between quotes of either kind anything
 * printable but quotes, backslash, $ and `. Whatever else is refused as a whole: nothing of it is
 * done. @source PROTOCOL.md#streams-2 */
#ifndef PND_PANICCTL_SSH_COMMAND_H
#define PND_PANICCTL_SSH_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum {
    PND_SSH_COMMAND_MAX = 4095, /* bytes of a command */
    PND_SSH_STEPS_MAX = 4,
    PND_SSH_WORDS_MAX = 5, /* of a step */
    PND_SSH_PATH_CAP = 1024,
    PND_SSH_NAME_CAP = 192, /* of a dump */
};

enum pnd_ssh_asked {
    PND_SSH_NOTHING,   /* done with: say yes */
    PND_SSH_TEMPORARY, /* the path of a directory in it, on standard output */
    PND_SSH_ROOM,      /* what is free, in KiB, below a line of heading */
    PND_SSH_RECEIVE,   /* standard input goes into the file */
};

struct pnd_ssh_command {
    enum pnd_ssh_asked asked;    /* of the last step that asks for anything */
    char path[PND_SSH_PATH_CAP]; /* DIR or FILE of that step; "" for NOTHING */
};

/* @param text  NUL-terminated, of any bytes
 *   @return PND_OK; PND_E_NAME it is none of these; PND_E_RANGE it is longer than the limits */
int pnd_ssh_command_parse(const char *text, struct pnd_ssh_command *ret);

/* What becomes of a file. */
enum pnd_ssh_file {
    PND_SSH_FILE_DUMP,
    PND_SSH_FILE_TEXT, /* the kernel's log: a small dump of its own */
    PND_SSH_FILE_NONE, /* README.txt of openSUSE: read, and not kept */
};

/* The name of the dump: "/var/crash/10.0.40.7-202611231012/dump-incomplete.gz" is
 * "10.0.40.7-202611231012-dump.gz". @return which it is */
enum pnd_ssh_file pnd_ssh_command_name(const char *path, char ret[PND_SSH_NAME_CAP]);

#endif
