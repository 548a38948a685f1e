#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage: bench/peers.sh DIRECTORY
# Unpacks the programs that panicd is measured beside into DIRECTORY, from the distribution's own
# packages. None is installed: daemons that were would start, two of them exclude each other, and
# nothing would take them away again. What is not to be had here is named and left out.
set -euo pipefail

into=${1:?usage: bench/peers.sh DIRECTORY}
packages="tftpd-hpa atftpd atftp socat iperf3 openssh-server openssh-client"
# What these need and a small system may not have; Ubuntu calls some by another name.
libraries="libwrap0 libiperf0 libsctp1 libreadline8 libreadline8t64 libgssapi-krb5-2 libkrb5-3
    libk5crypto3 libkrb5support0 libkeyutils1 libcom-err2 libaudit1 libpam0g libpcre2-8-0"

[ ! -e "$into/done" ] || exit 0
command -v apt-get >/dev/null || { echo "peers.sh: no apt-get here: no other systems beside panicd" >&2; exit 0; }
mkdir -p "$into/packages"
cd "$into/packages"
known=$(apt-cache policy $packages $libraries 2>/dev/null |
    awk '/^[a-z]/ { name = $1 } /Candidate:/ && $2 != "(none)" { sub(":$", "", name); print name }')
for package in $packages; do
    grep -qx "$package" <<<"$known" || echo "peers.sh: this system has no package $package" >&2
done
# One call; one by one when one of them fails, so that it costs no other.
apt-get download -qq $known 2>/dev/null || for package in $known; do
    apt-get download -qq "$package" 2>/dev/null || echo "peers.sh: $package cannot be fetched" >&2
done
for file in *.deb; do
    [ ! -e "$file" ] || dpkg-deb -x "$file" ..
done
touch ../done
