#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# dracut module: what sends a dump to panicd, from an initramfs of kdump.

# Only when it is asked for: dracut --add panicd.
check() {
    require_binaries panicdump-static || return 1
    return 255
}

# The drivers of this machine's network ports. No addresses are configured: the collector has its
# own, and sends Ethernet frames.
depends() {
    echo kernel-network-modules
}

installkernel() {
    instmods af_packet
}

# shellcheck disable=SC2154 # moddir is set by dracut
install() {
    inst_multiple panicdump-static sh
    inst_multiple -o makedumpfile
    inst_simple "$moddir/panicd-collect" /usr/bin/panicd-collect
}
