/* SPDX-License-Identifier: BSD-2-Clause
 *
 * FreeBSD's encrypted dumps are opened; see extract.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "host/io.h"
#include "view/encrypted.h"
#include "panicctl/extract.h"
#include "panicctl/print.h"

/* @return NULL: there is none */
static struct pnd_extract_file *find_file(struct pnd_extract_place *place, bool key)
{
    for (unsigned i = 0; i < place->file_count; i++) {
        struct pnd_extract_file *file = &place->files[i];

        if (key ? file->key : file->encrypted)
            return file;
    }
    return NULL;
}

static int decrypt_place(const struct pnd_extract_source *source, struct pnd_extract_place *place,
                         const struct pnd_private_key *with, struct pnd_why *why)
{
    struct pnd_extract_file *key = find_file(place, true), *dump = find_file(place, false);
    uint8_t blob[PND_EKCD_BLOB_CAP];
    size_t want = key->length < sizeof(blob) ? (size_t)key->length : sizeof(blob);
    ssize_t n = pnd_io_read_at(source->fd, key->offset, blob, want);
    bool known = false;
    int err;

    if (n < 0)
        return pnd_why(why, PND_E_SOURCE, errno, "read the key at byte %" PRIu64, key->offset);
    err = pnd_private_key_unwrap(with, blob, (size_t)n, &place->key, why);
    if (!err)
        err = pnd_ekcd_look(source->fd, dump->offset, dump->length, &place->key, &known, why);
    if (err)
        return err;
    if (!known)
        pnd_ctl_warn("the key fits, but %s does not begin like a dump once it is decrypted",
                     dump->name);
    dump->encrypted = false;
    dump->decrypted = true;
    pnd_encrypted_rename(dump->name);
    memmove(key, key + 1, (size_t)(place->files + place->file_count - (key + 1)) * sizeof(*key));
    place->file_count--;
    return PND_OK;
}

int pnd_extract_decrypt(struct pnd_extract_source *source, const struct pnd_private_key *with,
                        struct pnd_why *why)
{
    char shown[PND_PRINT_NAME_CAP];
    unsigned opened = 0;

    for (unsigned i = 0; i < source->place_count; i++) {
        struct pnd_extract_place *place = &source->places[i];
        int err;

        if (place->kind != PND_EXTRACT_FREEBSD || place->state != PND_EXTRACT_DUMP ||
            !find_file(place, true) || !find_file(place, false))
            continue;
        err = decrypt_place(source, place, with, why);
        if (err && place->partition)
            return pnd_why_add(why, err, "partition %" PRIu32, place->partition);
        if (err)
            return err;
        opened++;
    }
    if (!opened)
        return pnd_why(why, PND_E_ARG, 0,
                       "%s holds no dump that --private-key could open: none of FreeBSD that is "
                       "encrypted",
                       pnd_print_name(shown, source->path));
    return PND_OK;
}

void pnd_extract_forget(struct pnd_extract_source *source)
{
    for (unsigned i = 0; i < source->place_count; i++)
        pnd_decrypt_forget(&source->places[i].key);
}
