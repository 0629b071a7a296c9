# shellcheck shell=bash
# Hugepages and the two mounts the dataplane needs. Everything is recorded first and put back by state.sh.
# SPDX-License-Identifier: Apache-2.0

HUGEPAGES_WANTED=${VOXPOP_HUGEPAGES:-512} # of 2 MiB: packet memory and the region

memory_hugepages() {
    cat /proc/sys/vm/nr_hugepages
}

memory_hugepages_free() {
    sed -n 's/^HugePages_Free: *//p' /proc/meminfo
}

memory_set_hugepages() {
    echo "$1" >/proc/sys/vm/nr_hugepages
}

# How many pages quickstart will set: those that are there, and as many more as are wanted and not free.
memory_hugepages_target() {
    local have free
    have=$(memory_hugepages)
    free=$(memory_hugepages_free)
    if [ "$free" -ge "$HUGEPAGES_WANTED" ]; then
        echo "$have"
    else
        echo $((have + HUGEPAGES_WANTED - free))
    fi
}

memory_prepare_hugepages() {
    local before target
    before=$(memory_hugepages)
    target=$(memory_hugepages_target)
    [ "$target" -ne "$before" ] || return 0
    step "hugepages: $before -> $target"
    state_add hugepages "$before"
    memory_set_hugepages "$target"
    if [ "$(memory_hugepages_free)" -lt "$HUGEPAGES_WANTED" ]; then
        # Memory in pieces: once the page cache is gone, there may be enough of it in a row.
        echo 1 >/proc/sys/vm/compact_memory
        memory_set_hugepages "$target"
    fi
    [ "$(memory_hugepages_free)" -ge "$HUGEPAGES_WANTED" ] ||
        die "only $(memory_hugepages_free) of $HUGEPAGES_WANTED hugepages to be had: memory is in pieces, restart the host"
}

memory_is_mounted() {
    local fields
    while read -r -a fields; do
        [ "${fields[1]}" = "$1" ] && return 0
    done </proc/mounts
    return 1
}

# memory_mount TYPE SOURCE DIRECTORY
memory_mount() {
    memory_is_mounted "$3" && return 0
    step "mounting $1 at $3"
    if [ ! -d "$3" ]; then
        state_add directory "$3"
        mkdir -p "$3"
    fi
    state_add mount "$3"
    mount -t "$1" "$2" "$3"
}

memory_unmount() {
    memory_is_mounted "$1" || return 0
    umount "$1" || complain "$1 is in use and stays mounted"
}

memory_prepare() {
    memory_prepare_hugepages
    memory_mount hugetlbfs nodev /dev/hugepages
    memory_mount bpf bpf /sys/fs/bpf
}
