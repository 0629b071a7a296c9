# shellcheck shell=bash
# Looks at the host before anything is changed. Each check prints one line; a refusal says what would cure it.
# SPDX-License-Identifier: Apache-2.0

CHECK_CORES_MIN=2
CHECK_SPARE_MIB=2048 # beside the hugepages: the build, the two processes, the demo's clients
CHECK_DISK_MIB=3072
CHECK_REFUSED=0

check_pass() {
    printf '  ok       %s\n' "$*"
}

check_refuse() {
    printf '  MISSING  %s\n' "$*"
    CHECK_REFUSED=$((CHECK_REFUSED + 1))
}

# check_that WHAT CURE COMMAND …
check_that() {
    local what=$1 cure=$2
    shift 2
    if "$@"; then
        check_pass "$what"
    else
        check_refuse "$what: $cure"
    fi
}

os_field() {
    sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" /etc/os-release
}

check_is_debian12() {
    [ "$(os_field ID)" = debian ] && [ "$(os_field VERSION_ID)" = 12 ]
}

check_is_root() {
    [ "$(id -u)" -eq 0 ]
}

check_has_cores() {
    [ "$(nproc)" -ge "$CHECK_CORES_MIN" ]
}

check_has_cpu_flag() {
    grep -qm1 "^flags.* $1\( \|\$\)" /proc/cpuinfo
}

mib_available() {
    sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo | awk '{print int($1 / 1024)}'
}

check_memory_wanted() {
    echo $(((($(memory_hugepages_target) - $(memory_hugepages)) * 2) + CHECK_SPARE_MIB))
}

check_has_memory() {
    [ "$(mib_available)" -ge "$(check_memory_wanted)" ]
}

check_has_disk() {
    [ "$(df -Pm "$ROOT" | awk 'NR == 2 {print $4}')" -ge "$CHECK_DISK_MIB" ]
}

check_has_hugepages() {
    [ -w /proc/sys/vm/nr_hugepages ] && grep -q '^Hugepagesize: *2048 kB' /proc/meminfo
}

check_has_af_xdp() {
    grep -q '^XDP ' /proc/net/protocols
}

check_has_namespaces() {
    [ -e /proc/self/ns/net ] && grep -qw bpf /proc/filesystems
}

check_interface_exists() {
    network_link_exists "$1"
}

check_interface_is_not_default() {
    ! network_default_interfaces | grep -qxF -- "$1"
}

check_network_is_free() {
    [ -z "$(network_foreign_owner)" ]
}

check_port_is_free() {
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# check_host PORT_INTERFACE: the interface to serve, empty for a veth of our own.
check_host() {
    say "Checking this host:"
    check_that "Debian 12" "this is $(os_field PRETTY_NAME); the packages have Debian 12's names" check_is_debian12
    check_that "root" "run it with sudo" check_is_root
    check_that "$CHECK_CORES_MIN CPUs or more ($(nproc) here)" "one forwards, one decides" check_has_cores
    check_that "AES instructions" "this CPU lacks AES-NI; every packet is sealed with AES" check_has_cpu_flag aes
    check_that "SSE4.2 and carry-less multiplication" "this CPU lacks pclmulqdq or sse4_2" check_has_cpu_flag pclmulqdq
    check_that "$(check_memory_wanted) MiB of memory available ($(mib_available) here)" "free some" check_has_memory
    check_that "$CHECK_DISK_MIB MiB of disk for the build" "free some at $ROOT" check_has_disk
    check_that "2 MiB hugepages" "this kernel does not offer them" check_has_hugepages
    check_that "AF_XDP sockets" "this kernel is built without CONFIG_XDP_SOCKETS" check_has_af_xdp
    check_that "network namespaces and bpffs" "this kernel is built without them" check_has_namespaces
    check_that "management port $MANAGEMENT_PORT on 127.0.0.1 free" "something else listens there" \
        check_port_is_free "$MANAGEMENT_PORT"
    if [ -n "$1" ]; then
        check_that "interface $1" "there is none of that name" check_interface_exists "$1"
        check_that "$1 is not the way to the default route" "serving it would cut this host off" \
            check_interface_is_not_default "$1"
    else
        check_that "198.18.0.0/24 and fd00:18::/64 unused" "$(network_foreign_owner) has an address there" \
            check_network_is_free
    fi
    [ "$CHECK_REFUSED" -eq 0 ]
}

# What will change if nothing was refused.
check_announce() {
    local missing target
    say "This will change:"
    missing=$(packages_missing build run | tr '\n' ' ')
    [ -z "$missing" ] || say "  install      $missing(stays installed)"
    say "  build        $BUILD"
    target=$(memory_hugepages_target)
    [ "$target" -eq "$(memory_hugepages)" ] || say "  hugepages    $(memory_hugepages) -> $target (put back by --stop)"
    memory_is_mounted /dev/hugepages || say "  mount        hugetlbfs at /dev/hugepages (put back by --stop)"
    memory_is_mounted /sys/fs/bpf || say "  mount        bpffs at /sys/fs/bpf (put back by --stop)"
    if [ -n "$1" ]; then
        say "  interface    $1: an XDP program takes ${POP_ADDRESSES[*]%/*}; segmentation offloads off (put back by --stop)"
    else
        say "  network      namespace $NETNS, bridge $BRIDGE with $2 veth pair(s) (put back by --stop)"
    fi
    say "  files        $RUN"
}
