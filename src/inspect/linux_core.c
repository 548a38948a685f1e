/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Facts of a Linux kernel's memory; see linux_core.h. */
#include "inspect/linux_core.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image/vmcore_log.h"
#include "inspect/linux_text.h"
#include "inspect/reader.h"

/* The kernel at work: its memory by virtual address. */
struct kernel {
    struct pnd_linux_core *core;
    struct pnd_linux_xlat *xlat;
    struct pnd_vmcore vmcore;
};

static int read_page(struct kernel *kernel, uint64_t address, void *buf, size_t len)
{
    uint64_t physical;
    int err = PND_E_NOTFOUND;

    if (kernel->core->virtual)
        err = kernel->core->virtual(kernel->core->ctx, address, buf, len);
    if (err == PND_E_NOTFOUND && kernel->xlat) {
        err = pnd_linux_xlat_find(kernel->xlat, address, &physical);
        if (!err)
            err = kernel->core->physical(kernel->core->ctx, physical, buf, len);
    }
    return err;
}

static int read_memory(void *ctx, uint64_t address, void *buf, size_t len)
{
    struct kernel *kernel = ctx;

    for (size_t done = 0; done < len;) {
        size_t left = PND_LINUX_PAGE_MIN - (size_t)((address + done) % PND_LINUX_PAGE_MIN);
        size_t now = len - done < left ? len - done : left;
        int err = read_page(kernel, address + done, (char *)buf + done, now);

        if (err)
            return err;
        done += now;
    }
    return PND_OK;
}

/* ---- the log ---- */

/* All of it that can be read, in the caller's memory; its end is what counts. */
static char *read_log(struct kernel *kernel, size_t *ret_len)
{
    struct pnd_vmcore_log *log = malloc(sizeof(*log));
    size_t cap = 1 << 18, len = 0, got = 1;
    char *text = malloc(cap);
    int err = log && text ? pnd_vmcore_log_open(&kernel->vmcore, log) : PND_E_SYS;

    while (!err && got > 0) {
        if (cap - len < PND_VMCORE_LOG_TEXT_MIN && cap < 2 * (size_t)PND_FACT_LOG_MAX) {
            char *grown = realloc(text, cap * 2);

            err = grown ? PND_OK : PND_E_SYS;
            text = grown ? grown : text;
            cap *= grown ? 2 : 1;
        } else if (cap - len < PND_VMCORE_LOG_TEXT_MIN) {
            memmove(text, text + cap / 2, len - cap / 2);
            len -= cap / 2;
        }
        if (!err)
            err = pnd_vmcore_log_text(log, text + len, cap - len, &got);
        len += err ? 0 : got;
    }
    free(log);
    if (len == 0) {
        free(text);
        return NULL;
    }
    *ret_len = len;
    return text;
}

/* ---- what the kernel calls itself ---- */

enum uts { UTS_SYSTEM, UTS_NODE, UTS_RELEASE, UTS_VERSION, UTS_MACHINE, UTS_COUNT };

static void read_uts(struct kernel *kernel, struct pnd_facts *facts)
{
    char uts[UTS_COUNT][PND_LINUX_UTS_FIELD];
    uint64_t address = 0, offset = 0;

    if (!pnd_vmcore_info_number(&kernel->vmcore, "SYMBOL(init_uts_ns)", 16, &address))
        return;
    pnd_vmcore_info_number(&kernel->vmcore, "OFFSET(uts_namespace.name)", 10, &offset);
    if (read_memory(kernel, address + offset, uts, sizeof(uts)) != PND_OK)
        return;
    for (size_t i = 0; i < UTS_COUNT; i++)
        uts[i][PND_LINUX_UTS_FIELD - 1] = '\0';
    if (strcmp(uts[UTS_SYSTEM], "Linux") != 0)
        return; /* the address was wrong */
    if (strcmp(uts[UTS_NODE], "(none)") != 0)
        pnd_facts_set(facts, PND_FACT_HOST, uts[UTS_NODE], strlen(uts[UTS_NODE]));
    pnd_facts_set(facts, PND_FACT_ARCH, uts[UTS_MACHINE], strlen(uts[UTS_MACHINE]));
    if (!facts->text[PND_FACT_KERNEL_VERSION])
        pnd_facts_setf(facts, PND_FACT_KERNEL_VERSION, "Linux version %s %s", uts[UTS_RELEASE],
                       uts[UTS_VERSION]);
}

static void set_info(const struct pnd_vmcore *vmcore, struct pnd_facts *facts)
{
    const char *text = NULL;
    size_t len = 0;
    uint64_t value = 0;

    pnd_facts_set(facts, PND_FACT_OS, "Linux", strlen("Linux"));
    if (vmcore->release[0])
        pnd_facts_set(facts, PND_FACT_KERNEL, vmcore->release, strlen(vmcore->release));
    if (pnd_vmcore_info(vmcore, "BUILD-ID", &text, &len))
        pnd_facts_set(facts, PND_FACT_BUILD_ID, text, len);
    if (vmcore->crash_time_s)
        pnd_facts_setf(facts, PND_FACT_CRASH_TIME, "%" PRIu64, vmcore->crash_time_s);
    if (pnd_vmcore_info_number(vmcore, "SYMBOL(_stext)", 16, &value))
        pnd_facts_setf(facts, PND_FACT_LOAD, "0x%" PRIx64, value);
    if (pnd_vmcore_info_number(vmcore, "KERNELOFFSET", 16, &value))
        pnd_facts_setf(facts, PND_FACT_SLIDE, "0x%" PRIx64, value);
}

int pnd_linux_core_facts(struct pnd_linux_core *core, struct pnd_facts *facts)
{
    const char *arch = pnd_linux_machine_name(core->notes.machine, core->notes.is32);
    struct kernel *kernel = calloc(1, sizeof(*kernel));
    struct pnd_vmcore_source memory = {.ctx = kernel, .read = read_memory};
    int panicked = -1;
    size_t len = 0;
    char *log;

    if (!kernel)
        return PND_E_SYS;
    kernel->core = core;
    pnd_vmcore_attach(&kernel->vmcore, core->notes.info, core->notes.info_len, core->notes.is32,
                      core->notes.big, &memory);
    kernel->xlat = pnd_linux_xlat_create(core, &kernel->vmcore);

    log = read_log(kernel, &len);
    if (log) {
        pnd_facts_from_linux_log(log, len, facts);
        panicked = pnd_linux_log_cpu(log, len);
        free(log);
    }
    set_info(&kernel->vmcore, facts);
    if (arch)
        pnd_facts_set(facts, PND_FACT_ARCH, arch, strlen(arch));
    read_uts(kernel, facts);
    if (panicked < 0 && core->notes.cpu_count == 1 && facts->text[PND_FACT_PANIC])
        panicked = 0;
    pnd_linux_notes_cpus(&core->notes, panicked, facts);
    pnd_linux_xlat_destroy(kernel->xlat);
    free(kernel);
    return PND_OK;
}
