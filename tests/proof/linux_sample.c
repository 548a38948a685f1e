/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes a small Linux dump to standard output, for test_abuse.py.
 *   linux-sample elf|qemu|kdump|flattened */
#include "unit/linux_image.h"

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";

    image_make(2, false);
    if (strcmp(kind, "elf") == 0)
        make_elf_core(&(struct elf_how){.info = true, .virtual = true});
    else if (strcmp(kind, "qemu") == 0)
        make_elf_core(&(struct elf_how){.qemu = true});
    else
        make_kdump(&(struct kdump_how){.packing = PND_KDUMP_ZLIB, .info = true});
    if (strcmp(kind, "flattened") == 0)
        flatten(10007);
    return fwrite(file_bytes, 1, file_len, stdout) == file_len ? 0 : 1;
}
