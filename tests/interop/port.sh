#!/bin/bash
# quickstart serves an interface of the host: one that has the host's own address as well, which goes on being the kernel's.
# The interface is a veth, what is behind it a namespace of this test's own.
# shellcheck disable=SC2317 # `check` runs functions by name
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
RUN=$ROOT/run
# shellcheck source=tests/lib/sentences.sh
. "$ROOT/tests/lib/sentences.sh"

CLIENT=vxt-behind
IFACE=vxt-port
LOG=$RUN/tests/port.log

take_down() {
    "$ROOT/deploy/quickstart" --stop >>"$LOG" 2>&1
    ip netns del "$CLIENT" 2>/dev/null
    ip link del "$IFACE" 2>/dev/null
}

set_up() {
    ip netns add "$CLIENT" &&
        ip link add "$IFACE" type veth peer name eth0 netns "$CLIENT" &&
        ethtool -K "$IFACE" tx off >/dev/null &&
        ip netns exec "$CLIENT" ethtool -K eth0 tx off tso off gso off gro off >/dev/null &&
        ip addr add 198.18.80.2/24 dev "$IFACE" &&
        ip addr add fd00:18:80::2/64 dev "$IFACE" nodad &&
        ip link set "$IFACE" up &&
        ip -n "$CLIENT" addr add 198.18.80.9/24 dev eth0 &&
        ip -n "$CLIENT" addr add fd00:18:80::9/64 dev eth0 nodad &&
        ip -n "$CLIENT" link set eth0 up
}

starts() {
    "$ROOT/deploy/quickstart" --detach --fresh --port "$IFACE" --address 198.18.80.1/24 --address fd00:18:80::1/64 >>"$LOG" 2>&1 ||
        { tail -n 20 "$LOG" && return 1; }
}

features() {
    ethtool -k "$IFACE" | grep -E '^(tcp-segmentation|generic-segmentation|generic-receive)-offload'
    ip -o addr show dev "$IFACE" | awk '{print $3, $4}'
}

fetches() {
    ip netns exec "$CLIENT" curl -sS --max-time 10 --cacert "$RUN/ca.pem" "https://$1/api/v10/gateway" | grep -q '"url"'
}

kernel_answers() {
    ip netns exec "$CLIENT" ping -c 2 -W 2 "$1" >/dev/null
}

refuses_default_route() {
    local dev
    dev=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
    [ -n "$dev" ] || return 0
    ! "$ROOT/deploy/quickstart" --check --port "$dev" --address 198.18.80.1/24 >>"$LOG" 2>&1
}

stops() {
    "$ROOT/deploy/quickstart" --stop >>"$LOG" 2>&1 && same "$IFACE" "$(features)" "$before"
}

mkdir -p "$RUN/tests"
: >"$LOG"
trap take_down EXIT
check "the interface with the default route is refused" refuses_default_route
if ! set_up; then
    fail_sentence "the interface can be made"
    sentences_end
fi
before=$(features)
check "quickstart --port ends with the POP ready" starts
if [ "$SENTENCES_FAILED" -eq 0 ]; then
    check "a client behind the interface reaches the POP over IPv4" fetches 198.18.80.1
    check "a client behind the interface reaches the POP over IPv6" fetches '[fd00:18:80::1]'
    check "the kernel goes on answering for its own IPv4 address there" kernel_answers 198.18.80.2
    check "the kernel goes on answering for its own IPv6 address there" kernel_answers fd00:18:80::2
    check "quickstart --stop leaves the interface as it was" stops
fi
sentences_end
