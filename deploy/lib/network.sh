# shellcheck shell=bash
# The network of the quickstart POP: namespace voxpop-pop, bridge vxbr0 on the host, one veth pair a worker
# (vxh<k> in the bridge, vxp<k> in the namespace). The POP's addresses stand on no kernel interface: the dataplane
# answers for them, and while it restarts the kernel must send neither RST nor ICMP for them.
# SPDX-License-Identifier: Apache-2.0

# shellcheck disable=SC2034 # quickstart and its other parts read these
{
    NETNS=voxpop-pop
    BRIDGE=vxbr0
    HOST4=198.18.0.2
    HOST6=fd00:18::2
    POP4=198.18.0.1
    POP6=fd00:18::1
}

network_link_exists() {
    ip link show dev "$1" >/dev/null 2>&1
}

network_namespace_exists() {
    [ -e "/run/netns/$1" ]
}

network_remove_link() {
    network_link_exists "$1" || return 0
    ip link del "$1"
}

# The namespace is its name, a file in /run/netns; iproute2 mounts that directory on itself the first time.
network_remove_namespace() {
    if network_namespace_exists "$1"; then
        ip netns del "$1"
    fi
}

# No checksum left for hardware to fill in and no segment above the MTU: AF_XDP would hand over both as they are.
network_plain_frames() {
    ethtool -K "$1" tx off rx off tso off gso off gro off >/dev/null
}

# Nothing of the kernel's own on the POP's end: no IPv6 address, no solicitation, no router advertisement taken.
network_silence_pop_end() {
    local key
    for key in disable_ipv6=1 autoconf=0 accept_ra=0; do
        echo "${key#*=}" >"/proc/sys/net/ipv6/conf/$1/${key%=*}"
    done
}

network_make_namespace() {
    if [ ! -d /run/netns ]; then
        state_add directory /run/netns
        mkdir -p /run/netns
    fi
    memory_is_mounted /run/netns || state_add mount /run/netns
    state_add netns "$NETNS"
    ip netns add "$NETNS"
    ip -n "$NETNS" link set lo up
}

network_make_bridge() {
    state_add link "$BRIDGE"
    # An address of its own: else it has the least of its ports', another one as they come and go, which nobody is told.
    ip link add "$BRIDGE" address 02:76:6f:78:ff:00 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    echo 0 >"/proc/sys/net/ipv6/conf/$BRIDGE/accept_ra"
    network_plain_frames "$BRIDGE"
    ip addr add "$HOST4/24" dev "$BRIDGE"
    ip addr add "$HOST6/64" dev "$BRIDGE" nodad
    ip link set "$BRIDGE" up
}

# network_make_pair INDEX: each worker has its own pair, since AF_XDP allows one queue a veth.
network_make_pair() {
    local host_end="vxh$1" pop_end="vxp$1" mac
    mac=$(printf '02:76:6f:78:00:%02x' "$1")
    state_add link "$host_end"
    ip link add "$host_end" type veth peer name "$pop_end" address "$mac" netns "$NETNS"
    echo 1 >"/proc/sys/net/ipv6/conf/$host_end/disable_ipv6"
    network_plain_frames "$host_end"
    ip link set "$host_end" master "$BRIDGE" up
    # proc shows the network of whoever reads it: the helper runs inside.
    ip netns exec "$NETNS" bash -c "$(declare -f network_plain_frames network_silence_pop_end)
        network_silence_pop_end $pop_end && network_plain_frames $pop_end"
    ip -n "$NETNS" link set "$pop_end" up
}

# network_prepare WORKERS
network_prepare() {
    local k
    step "namespace $NETNS, bridge $BRIDGE ($HOST4, $HOST6), $1 veth pair(s)"
    network_make_namespace
    network_make_bridge
    for ((k = 0; k < $1; k++)); do
        network_make_pair "$k"
    done
}

# A real interface keeps its name and addresses; only the offloads that AF_XDP cannot carry go off for the time.
network_prepare_port() {
    local pair
    for pair in tso:tcp-segmentation gso:generic-segmentation gro:generic-receive; do
        ethtool -k "$1" | grep -q "^${pair#*:}-offload: on" || continue
        state_add offload "$1 ${pair%:*} on"
        ethtool -K "$1" "${pair%:*}" off || complain "$1: ${pair#*:} cannot be switched off"
    done
}

network_restore_offload() {
    # shellcheck disable=SC2086 # "interface feature value"
    set -- $1
    network_link_exists "$1" && ethtool -K "$1" "$2" "$3" 2>/dev/null
    return 0
}

# Interfaces that the default route leaves through, one a line.
network_default_interfaces() {
    { ip -4 route show default && ip -6 route show default; } | sed -n 's/.* dev \([^ ]*\).*/\1/p' | sort -u
}

# Interfaces other than ours that already have an address of the quickstart's network.
network_foreign_owner() {
    ip -o addr show | awk -v ours="$BRIDGE" '$2 != ours && ($4 ~ /^198\.18\.0\./ || $4 ~ /^fd00:18::[0-9a-f]*\//) {print $2}' |
        sort -u
}
