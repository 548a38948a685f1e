/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Facts in the catalog, and the groups that they make: the same panic (facts/signature.h), over
 * machines and time. A dump that is removed takes its facts along, and leaves one line of history:
 * that its group was seen, when and where. Facts of a dump that still arrives are there before its
 * row is. A catalog that an older panicd made and that is open readonly knows no facts. Errors as
 * in catalog.h. */
#ifndef PND_STORE_CATALOG_FACTS_H
#define PND_STORE_CATALOG_FACTS_H

#include "facts/facts.h"
#include "facts/signature.h"
#include "store/catalog.h"

/* Replaces what was known of dump @p id. @p final: nothing more will come (else the row stays
 * among those that pnd_catalog_each_unread() names). @p seen_ms and @p machine (a name or an
 * address) are for the group's history. An existing sighting of the same dump is replaced. */
int pnd_catalog_put_facts(struct pnd_catalog *catalog, uint64_t id, const struct pnd_facts *facts,
                          bool final, int64_t seen_ms, const char *machine, struct pnd_why *why);

/* The same, with what the row says: when it ended (else: began, else: now), and its machine by its
 * own name, else by the sender's address. */
int pnd_catalog_put_dump_facts(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                               const struct pnd_facts *facts, bool final, struct pnd_why *why);

/* The verdict into the row, and all that is known of the dump, in one step: who sees one finds the
 * other, and a row that a person removed meanwhile does not come back. Facts as above, final.
 *   @return PND_OK; PND_E_NOTFOUND the row is gone, and nothing was put */
int pnd_catalog_conclude(struct pnd_catalog *catalog, const struct pnd_dump *dump,
                         const struct pnd_facts *facts, struct pnd_why *why);

/* @param ret  free with pnd_facts_deinit(); empty on error. The log is left out unless asked for.
 * @return PND_OK; PND_E_NOTFOUND nothing is known of it, or what was known is damaged (why says
 * which, and what to type) */
int pnd_catalog_get_facts(struct pnd_catalog *catalog, uint64_t id, bool with_log,
                          struct pnd_facts *ret, struct pnd_why *why);

/* What a list shows of each dump without reading all its facts. @return PND_OK; PND_E_NOTFOUND */
struct pnd_facts_line {
    struct pnd_signature signature;
    char os[64], kernel[128], host[64];
    bool final; /* nothing more will come */
};
int pnd_catalog_facts_line(struct pnd_catalog *catalog, uint64_t id, struct pnd_facts_line *ret,
                           struct pnd_why *why);

struct pnd_group {
    struct pnd_signature signature;
    uint64_t count;    /* dumps, those removed since included */
    uint64_t machines; /* different ones */
    uint64_t kept;     /* dumps that are still there */
    int64_t first_ms, last_ms;
    uint64_t first_id, last_id; /* of dumps, which may be gone */
    char note[1024];            /* UTF-8; "" for none */
};

enum { PND_GROUP_NOTE_MAX = 1023 };

/* The newest last. @p each as in pnd_catalog_each() */
int pnd_catalog_groups(struct pnd_catalog *catalog,
                       bool (*each)(const struct pnd_group *group, void *ctx), void *ctx,
                       struct pnd_why *why);

/* The group of dump @p id, which may be gone. @return PND_OK; PND_E_NOTFOUND it has none */
int pnd_catalog_group_of(struct pnd_catalog *catalog, uint64_t id, struct pnd_group *ret,
                         struct pnd_why *why);

/* @p sel: the group's id, or an unambiguous start of at least 4 digits of it (a number is a dump's
 * first); or what pnd_catalog_find() takes for a dump, whose group it is.
 * @return PND_OK; PND_E_NOTFOUND */
int pnd_catalog_group_find(struct pnd_catalog *catalog, const char *sel, struct pnd_group *ret,
                           struct pnd_why *why);

/* The machines and times of a group: one line for each dump, oldest first. */
struct pnd_sighting {
    uint64_t id;
    int64_t seen_ms;
    char machine[64], kernel[128];
    bool kept; /* the dump is still there */
};
int pnd_catalog_sightings(struct pnd_catalog *catalog, const char *signature,
                          bool (*each)(const struct pnd_sighting *sighting, void *ctx), void *ctx,
                          struct pnd_why *why);

/* "" takes the note away. @return PND_OK; PND_E_NOTFOUND no such group; PND_E_RANGE too long;
 * PND_E_FORMAT not UTF-8 */
int pnd_catalog_set_note(struct pnd_catalog *catalog, const char *signature, const char *note,
                         struct pnd_why *why);

/* Rows of ended dumps whose facts were never read to the end (received by an older panicd, or
 * rebuilt): the checker's second queue. In order of id. */
int pnd_catalog_each_unread(struct pnd_catalog *catalog,
                            bool (*each)(const struct pnd_dump *dump, void *ctx), void *ctx,
                            struct pnd_why *why);

#endif
