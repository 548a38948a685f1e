/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the log of a Linux kernel lies in its memory, so that it can be sent before anything
 * else; see vmcore_layout.h. */
#include "image/vmcore_layout.h"
#include "image/vmcore_log.h"

enum { NUMBER_BYTES = 8 }; /* what the log's variables take: a pointer, or less */

struct list {
    struct pnd_vmcore_range *at;
    size_t count;
};

/* What follows on the range before it, or lies in it, makes it longer. */
static void add(struct list *list, uint64_t vaddr, uint64_t bytes)
{
    struct pnd_vmcore_range *last = list->count ? &list->at[list->count - 1] : NULL;

    if (bytes == 0 || vaddr > UINT64_MAX - bytes)
        return;
    if (last && vaddr >= last->vaddr && vaddr - last->vaddr <= last->bytes) {
        if (vaddr - last->vaddr + bytes > last->bytes)
            last->bytes = vaddr - last->vaddr + bytes;
        return;
    }
    if (list->count < PND_LAYOUT_FIRST_MAX)
        list->at[list->count++] = (struct pnd_vmcore_range){vaddr, bytes};
}

/* The variable itself: where a pointer or a number is kept. */
static void add_variable(struct list *list, struct pnd_vmcore *vm, const char *key)
{
    uint64_t at = 0;

    if (pnd_vmcore_info_number(vm, key, 16, &at))
        add(list, at, NUMBER_BYTES);
}

static int add_ring(struct list *list, struct pnd_vmcore *vm, const struct pnd_vmcore_ring *ring)
{
    uint64_t prb = 0, bytes = 0, count = UINT64_C(1) << ring->desc_bits;
    int err;

    add_variable(list, vm, "SYMBOL(prb)");
    if (!pnd_vmcore_info_number(vm, "SYMBOL(prb)", 16, &prb))
        return PND_E_FORMAT;
    err = pnd_vmcore_read_word(vm, prb, &prb);
    if (err)
        return err;
    if (!pnd_vmcore_info_number(vm, "SIZE(printk_ringbuffer)", 10, &bytes) ||
        bytes > PND_VMCORE_LOG_STRUCT_MAX)
        bytes = PND_VMCORE_LOG_STRUCT_MAX;
    add(list, prb, bytes);
    add(list, ring->descs, count * ring->desc_bytes);
    add(list, ring->infos, count * ring->info_bytes);
    add(list, ring->data, UINT64_C(1) << ring->data_bits);
    return PND_OK;
}

static void add_buffer(struct list *list, struct pnd_vmcore *vm, const struct pnd_vmcore_log *log)
{
    static const char *const variables[] = {
        "SYMBOL(log_buf)",      "SYMBOL(log_buf_len)", "SYMBOL(log_first_idx)",
        "SYMBOL(log_next_idx)", "SYMBOL(log_end)",
    };

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        add_variable(list, vm, variables[i]);
    add(list, log->buffer, log->bytes);
}

int pnd_vmcore_log_ranges(struct pnd_vmcore *vmcore,
                          struct pnd_vmcore_range ret[PND_LAYOUT_FIRST_MAX], size_t *ret_count)
{
    struct list list = {.at = ret};
    struct pnd_vmcore_log log;
    int err = pnd_vmcore_log_open(vmcore, &log);

    if (!err && log.kind == PND_VMCORE_LOG_RING)
        err = add_ring(&list, vmcore, &log.ring);
    else if (!err)
        add_buffer(&list, vmcore, &log);
    if (!err)
        *ret_count = list.count;
    return err;
}
