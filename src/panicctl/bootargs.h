/* SPDX-License-Identifier: BSD-2-Clause
 *
 * "panicctl bootargs": the line that was typed, what is known of its words, what a machine does
 * with it, and what is wrong with it. Nothing here needs a directory of dumps. */
#ifndef PND_PANICCTL_BOOTARGS_H
#define PND_PANICCTL_BOOTARGS_H

#include <jansson.h>

#include "panicctl/panicctl.h"
#include "panicd/bootargs.h"

enum {
    PND_ARGLINE_CAP = 2048, /* the line, with its NUL */
    PND_PLAY_NODES = 7,     /* two dumps with two results each, and their ends */
    PND_PLAY_TEXT_CAP = 640,
    PND_LINT_MAX = 64,
    PND_LINT_TEXT_CAP = 512,
};

/* ---- the line ---- */

struct pnd_argline {
    char text[PND_ARGLINE_CAP];
    bool value_only; /* only a value of debug= was typed: what else is needed is taken for given */
    bool xnu_given;
    uint32_t xnu;
    bool x86_64, arm64; /* the machines that are asked about */
};

/* The words behind a sub-verb and its options. Options begin with two dashes, because a boot-arg
 * may begin with one.
 *   @return -1 go on; else leave with this exit code */
int pnd_argline_read(struct pnd_ctl *ctl, int argc, char **argv, struct pnd_argline *ret);

/* "--xnu" and "--arch". @return -1 go on; else leave with this exit code, it was said why */
int pnd_argline_xnu(struct pnd_argline *line, const char *text);
int pnd_argline_arch(struct pnd_argline *line, const char *text);

struct pnd_argline_word {
    const char *text; /* in the line; not NUL-terminated */
    size_t len, name_len;
    bool has_value; /* there is a "=" behind the name */
};

/* The next word from @p at on, which moves behind it. @return false at the end */
bool pnd_argline_next(const char **at, struct pnd_argline_word *ret);

/* ---- what is known ---- */

enum pnd_arg_kind { PND_ARG_TEXT, PND_ARG_NUMBER, PND_ARG_FLAG };

struct pnd_arg {
    const char *name;
    enum pnd_arg_kind kind;
    uint16_t since; /* the first train that reads it; 0: not known */
    bool network;   /* has a meaning only for a dump to the network */
    const char *meaning;
};

/* @return NULL when @p index is past the last */
const struct pnd_arg *pnd_arg(unsigned index);
/* @return NULL when it is not known */
const struct pnd_arg *pnd_arg_find(const char *name, size_t len);

struct pnd_macos {
    uint16_t xnu;
    const char *name;
};

/* The releases from 10.5 on, oldest first. @return NULL when @p index is past the last */
const struct pnd_macos *pnd_macos(unsigned index);
/* Which release has this train, or came out with it: "10.0" to "15". */
const char *pnd_macos_of(uint32_t xnu);
const char *pnd_macos_after(uint32_t xnu); /* the one behind it */

/* The bits that ask for a core or a log. */
enum {
    PND_DEBUG_DUMPS = PND_DB_KERN_DUMP_ON_PANIC | PND_DB_KERN_DUMP_ON_NMI | PND_DB_PANICLOG_DUMP,
};

/* ---- what the machine does ---- */

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
json_t *pnd_play_json(const struct pnd_play *play);

/* ---- what is wanted ---- */

struct pnd_wish {
    bool network, local; /* where to */
    bool on_panic, on_nmi, reboot, paniclog, stay, keys, no_gzip, keepsyms;
    const char *server, *interface; /* NULL: not given */
    uint64_t port;                  /* 0: not given */
    struct pnd_argline line;        /* for which train, and which machines */
};

/* Two wishes that exclude each other, what the train has not, an operand that is none.
 *   @return NULL: the wish can be met; else why not, for a person */
const char *pnd_wish_wrong(const struct pnd_wish *wish);

/* Of a wish that can be met: the value of debug=, and the whole line in @p cap bytes
 * (PND_ARGLINE_CAP is enough). pnd_lint() finds nothing in it. */
uint32_t pnd_wish_value(const struct pnd_wish *wish);
void pnd_wish_line(const struct pnd_wish *wish, char *ret, size_t cap);

/* ---- what is wrong ---- */

struct pnd_lint_finding {
    const char *trap; /* its short name */
    char text[PND_LINT_TEXT_CAP], instead[PND_LINT_TEXT_CAP];
};

struct pnd_lint {
    struct pnd_lint_finding at[PND_LINT_MAX];
    unsigned count;
    uint32_t debug, debug_instead; /* equal: nothing to change in the value */
};

void pnd_lint(const struct pnd_argline *line, struct pnd_lint *ret);
void pnd_lint_print(const struct pnd_lint *lint);
json_t *pnd_lint_json(const struct pnd_lint *lint);

/* ---- printing and the sub-verbs ---- */

/* @p text in lines of at most 79 columns: the first begins with @p head, the others with as many
 * blanks as @p indent says. */
void pnd_bootargs_wrap(const char *head, unsigned indent, const char *text);

/* @p argv[0] is the sub-verb. @return enum pnd_exit */
int pnd_bootargs_decode(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_bootargs_lint(struct pnd_ctl *ctl, int argc, char **argv);
int pnd_bootargs_encode(struct pnd_ctl *ctl, int argc, char **argv);

#endif
