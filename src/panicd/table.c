/* SPDX-License-Identifier: BSD-2-Clause */
#include "panicd/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct list {
    uint32_t head, tail, count;
};

struct pnd_table {
    uint32_t size, buckets; /* buckets: a power of two */
    uint64_t seed[2];
    uint32_t *bucket;
    struct list lists[PND_CLASSES];
    struct pnd_slot slots[];
};

static uint32_t bucket_of(const struct pnd_table *table, const struct pnd_origin *origin)
{
    uint64_t h = table->seed[0] ^ origin->port ^ (uint64_t)origin->service << 16, word;

    for (unsigned i = 0; i < 2; i++) {
        memcpy(&word, origin->peer.b + 8 * i, 8);
        h = (h ^ word ^ table->seed[1]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 32) & (table->buckets - 1);
}

static void unlink_slot(struct pnd_table *table, struct pnd_slot *slot)
{
    struct list *list = &table->lists[slot->class];

    if (slot->prev == PND_SLOT_NONE)
        list->head = slot->next;
    else
        table->slots[slot->prev].next = slot->next;
    if (slot->next == PND_SLOT_NONE)
        list->tail = slot->prev;
    else
        table->slots[slot->next].prev = slot->prev;
    list->count--;
}

static void append_slot(struct pnd_table *table, struct pnd_slot *slot, enum pnd_class class)
{
    struct list *list = &table->lists[class];

    slot->class = class;
    slot->prev = list->tail;
    slot->next = PND_SLOT_NONE;
    if (list->tail == PND_SLOT_NONE)
        list->head = slot->index;
    else
        table->slots[list->tail].next = slot->index;
    list->tail = slot->index;
    list->count++;
}

struct pnd_table *pnd_table_create(uint32_t slots)
{
    struct pnd_table *table = calloc(1, sizeof(*table) + slots * sizeof(table->slots[0]));

    if (!table)
        return NULL;
    table->size = slots;
    for (table->buckets = 64; table->buckets < 2 * slots; table->buckets *= 2)
        ;
    table->bucket = malloc(table->buckets * sizeof(table->bucket[0]));
    if (!table->bucket || getrandom(table->seed, sizeof(table->seed), 0) < 0) {
        pnd_table_destroy(table);
        return NULL;
    }
    memset(table->bucket, 0xff, table->buckets * sizeof(table->bucket[0]));
    for (unsigned i = 0; i < PND_CLASSES; i++)
        table->lists[i].head = table->lists[i].tail = PND_SLOT_NONE;
    for (uint32_t i = 0; i < slots; i++) {
        table->slots[i].index = i;
        table->slots[i].fd = -1;
        append_slot(table, &table->slots[i], PND_CLASS_FREE);
    }
    return table;
}

void pnd_table_destroy(struct pnd_table *table)
{
    if (!table)
        return;
    free(table->bucket);
    free(table);
}

struct pnd_slot *pnd_table_find(struct pnd_table *table, const struct pnd_origin *origin)
{
    uint32_t i = table->bucket[bucket_of(table, origin)];

    while (i != PND_SLOT_NONE && !pnd_origin_same_peer(&table->slots[i].origin, origin))
        i = table->slots[i].bucket_next;
    return i == PND_SLOT_NONE ? NULL : &table->slots[i];
}

static void enter_bucket(struct pnd_table *table, struct pnd_slot *slot)
{
    uint32_t *bucket = &table->bucket[bucket_of(table, &slot->origin)];

    slot->bucket_next = *bucket;
    *bucket = slot->index;
}

static void leave_bucket(struct pnd_table *table, struct pnd_slot *slot)
{
    uint32_t *link = &table->bucket[bucket_of(table, &slot->origin)];

    while (*link != slot->index)
        link = &table->slots[*link].bucket_next;
    *link = slot->bucket_next;
}

static struct pnd_slot *occupy(struct pnd_table *table, struct pnd_slot *slot,
                               const struct pnd_origin *origin)
{
    uint32_t index = slot->index;

    unlink_slot(table, slot);
    *slot = (struct pnd_slot){.index = index, .origin = *origin, .fd = -1};
    append_slot(table, slot, PND_CLASS_ASKED);
    enter_bucket(table, slot);
    return slot;
}

/* Openings make room for each other once they are many: a flood of them must not wash away what
 * has ended and is still asked for. As long as they are few, what has ended longest ago goes. */
static uint32_t displaceable(const struct pnd_table *table)
{
    const struct list *asked = &table->lists[PND_CLASS_ASKED];
    const struct list *resting = &table->lists[PND_CLASS_RESTING];

    if (resting->count && asked->count < table->size / PND_TABLE_ASKED_SHARE)
        return resting->head;
    return asked->count ? asked->head : resting->head;
}

struct pnd_slot *pnd_table_take(struct pnd_table *table, const struct pnd_origin *origin,
                                struct pnd_slot *ret_displaced)
{
    uint32_t index = table->lists[PND_CLASS_FREE].head;

    ret_displaced->class = PND_CLASS_FREE;
    if (index == PND_SLOT_NONE) {
        index = displaceable(table);
        if (index == PND_SLOT_NONE)
            return NULL;
        *ret_displaced = table->slots[index];
        pnd_table_free(table, &table->slots[index]);
    }
    return occupy(table, &table->slots[index], origin);
}

struct pnd_slot *pnd_table_take_at(struct pnd_table *table, uint32_t index,
                                   const struct pnd_origin *origin)
{
    if (index >= table->size || table->slots[index].class != PND_CLASS_FREE)
        return NULL;
    return occupy(table, &table->slots[index], origin);
}

void pnd_table_move(struct pnd_table *table, struct pnd_slot *slot, const struct pnd_origin *origin)
{
    leave_bucket(table, slot);
    slot->origin = *origin;
    enter_bucket(table, slot);
}

void pnd_table_free(struct pnd_table *table, struct pnd_slot *slot)
{
    leave_bucket(table, slot);
    unlink_slot(table, slot);
    append_slot(table, slot, PND_CLASS_FREE);
    slot->fd = -1;
    slot->session.protocol = NULL;
}

void pnd_table_classify(struct pnd_table *table, struct pnd_slot *slot, enum pnd_class class)
{
    if (slot->class == class)
        return;
    unlink_slot(table, slot);
    append_slot(table, slot, class);
}

static struct pnd_slot *slot_or_none(struct pnd_table *table, uint32_t index)
{
    return index == PND_SLOT_NONE ? NULL : &table->slots[index];
}

struct pnd_slot *pnd_table_first(struct pnd_table *table, enum pnd_class class)
{
    return slot_or_none(table, table->lists[class].head);
}

struct pnd_slot *pnd_table_next(struct pnd_table *table, const struct pnd_slot *slot)
{
    return slot_or_none(table, slot->next);
}

struct pnd_slot *pnd_table_at(struct pnd_table *table, uint32_t index)
{
    return &table->slots[index];
}

uint32_t pnd_table_size(const struct pnd_table *table)
{
    return table->size;
}

uint32_t pnd_table_count(const struct pnd_table *table, enum pnd_class class)
{
    return table->lists[class].count;
}
