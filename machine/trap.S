/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The way into box_trap() and back. */

    .text
    .macro vector number, code=0
    .balign 16
    .if \code == 0
    pushq $0
    .endif
    pushq $\number
    jmp common
    .endm

    /* 32 entries of 16 bytes: the gates of box_trap_init() */
    .balign 16
    .globl box_vectors
box_vectors:
    vector 0
    vector 1
    vector 2
    vector 3
    vector 4
    vector 5
    vector 6
    vector 7
    vector 8, 1
    vector 9
    vector 10, 1
    vector 11, 1
    vector 12, 1
    vector 13, 1
    vector 14, 1
    vector 15
    vector 16
    vector 17, 1
    vector 18
    vector 19
    vector 20
    vector 21, 1
    vector 22
    vector 23
    vector 24
    vector 25
    vector 26
    vector 27
    vector 28
    vector 29, 1
    vector 30, 1
    vector 31

common: /* struct box_frame, from its end */
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rdi
    pushq %rsi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rbp
    subq $512, %rsp
    andq $-16, %rsp
    fxsave64 (%rsp)
    movq %rbp, %rdi
    movq %rsp, %rsi
    call box_trap
    fxrstor64 (%rsp)
    movq %rbp, %rsp
restore:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rsi
    popq %rdi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

    /* void box_resume(const struct box_saved *saved) */
    .globl box_resume
    .type box_resume, @function
box_resume:
    fxrstor64 (%rdi)
    leaq 512(%rdi), %rsp
    jmp restore

    /* void box_run_on(void *stack_top, void (*run)(void *arg), void *arg) */
    .globl box_run_on
    .type box_run_on, @function
box_run_on:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    movq %rdx, %rdi
    call *%rsi
    ud2

    /* The timer of box_doze(); it only ends a hlt. */
    .globl box_timer_vector
    .type box_timer_vector, @function
box_timer_vector:
    pushq %rax
    movb $0x20, %al
    outb %al, $0x20
    popq %rax
    iretq

    .globl box_spurious_vector
    .type box_spurious_vector, @function
box_spurious_vector:
    iretq

    .section .note.GNU-stack, "", @progbits
