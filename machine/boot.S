/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From QEMU's PVH entry - 32-bit protected mode, paging off, %ebx the start info - to box_main()
 * at its high address. The tables made here map the first GiB twice, at 0 and at BOX_BASE, and
 * serve until box_memory_init() has made the real ones. */

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18 /* "Xen", an 8-byte descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad box_entry

    .section .boot.text, "ax", @progbits
    .code32
    .globl box_entry
    .type box_entry, @function
box_entry:
    cli
    cld
    movl %ebx, %esi

    /* pdpt[0] -> pd; pd[i] = i * 2 MiB; pml4[0] (here and now) and pml4[511] (BOX_BASE) -> pdpt */
    movl $(boot_tables_end - boot_pml4) / 4, %ecx
    xorl %eax, %eax
    movl $boot_pml4, %edi
    rep stosl
    movl $boot_pdpt + 0x3, boot_pml4
    movl $boot_pdpt + 0x3, boot_pml4 + 511 * 8
    movl $boot_pd + 0x3, boot_pdpt
    movl $0x83, %eax
    movl $boot_pd, %edi
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    cmpl $boot_pd + 4096, %edi
    jne 1b

    movl $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER: LME, NXE */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE; without EM, TS: SSE works */
    movl %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $1f

    .code64
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl %esi, %ebx

    movabsq $box_zero_start, %rdi
    movabsq $box_zero_end, %rcx
    subq %rdi, %rcx
    shrq $3, %rcx
    rep stosq

    movabsq $box_main_stack_top, %rsp
    xorl %ebp, %ebp
    pushq $0 /* the return address: where a backtrace ends */
    movq %rbx, %rdi
    movabsq $box_main, %rax
    jmp *%rax

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff /* 0x08: 64-bit code */
    .quad 0x00cf93000000ffff /* 0x10: data */
boot_gdtr:
    .word 23
    .long boot_gdt

    .section .boot.bss, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4096
boot_tables_end:

    /* Every stack has a page below it that box_memory_init() unmaps. The main stack is dumped;
     * the others are work memory: a trap during a dump writes to them. */
    .section .bss.stack, "aw", @nobits
    .balign 4096
    .globl box_main_guard, box_main_stack, box_main_stack_top
box_main_guard:
    .skip 4096
box_main_stack:
    .skip 32768
box_main_stack_top:

    .section .bss.work.stack, "aw", @nobits
    .balign 4096
    .globl box_nmi_guard, box_nmi_stack_top, box_fault_guard, box_fault_stack_top
    .globl box_dump_guard, box_dump_stack, box_dump_stack_top
    .globl box_nested_guard, box_nested_stack, box_nested_stack_top
box_nmi_guard:
    .skip 4096
    .skip 4096
box_nmi_stack_top:
box_fault_guard:
    .skip 4096
    .skip 4096
box_fault_stack_top:
box_dump_guard:
    .skip 4096
box_dump_stack:
    .skip 16384
box_dump_stack_top:
box_nested_guard:
    .skip 4096
box_nested_stack:
    .skip 16384
box_nested_stack_top:

    .section .note.GNU-stack, "", @progbits
