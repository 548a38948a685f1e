/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The catalog, shared; see data.h. */
#include "panicweb/data.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/catalog_query.h"

/* Which files were there when it was opened. SQLite tells of changes through the one with shared
 * memory; without it, the file itself and its log are looked at. */
struct files {
    ino_t db, shm;
    struct timespec db_changed, wal_changed; /* only without shm */
    off_t wal_bytes;
};

struct pnd_data {
    const struct pnd_spool *spool;
    pthread_mutex_t lock;
    struct pnd_catalog *catalog;
    struct files files;
    int64_t opened; /* counts */
};

enum { VERSION_SHIFT = 40 };

int pnd_data_create(const struct pnd_spool *spool, struct pnd_data **ret, struct pnd_why *why)
{
    struct pnd_data *data = calloc(1, sizeof(*data));
    int err;

    if (!data)
        return pnd_why(why, PND_E_SYS, ENOMEM, "read the catalog");
    data->spool = spool;
    err = pthread_mutex_init(&data->lock, NULL);
    if (err) {
        free(data);
        return pnd_why(why, PND_E_SYS, err, "make a lock");
    }
    *ret = data;
    return PND_OK;
}

void pnd_data_destroy(struct pnd_data *data)
{
    if (!data)
        return;
    pnd_catalog_close(data->catalog);
    pthread_mutex_destroy(&data->lock);
    free(data);
}

static void look(const struct pnd_spool *spool, struct files *ret)
{
    struct files files = {0};
    struct stat st;

    if (fstatat(spool->state_fd, "catalog.db", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        files.db = st.st_ino;
        files.db_changed = st.st_mtim;
    }
    if (fstatat(spool->state_fd, "catalog.db-shm", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        files.shm = st.st_ino;
        files.db_changed = (struct timespec){0};
    } else if (fstatat(spool->state_fd, "catalog.db-wal", &st, AT_SYMLINK_NOFOLLOW) == 0) {
        files.wal_changed = st.st_mtim;
        files.wal_bytes = st.st_size;
    }
    *ret = files;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct files *a, const struct files *b)
{
    return a->db == b->db && a->shm == b->shm && a->wal_bytes == b->wal_bytes &&
           same_time(&a->db_changed, &b->db_changed) && same_time(&a->wal_changed, &b->wal_changed);
}

int pnd_data_lock(struct pnd_data *data, struct pnd_catalog **ret, struct pnd_why *why)
{
    struct files files;
    int err = PND_OK;

    pthread_mutex_lock(&data->lock);
    look(data->spool, &files);
    if (data->catalog && !same(&files, &data->files)) {
        pnd_catalog_close(data->catalog);
        data->catalog = NULL;
    }
    if (!data->catalog && files.db) {
        err = pnd_catalog_open(data->spool, true, &data->catalog, NULL, why);
        data->opened++;
        data->files = files;
    }
    *ret = data->catalog;
    return err == PND_E_NOTFOUND ? PND_OK : err;
}

void pnd_data_unlock(struct pnd_data *data)
{
    pthread_mutex_unlock(&data->lock);
}

int64_t pnd_data_version(struct pnd_data *data)
{
    int64_t version = 0;

    if (data->catalog && pnd_catalog_version(data->catalog, &version, NULL))
        version = 0;
    return (data->opened << VERSION_SHIFT) + version;
}
