/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arming and disarming, on a machine made of files whose kernel is a few functions: whatever fails,
 * and whenever the program is killed, what stands in /run is what is so, and what an NMI did before
 * is put back. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arm/arm.h"

#include "module_tree.h"

static struct pnd_why why;
static struct pnd_arm arm_state;
static struct pnd_state state;

/* ---- the machine */

#define LOADED  "sys/kernel/kexec_crash_loaded"
#define NMI     "proc/sys/kernel/unknown_nmi_panic"
#define BOOT_ID "proc/sys/kernel/random/boot_id"

static const char *value(const char *path)
{
    static char text[64];
    char slashed[256];

    snprintf(slashed, sizeof(slashed), "/%s", path);
    pnd_rooted_read(tmp_path, slashed, text, sizeof(text));
    return text;
}

static void machine(void)
{
    tmp_make();
    tree_text("boot/vmlinuz", "a kernel");
    tree_text(LOADED, "0\n");
    tree_text(NMI, "0\n");
    tree_text(BOOT_ID, "11111111-aaaa\n");
}

/* ---- its kernel */

static enum { TAKES, REFUSES_AT_ONCE, FAILS_LATE, KILLED_BEFORE, KILLED_AFTER } kernel_does;

static long fake_load(int kernel, int initramfs, const char *cmdline, unsigned long flags)
{
    (void)kernel, (void)initramfs, (void)cmdline, (void)flags;
    if (kernel_does == KILLED_BEFORE)
        raise(SIGKILL);
    errno = kernel_does == REFUSES_AT_ONCE ? EPERM : EINVAL;
    if (kernel_does == REFUSES_AT_ONCE)
        return -1;
    tree_text(LOADED, "0\n"); /* the old one goes first */
    if (kernel_does == FAILS_LATE)
        return -1;
    tree_text(LOADED, "1\n");
    if (kernel_does == KILLED_AFTER)
        raise(SIGKILL);
    return 0;
}

static int fake_kexec(const char *const argv[], char *said, size_t cap)
{
    (void)argv, (void)said, (void)cap;
    return -1;
}

static long fake_unload(void)
{
    tree_text(LOADED, "0\n");
    return 0;
}

static const struct pnd_kernel_calls calls = {fake_load, fake_kexec, fake_unload};

/* ---- what is done */

static int arm(const char *server, bool on_nmi)
{
    struct pnd_arm *a = &arm_state;

    memset(a, 0, sizeof(*a));
    a->request.root = tmp_path;
    a->request.on_nmi = on_nmi;
    a->request.calls = &calls;
    pnd_rooted_path(a->kernel.path, tmp_path, "/boot/vmlinuz");
    snprintf(a->kernel.release, sizeof(a->kernel.release), "6.1.0");
    snprintf(a->options_text, sizeof(a->options_text), "_panicd_ip=%s", server);
    return pnd_arm_load(a, &why);
}

static int disarm(void)
{
    return pnd_disarm(tmp_path, false, &calls, &state, &why);
}

