/* SPDX-License-Identifier: BSD-2-Clause
 *
 * panicctl extract: kernel dumps that a machine wrote to its own disk. A source has places - the
 * partitions made for dumps, or all of it - and a place has files. Places are those of Apple's
 * disk corefile (extract_apple.c) and of FreeBSD's dumps (extract_freebsd.c). Nothing here writes
 * to a source, which is open for reading only. */
#ifndef PND_PANICCTL_EXTRACT_H
#define PND_PANICCTL_EXTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "facts/facts.h"
#include "panicctl/panicctl.h"
#include "panicctl/private_key.h"
#include "wire/corefile.h"

enum {
    PND_EXTRACT_PLACES_CAP = 16,
    PND_EXTRACT_FILES_CAP = PND_COREFILE_FILES_CAP + 1, /* and the log */
    PND_EXTRACT_NAME_CAP = PND_COREFILE_NAME_CAP + 16,  /* with ".aea" and a number */
    PND_EXTRACT_PATH_CAP = 4096,
    PND_EXTRACT_INFO_CAP = 2048, /* of FreeBSD's info.N */
    PND_EXTRACT_FORMAT_CAP = 48,
};

/* What became of a file. */
enum pnd_extract_result {
    PND_EXTRACT_LISTED, /* nothing yet */
    PND_EXTRACT_COMPLETE,
    PND_EXTRACT_INCOMPLETE, /* what comes before the damage is in NAME.incomplete, if anything */
};

struct pnd_extract_file {
    char name[PND_EXTRACT_NAME_CAP]; /* to write to: safe, and its place has no other of it */
    uint64_t offset, length;         /* in the source, as stored */
    enum pnd_corefile_packing packing;
    bool log, encrypted;
    bool info;      /* not of the source: what place->info says */
    bool key;       /* of an encrypted dump */
    bool decrypted; /* as it is written, with place->key: no longer encrypted */
    enum pnd_extract_result result;
    uint64_t id;                /* of the dump that it became; 0: none */
    uint64_t bytes, damaged_at; /* written; where in the stored bytes the damage is */
    struct pnd_why reason;      /* of INCOMPLETE; of LISTED: "", or why it cannot be extracted */
};

enum pnd_extract_state { PND_EXTRACT_DUMP, PND_EXTRACT_EMPTY, PND_EXTRACT_DAMAGED };
enum pnd_extract_kind { PND_EXTRACT_APPLE, PND_EXTRACT_FREEBSD };

struct pnd_extract_place {
    enum pnd_extract_kind kind;
    uint32_t partition; /* 1: the first of the table; 0: all of the source */
    uint64_t offset, bytes;
    enum pnd_extract_state state;
    struct pnd_why reason; /* when it is no DUMP; of a DUMP: "", or why it may not be whole */
    char format[PND_EXTRACT_FORMAT_CAP];     /* of a DUMP: for a person */
    enum pnd_corefile_generation generation; /* Apple's */
    char info[PND_EXTRACT_INFO_CAP];         /* FreeBSD: the text of info.0 */
    struct pnd_decrypt_key key;              /* of files that are decrypted */
    unsigned file_count;
    struct pnd_extract_file files[PND_EXTRACT_FILES_CAP];
};

struct pnd_extract_source {
    const char *path;
    int fd;
    uint64_t bytes;
    dev_t dev; /* a regular file's, so that it is not taken for a place to write to */
    ino_t ino;
    bool imported; /* the files became dumps of the directory, as far as they have an id */
    unsigned place_count;
    struct pnd_extract_place places[PND_EXTRACT_PLACES_CAP];
};

/* Opens @p path and finds its places.
 *   @param ret  some 700 KiB; its fd is the caller's, whatever is returned
 *   @return PND_OK at least one place, with or without a dump; PND_E_NOTFOUND a disk without one;
 *           PND_E_TYPE neither a disk nor a corefile; PND_E_FORMAT the partition table is
 *           damaged; PND_E_SYS */
int pnd_extract_open(const char *path, struct pnd_extract_source *ret, struct pnd_why *why);

/* Could @p path be a source: a block device, a disk with a GPT, a corefile, a FreeBSD dump? */
bool pnd_extract_is_source(const char *path);

/* "a gzip file, ...": what people have in hand, by its first bytes. */
const char *pnd_extract_what(const uint8_t *head, size_t len);

/* Does a corefile begin here, of whatever version? (extract_apple.c) */
bool pnd_extract_is_corefile(const uint8_t *head, size_t len);

/* Fill in a place whose kind, partition, offset and bytes are set: state, reason, files. What is
 * damaged is no error.
 *   @param place_bytes  what the corefile may extend to: more than there is in a copy cut short
 *   @return PND_OK; PND_E_SYS the source cannot be read */
int pnd_extract_read_apple(const struct pnd_extract_source *source, uint64_t place_bytes,
                           struct pnd_extract_place *place, struct pnd_why *why);
int pnd_extract_read_freebsd(const struct pnd_extract_source *source,
                             struct pnd_extract_place *place, struct pnd_why *why);

/* What FreeBSD's header says of the dump, where the dump itself did not say it. */
void pnd_extract_header_facts(const struct pnd_extract_source *source,
                              const struct pnd_extract_place *place, struct pnd_facts *facts);

/* Does [offset, offset + bytes) end with FreeBSD's dump header, cleared or not? */
bool pnd_extract_is_freebsd(int fd, uint64_t offset, uint64_t bytes);

/* FreeBSD's encrypted dumps are decrypted from now on, and lose their key (extract_decrypt.c). The
 * keys are forgotten with pnd_extract_forget().
 *   @return PND_OK; PND_E_ARG there is no encrypted dump; as pnd_private_key_unwrap() and
 *           pnd_ekcd_look() */
int pnd_extract_decrypt(struct pnd_extract_source *source, const struct pnd_private_key *with,
                        struct pnd_why *why);
void pnd_extract_forget(struct pnd_extract_source *source);

/* Copies all files of all dumps into @p dir, which is made if it is missing. One that is damaged
 * is no error here. With @p force, files that are there are replaced, but never the source.
 *   @return PND_OK; PND_E_EXISTS; PND_E_NOSPACE; PND_E_SYS */
int pnd_extract_files(struct pnd_extract_source *source, const char *dir, bool force, bool quiet,
                      struct pnd_why *why);

/* All files of all dumps become dumps of the directory (importer.h), and are checked. They are
 * called SOURCE-NAME, or SOURCE-partition2-NAME when there are several. One that is damaged becomes
 * an incomplete one. @return PND_OK; as pnd_importer_prepare(), pnd_importer_commit() */
int pnd_extract_import(struct pnd_ctl *ctl, struct pnd_extract_source *source, struct pnd_why *why);

/* DIR/NAME of a file that was extracted, or DIR/partition2/NAME when there are several dumps; ""
 * when there is none, or @p dir is NULL. @return @p dst */
const char *pnd_extract_path(char dst[PND_EXTRACT_PATH_CAP],
                             const struct pnd_extract_source *source, const char *dir,
                             const struct pnd_extract_place *place,
                             const struct pnd_extract_file *file);
bool pnd_extract_several(const struct pnd_extract_source *source);

/* What there is, and, with @p dir, what was made of it: text or JSON on standard output, and on
 * standard error what is damaged, missing or encrypted. @return enum pnd_exit */
int pnd_extract_print(const struct pnd_ctl *ctl, const struct pnd_extract_source *source,
                      const char *dir);

#endif
