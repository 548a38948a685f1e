/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Kernel addresses by libaddrxlat: it asks for symbols and numbers of VMCOREINFO and for pages of
 * physical memory, and knows the rest. */
#include "inspect/linux_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libkdumpfile/addrxlat.h>

enum { NAME_CAP = 128, KEY_CAP = NAME_CAP + 16 };

struct pnd_linux_xlat {
    addrxlat_ctx_t *ctx;
    addrxlat_sys_t *sys;
    struct pnd_linux_core *core;
    const struct pnd_vmcore *vmcore;
    uint64_t page, physical; /* the last one that was looked up */
    bool has_page;
};

static void put_page(const addrxlat_buffer_t *buf)
{
    free(buf->priv);
}

static addrxlat_status get_page(const addrxlat_cb_t *cb, addrxlat_buffer_t *buf)
{
    struct pnd_linux_xlat *xlat = cb->priv;
    uint64_t address = buf->addr.addr & ~(uint64_t)(PND_LINUX_PAGE_MIN - 1);
    void *page = malloc(PND_LINUX_PAGE_MIN);

    if (!page)
        return ADDRXLAT_ERR_NOMEM;
    if (xlat->core->physical(xlat->core->ctx, address, page, PND_LINUX_PAGE_MIN) != PND_OK) {
        free(page);
        return ADDRXLAT_ERR_NODATA;
    }
    buf->addr.addr = address;
    buf->ptr = buf->priv = page;
    buf->size = PND_LINUX_PAGE_MIN;
    buf->byte_order = xlat->vmcore->big ? ADDRXLAT_BIG_ENDIAN : ADDRXLAT_LITTLE_ENDIAN;
    buf->put_page = put_page;
    return ADDRXLAT_OK;
}

static unsigned long read_caps(const addrxlat_cb_t *cb)
{
    (void)cb;
    return ADDRXLAT_CAPS(ADDRXLAT_KPHYSADDR) | ADDRXLAT_CAPS(ADDRXLAT_MACHPHYSADDR);
}

static addrxlat_status info_number(const addrxlat_cb_t *cb, const char *kind, const char *name,
                                   unsigned base, addrxlat_addr_t *val)
{
    const struct pnd_linux_xlat *xlat = cb->priv;
    char key[KEY_CAP];
    uint64_t number;

    snprintf(key, sizeof(key), "%s(%s)", kind, name);
    if (!pnd_vmcore_info_number(xlat->vmcore, key, base, &number))
        return ADDRXLAT_ERR_NODATA;
    *val = number;
    return ADDRXLAT_OK;
}

static addrxlat_status sym_value(const addrxlat_cb_t *cb, const char *name, addrxlat_addr_t *val)
{
    addrxlat_status status = info_number(cb, "SYMBOL", name, 16, val);

    /* the same tables by the name that every machine has for them */
    if (status != ADDRXLAT_OK &&
        (strcmp(name, "init_top_pgt") == 0 || strcmp(name, "init_level4_pgt") == 0))
        status = info_number(cb, "SYMBOL", "swapper_pg_dir", 16, val);
    return status;
}

static addrxlat_status sym_sizeof(const addrxlat_cb_t *cb, const char *name, addrxlat_addr_t *val)
{
    return info_number(cb, "SIZE", name, 10, val);
}

static addrxlat_status num_value(const addrxlat_cb_t *cb, const char *name, addrxlat_addr_t *val)
{
    addrxlat_status status = info_number(cb, "NUMBER", name, 10, val);

    /* aarch64 writes some of its numbers as 0x... */
    return status == ADDRXLAT_OK ? status : info_number(cb, "NUMBER", name, 16, val);
}

static addrxlat_status sym_offsetof(const addrxlat_cb_t *cb, const char *obj, const char *elem,
                                    addrxlat_addr_t *val)
{
    char name[NAME_CAP];

    snprintf(name, sizeof(name), "%s.%s", obj, elem);
    return info_number(cb, "OFFSET", name, 10, val);
}

/* CR3 as QEMU has noted it, for a kernel that does not tell where its page tables are. */
static addrxlat_status reg_value(const addrxlat_cb_t *cb, const char *name, addrxlat_addr_t *val)
{
    const struct pnd_linux_xlat *xlat = cb->priv;

    if (strcmp(name, "cr3") != 0 || xlat->core->notes.root == 0)
        return ADDRXLAT_ERR_NODATA;
    *val = xlat->core->notes.root;
    return ADDRXLAT_OK;
}

