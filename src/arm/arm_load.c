/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arming, the part that changes the machine, and disarming: see arm.h. */
#include <string.h>
#include <time.h>

#include "arm/arm.h"

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fill_state(const struct pnd_arm *arm, struct pnd_state *s)
{
    const struct pnd_route *r = &arm->routes[0];

    memset(s, 0, sizeof(*s));
    memcpy(s->release, arm->kernel.release, sizeof(s->release));
    memcpy(s->kernel, arm->kernel.path, sizeof(s->kernel));
    memcpy(s->loader, arm->loader, sizeof(s->loader));
    s->since_ms = now_ms();
    memcpy(s->options, arm->options_text, sizeof(s->options));
    memcpy(s->interface, r->interface, sizeof(s->interface));
    memcpy(s->port, r->port, sizeof(s->port));
    memcpy(s->driver, r->driver, sizeof(s->driver));
    s->kernel_bytes = arm->kernel.bytes;
    s->initramfs_bytes = arm->initramfs_bytes;
    s->reserved_bytes = arm->machine.reserved_bytes;
    s->needed_bytes = arm->machine.needed_bytes;
    s->module_count = (uint32_t)arm->modules.count;
    s->on_nmi = arm->request.on_nmi;
    s->nmi_before = arm->nmi_before;
}

/* What an NMI did before the first of several armings counts. */
static void find_nmi_before(struct pnd_arm *arm, const struct pnd_state *before)
{
    if (before->on_nmi)
        arm->nmi_before = before->nmi_before;
    else
        pnd_nmi_read(arm->request.root, &arm->nmi_before);
}

static int set_nmi(const struct pnd_arm *arm, const struct pnd_state *before, struct pnd_why *why)
{
    const char *root = arm->request.root;

    if (arm->request.on_nmi)
        return pnd_nmi_panic(root, why);
    return before->on_nmi ? pnd_nmi_restore(root, &before->nmi_before, why) : PND_OK;
}

/* Written before anything is changed: whoever is killed in the middle leaves behind that it was
 * so, and what an NMI did before. */
static int announce(const struct pnd_arm *arm, const struct pnd_state *before, struct pnd_why *why)
{
    static struct pnd_state state;

    fill_state(arm, &state);
    state.unfinished = true;
    state.on_nmi = arm->request.on_nmi || before->on_nmi;
    return pnd_state_write(arm->request.root, &state, why);
}

/* A kernel takes the old crash kernel out before it looks at the new one, but not when it refuses
 * at once. @return @p err */
static int not_loaded(const struct pnd_arm *arm, const struct pnd_state *before, bool was_loaded,
                      int err, struct pnd_why *why)
{
    const char *root = arm->request.root;

    if (before->release[0] && pnd_kernel_loaded(root)) {
        pnd_state_write(root, before, NULL);
        return err;
    }
    if (before->on_nmi)
        pnd_nmi_restore(root, &before->nmi_before, NULL);
    pnd_state_remove(root, NULL);
    if (was_loaded && !pnd_kernel_loaded(root))
        pnd_why_add(why, err, "the crash kernel that was loaded until now is gone, and this one");
    return err;
}

/* What nobody knows of is not left behind. @return @p err */
static int take_back(struct pnd_arm *arm, int err)
{
    const char *root = arm->request.root;

    pnd_nmi_restore(root, &arm->nmi_before, NULL);
    pnd_kernel_unload(arm->request.calls, NULL);
    pnd_state_remove(root, NULL);
    arm->loader[0] = '\0';
    return err;
}

int pnd_arm_load(struct pnd_arm *arm, struct pnd_why *why)
{
    static struct pnd_state state, before;
    const char *root = arm->request.root;
    bool was_loaded = pnd_kernel_loaded(root);
    int err;

    if (pnd_state_read(root, &before, NULL))
        memset(&before, 0, sizeof(before));
    find_nmi_before(arm, &before);
    err = announce(arm, &before, why);
    if (err)
        return err;
    err = pnd_kernel_load(&arm->kernel, arm->initramfs, arm->cmdline, arm->request.calls,
                          arm->loader, why);
    if (err)
        return not_loaded(arm, &before, was_loaded, err, why);
    if (!pnd_kernel_loaded(root)) {
        pnd_state_remove(root, NULL);
        return pnd_why(why, PND_E_SYS, 0,
                       "the kernel took the crash kernel, and says that none is loaded: "
                       "/sys/kernel/kexec_crash_loaded is not 1");
    }
    err = set_nmi(arm, &before, why);
    if (err)
        return take_back(arm, err);
    fill_state(arm, &state);
    err = pnd_state_write(root, &state, why);
    return err ? take_back(arm, err) : PND_OK;
}

int pnd_disarm(const char *root, bool force, const struct pnd_kernel_calls *calls,
               struct pnd_state *ret, struct pnd_why *why)
{
    bool loaded = pnd_kernel_loaded(root);
    int err = pnd_state_read(root, ret, NULL);

    if (err)
        memset(ret, 0, sizeof(*ret));
    if (err == PND_E_NOTFOUND && !loaded)
        return pnd_why(why, PND_E_NOTFOUND, 0, "nothing is armed");
    if (err == PND_E_NOTFOUND && !force)
        return pnd_why(why, PND_E_BUSY, 0,
                       "a crash kernel is loaded that panicdump has not armed (kdump-tools, "
                       "kdump.service?): unload it with what loaded it, or here with --force");
    err = loaded ? pnd_kernel_unload(calls, why) : PND_OK;
    if (!err && ret->on_nmi)
        err = pnd_nmi_restore(root, &ret->nmi_before, why);
    return err ? err : pnd_state_remove(root, why);
}
