/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much memory must be reserved for a crash kernel: one rule, and what it was measured on. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "arm/machine.h"
#include "host/guard.h"
#include "host/io.h"
#include "panicd/err.h"
#include "wire/cursor.h"

#define MIB ((uint64_t)1 << 20)

/* Measured in QEMU by bench/reservation.py, whose figures bench/README.md has: x86-64, one
 * processor in the crash kernel, Debian's kernels 6.1.0-56, armed by panicdump arm, everything sent
 * through gzip. The smallest crashkernel= of which a whole dump arrived, with each filter, and the
 * next smaller one, of which none did:
 *
 *   kernel   init_size  driver      initramfs  arrives  does not
 *   cloud    51.5 MiB   virtio_net  1.5 MiB    68M      64M
 *   generic  63.6 MiB   virtio_net  1.5 MiB    80M      76M
 *   generic  63.6 MiB   e1000       1.4 MiB    80M      76M
 *   generic  63.6 MiB   e1000e      1.8 MiB    80M      76M
 *
 * In each the reservation touched two blocks of 128 MiB of addresses, of which each takes 2 MiB
 * for its page structs: as many as one of that size can.
 *
 * The image is unpacked into init_size bytes. The initramfs is there twice while it is unpacked,
 * and its pages come out of memory that is already in pieces: three times. The rest is what the
 * kernel's tables, its first processes and the sender take. */
enum {
    INITRAMFS_TIMES = 3,
    REST_MIB = 11,
    MARGIN_MIB = 4,        /* the step of the measurement, because machines differ */
    UNMEASURED_MIB = 16,   /* for a driver that is in no row above: some fill rings of many MiB */
    IMAGE_GUESS_TIMES = 8, /* 8.2 MB of the generic kernel, packed with xz, take 63.6 MiB */
    IMAGE_MIB_MAX = 1024,  /* a header that says more is none */
};

/* What a driver takes beyond those that were measured, which make no difference of a step. */
static uint64_t driver_mib(const char *driver)
{
    static const char *const measured[] = {"virtio_net", "e1000", "e1000e"};

    for (size_t i = 0; driver && i < sizeof(measured) / sizeof(measured[0]); i++)
        if (strcmp(measured[i], driver) == 0)
            return 0;
    return driver ? UNMEASURED_MIB : 0;
}

uint64_t pnd_machine_needed(const struct pnd_machine_load *load)
{
    uint64_t bytes = load->image_bytes + INITRAMFS_TIMES * load->initramfs_bytes +
                     load->dump_bytes + (REST_MIB + MARGIN_MIB + driver_mib(load->driver)) * MIB;

    return (bytes + MIB - 1) / MIB * MIB;
}

int pnd_machine_image_memory(const char *path, uint64_t *ret, struct pnd_why *why)
{
    /* @source the kernel's documentation: arch/x86/boot.rst (header at 0x1f1, "HdrS" at 0x202,
     * version at 0x206, init_size at 0x260); arch/arm64/booting.rst ("ARM\x64" at 56, image_size
     * at 16); arch/riscv/boot-image-header.rst ("RSC\x05" at 56, image_size at 16) */
    enum { X86_MAGIC = 0x202, X86_VERSION = 0x206, X86_INIT_SIZE = 0x260, HEADER_LEN = 0x264 };
    uint8_t header[HEADER_LEN];
    struct stat status;
    struct pnd_rd rd;
    uint64_t said = 0;
    PND_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0)
        return pnd_why(why, PND_E_SYS, errno, "%s", path);
    if (pnd_io_read_at(fd, 0, header, sizeof(header)) != HEADER_LEN)
        return pnd_why(why, PND_E_FORMAT, 0, "%s is too short for a kernel", path);
    if (memcmp(header + X86_MAGIC, "HdrS", 4) == 0) {
        rd = pnd_rd(header + X86_VERSION, 2);
        if (pnd_rd_le16(&rd) >= 0x20a) {
            rd = pnd_rd(header + X86_INIT_SIZE, 4);
            said = pnd_rd_le32(&rd);
        }
    } else if (memcmp(header + 56, "ARM\x64", 4) == 0 || memcmp(header + 56, "RSC\x05", 4) == 0) {
        rd = pnd_rd(header + 16, 8);
        said = pnd_rd_le64(&rd);
    }
    *ret = said > 0 && said <= IMAGE_MIB_MAX * MIB ? said
                                                   : (uint64_t)status.st_size * IMAGE_GUESS_TIMES;
    return PND_OK;
}
