/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names of kernel extensions as an x86 panic log shortens them: ">!AHDA" is
 * "com.apple.driver.AppleHDA". Freestanding.
 * @source PROTOCOL.md#kdp-9.2 */
#ifndef PND_IMAGE_KEXT_NAME_H
#define PND_IMAGE_KEXT_NAME_H

#include <stddef.h>

enum { PND_KEXT_NAME_CAP = 256 }; /* a bundle id has at most 63 bytes, with NUL 64 */

/* Writes the full name with its NUL; what does not fit is cut. A name in full stays as it is.
 *   @param cap  of @p ret, at least 1.  @return the bytes before the NUL */
size_t pnd_kext_name_expand(const char *name, size_t len, char *ret, size_t cap);

#endif