static void arm_and_be_killed(const char *server, bool on_nmi)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        arm(server, on_nmi);
        _exit(1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static bool says(const char *server)
{
    return pnd_state_read(tmp_path, &state, &why) == PND_OK &&
           strcmp(state.options + strlen("_panicd_ip="), server) == 0;
}

/* ---- sentences */

static void disarming_leaves_the_machine_as_it_was(void)
{
    machine();
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", true), PND_OK);
    CHECK(says("10.0.0.1") && !state.unfinished && state.on_nmi);
    CHECK_STR(value(LOADED), "1");
    CHECK_STR(value(NMI), "1");
    CHECK_EQ(arm("10.0.0.2", true), PND_OK); /* what an NMI did before the first one counts */
    CHECK(says("10.0.0.2") && state.nmi_before.value[0] == 0);
    CHECK_EQ(disarm(), PND_OK);
    CHECK_STR(value(LOADED), "0");
    CHECK_STR(value(NMI), "0");
    CHECK(!tmp_exists("run/panicd/armed.json"));
    CHECK_EQ(disarm(), PND_E_NOTFOUND);
    tmp_remove();
}

static void arming_again_without_an_nmi_takes_that_back(void)
{
    machine();
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", true), PND_OK);
    CHECK_EQ(arm("10.0.0.1", false), PND_OK);
    CHECK_STR(value(NMI), "0");
    CHECK(says("10.0.0.1") && !state.on_nmi);
    tmp_remove();
}

static void whoever_is_killed_while_loading_leaves_behind_that_it_was_so(void)
{
    for (int again = 0; again < 2; again++) {
        for (int when = KILLED_BEFORE; when <= KILLED_AFTER; when++) {
            machine();
            kernel_does = TAKES;
            if (again)
                CHECK_EQ(arm("10.0.0.1", true), PND_OK);
            kernel_does = when;
            arm_and_be_killed("10.0.0.2", true);
            CHECK(says("10.0.0.2") && state.unfinished);
            CHECK(state.on_nmi && state.nmi_before.value[0] == 0);
            CHECK_STR(value(LOADED), again || when == KILLED_AFTER ? "1" : "0");
            CHECK_EQ(disarm(), PND_OK);
            CHECK_STR(value(LOADED), "0");
            CHECK_STR(value(NMI), "0");
            tmp_remove();
        }
    }
}

static void what_was_cut_off_is_made_good_by_arming_again(void)
{
    machine();
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", true), PND_OK);
    kernel_does = KILLED_AFTER;
    arm_and_be_killed("10.0.0.2", false);
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.3", false), PND_OK);
    CHECK(says("10.0.0.3") && !state.unfinished && !state.on_nmi);
    CHECK_STR(value(NMI), "0");
    tmp_remove();
}

static void a_load_that_is_refused_at_once_changes_nothing(void)
{
    machine();
    kernel_does = REFUSES_AT_ONCE;
    CHECK_EQ(arm("10.0.0.1", true), PND_E_SYS);
    CHECK(!tmp_exists("run/panicd/armed.json"));
    CHECK_STR(value(NMI), "0");
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", true), PND_OK);
    kernel_does = REFUSES_AT_ONCE;
    CHECK_EQ(arm("10.0.0.2", false), PND_E_SYS);
    CHECK(strstr(why.text, "locked down") && !strstr(why.text, "gone"));
    CHECK(says("10.0.0.1") && !state.unfinished && state.on_nmi);
    CHECK_STR(value(NMI), "1");
    tmp_remove();
}

static void a_load_that_fails_late_says_that_nothing_is_armed_any_more(void)
{
    machine();
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", true), PND_OK);
    kernel_does = FAILS_LATE;
    CHECK_EQ(arm("10.0.0.2", true), PND_E_SYS);
    CHECK(strstr(why.text, "the crash kernel that was loaded until now is gone"));
    CHECK(!tmp_exists("run/panicd/armed.json"));
    CHECK_STR(value(NMI), "0");
    tree_text(LOADED, "1\n"); /* somebody else's goes as well */
    CHECK_EQ(arm("10.0.0.2", false), PND_E_SYS);
    CHECK(strstr(why.text, "gone"));
    tmp_remove();
}

static void what_somebody_else_loaded_is_his(void)
{
    machine();
    tree_text(LOADED, "1\n");
    CHECK_EQ(disarm(), PND_E_BUSY);
    CHECK_STR(value(LOADED), "1");
    CHECK_EQ(pnd_disarm(tmp_path, true, &calls, &state, &why), PND_OK);
    CHECK(!state.release[0]);
    CHECK_STR(value(LOADED), "0");
    tmp_remove();
}

/* Where /run is on a disk. */
static void a_record_of_an_earlier_start_counts_for_nothing(void)
{
    machine();
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", true), PND_OK);
    tree_text(BOOT_ID, "22222222-bbbb\n");
    tree_text(LOADED, "0\n");
    tree_text(NMI, "0\n");
    CHECK_EQ(pnd_state_read(tmp_path, &state, &why), PND_E_NOTFOUND);
    CHECK(strstr(why.text, "earlier start"));
    CHECK_EQ(disarm(), PND_E_NOTFOUND);
    CHECK_EQ(arm("10.0.0.2", false), PND_OK);
    CHECK_STR(value(NMI), "0");
    CHECK(says("10.0.0.2"));
    tmp_remove();
}

static void two_at_once_wait_for_each_other(void)
{
    int first = -1, second = -1;

    machine();
    CHECK_EQ(pnd_state_lock(tmp_path, 0, &first, &why), PND_OK);
    CHECK_EQ(pnd_state_lock(tmp_path, 100, &second, &why), PND_E_BUSY);
    CHECK(strstr(why.text, "another panicdump"));
    close(first);
    CHECK_EQ(pnd_state_lock(tmp_path, 0, &second, &why), PND_OK);
    close(second);
    tmp_remove();
}

static void everybody_may_read_what_is_armed(void)
{
    struct stat st;
    mode_t before = umask(077);

    machine();
    kernel_does = TAKES;
    CHECK_EQ(arm("10.0.0.1", false), PND_OK);
    umask(before);
    CHECK(stat(tmp_file("run/panicd/armed.json"), &st) == 0 && (st.st_mode & 0777) == 0644);
    CHECK(stat(tmp_file("run/panicd"), &st) == 0 && (st.st_mode & 0777) == 0755);
    tmp_remove();
}

int main(void)
{
    RUN(disarming_leaves_the_machine_as_it_was);
    RUN(arming_again_without_an_nmi_takes_that_back);
    RUN(whoever_is_killed_while_loading_leaves_behind_that_it_was_so);
    RUN(what_was_cut_off_is_made_good_by_arming_again);
    RUN(a_load_that_is_refused_at_once_changes_nothing);
    RUN(a_load_that_fails_late_says_that_nothing_is_armed_any_more);
    RUN(what_somebody_else_loaded_is_his);
    RUN(a_record_of_an_earlier_start_counts_for_nothing);
    RUN(two_at_once_wait_for_each_other);
    RUN(everybody_may_read_what_is_armed);
    return tap_done();
}
