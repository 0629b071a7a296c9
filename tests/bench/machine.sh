# shellcheck shell=bash
# What the figures were taken on, in one line.
# SPDX-License-Identifier: Apache-2.0

machine() {
    printf '%s, %s CPUs, Linux %s, %s hugepages free\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" \
        "$(uname -r | cut -d. -f1,2)" "$(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)"
}
