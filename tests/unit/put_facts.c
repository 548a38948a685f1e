/* SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: put-facts DIRECTORY ID [draft] [KEY=VALUE | frame=TEXT | module=NAME | log=TEXT]...
 * What a reader would have found in a dump, said by a test: through the real store. KEY is a name
 * of pnd_fact_name(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/catalog_facts.h"

static bool take(struct pnd_facts *facts, const char *key, size_t key_len, const char *value)
{
    for (int i = 0; i < PND_FACT_COUNT; i++) {
        const char *name = pnd_fact_name((enum pnd_fact)i);

        if (strlen(name) == key_len && memcmp(name, key, key_len) == 0) {
            pnd_facts_set(facts, (enum pnd_fact)i, value, strlen(value));
            return true;
        }
    }
    if (strncmp(key, "frame=", 6) == 0)
        pnd_facts_add_frame(facts, 0, 0, value, strlen(value), NULL, 0);
    else if (strncmp(key, "module=", 7) == 0)
        pnd_facts_add_frame(facts, 1, 0, NULL, 0, value, strlen(value));
    else if (strncmp(key, "log=", 4) == 0)
        pnd_facts_set_log(facts, value, strlen(value));
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct pnd_spool spool;
    struct pnd_catalog *catalog;
    struct pnd_facts facts = {0};
    struct pnd_dump dump;
    struct pnd_why why = {0};
    bool final = true;

    if (argc < 3)
        return 2;
    for (int i = 3; i < argc; i++) {
        const char *value = strchr(argv[i], '=');

        if (strcmp(argv[i], "draft") == 0) {
            final = false;
        } else if (!value || !take(&facts, argv[i], (size_t)(value - argv[i]), value + 1)) {
            fprintf(stderr, "put-facts: what is \"%s\"?\n", argv[i]);
            return 2;
        }
    }
    if (pnd_spool_open_readonly(&spool, argv[1], &why) ||
        pnd_catalog_open(&spool, false, &catalog, NULL, &why) ||
        pnd_catalog_find(catalog, argv[2], &dump, &why) ||
        pnd_catalog_put_dump_facts(catalog, &dump, &facts, final, &why)) {
        fprintf(stderr, "put-facts: %s\n", why.text);
        return 1;
    }
    pnd_catalog_close(catalog);
    pnd_spool_close(&spool);
    pnd_facts_deinit(&facts);
    return 0;
}
