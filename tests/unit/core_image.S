/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A kernel that is never run: three functions that call each other, linked where a kernel would
 * lie. tests/unit/make_core.c puts it into the memory of a core, with a stack on which the
 * innermost has just died; so debuggers have symbols, and frames to find. */
    .text
    .globl outer, middle, inner, inner_dies, middle_back, outer_back
    .type outer, @function
    .type middle, @function
    .type inner, @function

outer:
    push %rbp
    mov %rsp, %rbp
    call middle
outer_back:
    ud2
    .size outer, . - outer

    .balign 256, 0xcc
middle:
    push %rbp
    mov %rsp, %rbp
    sub $32, %rsp
    call inner
middle_back:
    leave
    ret
    .size middle, . - middle

    .balign 256, 0xcc
inner:
    push %rbp
    mov %rsp, %rbp
    sub $16, %rsp
inner_dies:
    ud2
    leave
    ret
    .size inner, . - inner

    .section .note.GNU-stack, "", @progbits