/* "6.1.0-56-cloud-amd64" */
static unsigned long version_code(const char *release)
{
    unsigned long part[3] = {0};
    char *end = NULL;

    for (unsigned i = 0; i < 3 && *release >= '0' && *release <= '9'; i++) {
        part[i] = strtoul(release, &end, 10);
        part[i] = part[i] < UINT8_MAX ? part[i] : UINT8_MAX;
        release = *end == '.' ? end + 1 : end;
    }
    return ADDRXLAT_VER_LINUX(part[0], part[1], part[2]);
}

static const char *arch_name(const struct pnd_linux_core *core)
{
    switch (core->notes.machine) {
    case PND_LINUX_I386:
        return "ia32";
    case PND_LINUX_PPC64:
        return "ppc64";
    case PND_LINUX_S390:
        return core->notes.is32 ? "s390" : "s390x";
    default:
        return pnd_linux_machine_name(core->notes.machine, core->notes.is32);
    }
}

static bool init(struct pnd_linux_xlat *xlat)
{
    const char *arch = arch_name(xlat->core);
    addrxlat_opt_t opts[6];
    uint64_t number;
    unsigned count = 0;
    bool has_base;

    if (!arch)
        return false;
    addrxlat_opt_os_type(&opts[count++], "linux");
    addrxlat_opt_arch(&opts[count++], arch);
    addrxlat_opt_version_code(&opts[count++], version_code(xlat->vmcore->release));
    if (pnd_vmcore_info_number(xlat->vmcore, "PAGESIZE", 10, &number) && number > 0 &&
        (number & (number - 1)) == 0)
        addrxlat_opt_page_shift(&opts[count++], (unsigned long)__builtin_ctzll(number));
    has_base = pnd_vmcore_info_number(xlat->vmcore, "NUMBER(phys_base)", 10, &number);
    if (has_base)
        addrxlat_opt_phys_base(&opts[count++], number);
    if (!has_base && xlat->core->notes.root) {
        addrxlat_fulladdr_t root = {.addr = xlat->core->notes.root, .as = ADDRXLAT_MACHPHYSADDR};

        addrxlat_opt_rootpgt(&opts[count++], &root);
    }
    return addrxlat_sys_os_init(xlat->sys, xlat->ctx, count, opts) == ADDRXLAT_OK;
}

struct pnd_linux_xlat *pnd_linux_xlat_create(struct pnd_linux_core *core,
                                             const struct pnd_vmcore *vmcore)
{
    struct pnd_linux_xlat *xlat = calloc(1, sizeof(*xlat));
    addrxlat_cb_t *cb;

    if (!xlat)
        return NULL;
    xlat->core = core;
    xlat->vmcore = vmcore;
    xlat->ctx = addrxlat_ctx_new();
    xlat->sys = addrxlat_sys_new();
    cb = xlat->ctx ? addrxlat_ctx_add_cb(xlat->ctx) : NULL;
    if (cb) {
        cb->priv = xlat;
        cb->get_page = get_page;
        cb->read_caps = read_caps;
        cb->reg_value = reg_value;
        cb->sym_value = sym_value;
        cb->sym_sizeof = sym_sizeof;
        cb->sym_offsetof = sym_offsetof;
        cb->num_value = num_value;
    }
    if (!cb || !xlat->sys || !init(xlat)) {
        pnd_linux_xlat_destroy(xlat);
        return NULL;
    }
    return xlat;
}

void pnd_linux_xlat_destroy(struct pnd_linux_xlat *xlat)
{
    if (!xlat)
        return;
    if (xlat->sys)
        addrxlat_sys_decref(xlat->sys);
    if (xlat->ctx)
        addrxlat_ctx_decref(xlat->ctx);
    free(xlat);
}

int pnd_linux_xlat_find(struct pnd_linux_xlat *xlat, uint64_t address, uint64_t *ret_physical)
{
    uint64_t mask = PND_LINUX_PAGE_MIN - 1;

    if (!xlat->has_page || xlat->page != (address & ~mask)) {
        addrxlat_fulladdr_t full = {.addr = address & ~mask, .as = ADDRXLAT_KVADDR};

        addrxlat_ctx_clear_err(xlat->ctx);
        if (addrxlat_fulladdr_conv(&full, ADDRXLAT_KPHYSADDR, xlat->ctx, xlat->sys) != ADDRXLAT_OK)
            return PND_E_NOTFOUND;
        xlat->page = address & ~mask;
        xlat->physical = full.addr;
        xlat->has_page = true;
    }
    *ret_physical = xlat->physical | (address & mask);
    return PND_OK;
}
