/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which frames of a backtrace say where it happened, and what they are called. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "facts/signature_parts.h"

/* Functions through which every panic of a kernel passes; without leading underscores. Where one
 * ends in '*' its start is enough. */
static const char *const machinery[] = {
    /* Darwin and panicbox */
    "Debugger*", "box_panic*", "box_trap*", "fleh_*", "handle_debugger_trap", "handle_kernel_abort",
    "hndl_*", "kdp_*", "kernel_trap", "panic_*", "return_from_trap", "sleh_*", "trap_from_kernel",
    /* Linux */
    "asm_*", "bad_area*", "bust_spinlocks", "crash_kexec", "crash_save_cpu", "crash_setup_regs",
    "default_do_nmi", "die", "die_*", "do_error_trap", "do_general_protection", "do_invalid_op",
    "do_kern_addr_fault", "do_mem_abort", "do_page_fault", "do_syscall_64", "do_translation_fault",
    "do_trap", "do_user_addr_fault", "dump_backtrace*", "dump_stack*", "dump_trace", "el1*",
    "end_repeat_nmi", "entry_SYSCALL*", "error_entry", "exc_*", "general_protection", "handle_bug",
    "handle_sysrq", "invalid_op", "io_check_error", "kernelmode_fixup_or_oops", "machine_kexec",
    "nmi", "nmi_handle", "nmi_panic", "no_context", "oops_*", "page_fault", "page_fault_oops",
    "report_bug", "ret_from_fork*", "show_regs", "show_stack*", "show_trace*", "sysrq_*",
    "unknown_nmi_error", "warn", "warn_slowpath*", "write_sysrq_trigger", "x64_sys_call",
    /* the timer's interrupt, in which Linux finds a lockup */
    "apic_timer_interrupt", "hrtimer_interrupt", "hrtimer_run_queues", "local_apic_timer_interrupt",
    "run_hrtimer", "smp_apic_timer_interrupt", "sysvec_*", "watchdog_overflow_callback",
    "watchdog_timer_fn",
    /* FreeBSD */
    "alltraps", "amd64_syscall", "boot", "calltrap", "db_*", "doadump", "dumpsys*",
    "fast_syscall_common", "fork_trampoline", "kdb_*", "kern_reboot", "trap", "trap_fatal",
    "trap_pfault", "vm_fault_trap", "vpanic",
    /* all */
    "panic"};

static bool is_machinery(const char *name)
{
    name += strspn(name, "_");
    for (size_t i = 0; i < sizeof(machinery) / sizeof(*machinery); i++) {
        size_t len = strlen(machinery[i]);

        if (machinery[i][len - 1] == '*' ? strncmp(name, machinery[i], len - 1) == 0
                                         : strcmp(name, machinery[i]) == 0)
            return true;
    }
    return false;
}

static bool is_symbol(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_$~<>:", c) != NULL);
}

static size_t symbol_len(const char *text)
{
    size_t len = 0;

    while (is_symbol(text[len]))
        len++;
    return len;
}

/* Behind the last @p mark, or @p text. */
static const char *behind(const char *text, const char *mark)
{
    const char *at = text, *next;

    while ((next = strstr(at, mark)) != NULL)
        at = next + strlen(mark);
    return at;
}

/* The name in what a log calls a frame, in any of
 *   "sysrq_handle_crash+0x16/0x20", "ext4_find_entry+0x1/0x2 [ext4]", "RIP: 0010:foo+0x1/0x2",
 *   "[<ffffffff8130c3a6>] foo+0x1/0x2", "mach_kernel : _panic + 0xd3", "trap+0x2a3",
 *   "trap() at trap+0x2a3/frame 0xfffffe0012345000", "#3 0xffffffff80c0 at trap+0x2a3".
 * @return its length; 0: none, or one that a stack's leftovers gave ("? foo+0x1/0x2") */
static size_t find_symbol(const char *text, const char **ret)
{
    size_t len;

    text += strspn(text, " \t");
    if (*text == '?' || *text == '<' || strncmp(text, "---", 3) == 0)
        return 0;
    text = behind(text, " at ");
    text = behind(text, " : ");
    if (strncmp(text, "RIP: ", 5) == 0)
        text += 5;
    if (*text == '[')
        text += strcspn(text, "]") + 1 - (strchr(text, ']') == NULL);
    text += strspn(text, " .\t"); /* ".foo" is the code of foo on ppc64 */
    if (strncmp(text, "0010:", 5) == 0)
        text += 5;
    len = symbol_len(text);
    if (len == 0 || (text[0] >= '0' && text[0] <= '9')) /* an address */
        return 0;
    *ret = text;
    return len;
}

/* "[ext4]", "[e1000e(O)]", "[zfs 0123abcd]" at the end of a frame of Linux; "com.apple.x(1.2)[..."
 */
static size_t find_module(const struct pnd_fact_frame *frame, const char **ret)
{
    const char *at = frame->module;

    if (!at && frame->text) {
        at = strrchr(frame->text, '[');
        at = at && at > frame->text && at[-1] == ' ' ? at + 1 : NULL;
    }
    if (!at)
        return 0;
    *ret = at;
    return strcspn(at, "([] @");
}

static bool is_kernel(const char *module, size_t len)
{
    static const char *const names[] = {"mach_kernel", "kernel", "vmlinux"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], module, len) == 0)
            return true;
    }
    return false;
}

/* "foo", "foo [module]", "[module]". @return false: it says nothing */
static bool frame_name(const struct pnd_fact_frame *frame, char ret[PND_SIGNATURE_NAME])
{
    const char *symbol = NULL, *module = NULL;
    size_t symbol_bytes = frame->text ? find_symbol(frame->text, &symbol) : 0;
    size_t module_bytes = find_module(frame, &module);
    char name[PND_SIGNATURE_NAME];

    if (frame->text && symbol_bytes == 0 && frame->text[strspn(frame->text, " \t")] == '?')
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)(symbol_bytes < 96 ? symbol_bytes : 96),
             symbol_bytes ? symbol : "");
    for (size_t i = 0; i < module_bytes; i++) {
        if (i == 56 || (uint8_t)module[i] >= 0x80)
            module_bytes = i;
    }
    if (module_bytes && is_kernel(module, module_bytes))
        module_bytes = 0;
    if (name[0] && is_machinery(name))
        return false;
    if (module_bytes)
        snprintf(ret, PND_SIGNATURE_NAME, "%.100s%s[%.*s]", name, name[0] ? " " : "",
                 (int)module_bytes, module);
    else
        snprintf(ret, PND_SIGNATURE_NAME, "%s", name);
    return ret[0] != '\0';
}

unsigned pnd_signature_frames(const struct pnd_facts *facts,
                              char ret[PND_SIGNATURE_FRAMES][PND_SIGNATURE_NAME])
{
    unsigned count = 0;

    for (unsigned i = 0; i < facts->frame_count && i < PND_SIGNATURE_WALK_MAX; i++) {
        if (count == PND_SIGNATURE_FRAMES)
            break;
        if (!frame_name(&facts->frames[i], ret[count]))
            continue;
        /* a run of a module's frames without names, or a recursion, is one */
        if (count == 0 || strcmp(ret[count], ret[count - 1]) != 0)
            count++;
    }
    return count;
}
