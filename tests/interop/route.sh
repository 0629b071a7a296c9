#!/bin/bash
# A route added with the operator's tool reaches clients behind a router; while it is taken away they are not reached.
# The router and the client are namespaces of this test's own.
# shellcheck disable=SC2317 # `check` runs functions by name
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
RUN=${VOXPOP_RUN:-$ROOT/run}
BUILD=${VOXPOP_BUILD:-$ROOT/build}
# shellcheck source=tests/lib/sentences.sh
. "$ROOT/tests/lib/sentences.sh"
# shellcheck source=/dev/null
. "$RUN/pop.env"

ROUTER=vxt-router
CLIENT=vxt-client
NET4=198.18.64.0/24
NET6=fd00:18:64::/64

route() {
    "$BUILD/cli/voxpop" route "$@" --config "$RUN/voxpop.yaml"
}

take_down() {
    ip netns del "$CLIENT" 2>/dev/null
    ip netns del "$ROUTER" 2>/dev/null
    ip link del vxtr0 2>/dev/null
}

# Ends a veth's offloads: the POP's wire carries whole checksums and segments of the MTU.
plain() {
    ip netns exec "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
}

set_up() {
    set -e
    ip netns add "$ROUTER"
    ip netns add "$CLIENT"
    ip link add vxtr0 type veth peer name up0 netns "$ROUTER"
    ip link set vxtr0 master vxbr0 up
    ip -n "$ROUTER" link add down0 type veth peer name eth0 netns "$CLIENT"
    ip netns exec "$ROUTER" bash -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
    ip -n "$ROUTER" addr add 198.18.0.3/24 dev up0
    ip -n "$ROUTER" addr add fd00:18::3/64 dev up0 nodad
    ip -n "$ROUTER" addr add 198.18.64.1/24 dev down0
    ip -n "$ROUTER" addr add fd00:18:64::1/64 dev down0 nodad
    ip -n "$CLIENT" addr add 198.18.64.2/24 dev eth0
    ip -n "$CLIENT" addr add fd00:18:64::2/64 dev eth0 nodad
    ip -n "$ROUTER" link set up0 up && ip -n "$ROUTER" link set down0 up && ip -n "$CLIENT" link set eth0 up
    plain "$ROUTER" up0 && plain "$ROUTER" down0 && plain "$CLIENT" eth0
    ip -n "$CLIENT" route add default via 198.18.64.1
    ip -n "$CLIENT" -6 route add default via fd00:18:64::1
}

reaches() {
    ip netns exec "$CLIENT" curl -sS -o /dev/null --max-time "${2:-10}" --cacert "$VOXPOP_CA" "https://$1/api/v10/gateway"
}

lists() {
    route list | grep -F "${1%/*}" | grep -qF "$2"
}

take_down
trap 'route remove "$NET4" >/dev/null 2>&1; route remove "$NET6" >/dev/null 2>&1; take_down' EXIT
check "a router and a client behind it can be set up" eval "(set_up)"
check "the host itself is served" curl -sS -o /dev/null --max-time 10 --cacert "$VOXPOP_CA" https://198.18.0.1/api/v10/gateway
check_fails "without a route the client behind the router is not reached" reaches 198.18.0.1 3
check "a route to its IPv4 network can be added" route add "$NET4" via 198.18.0.3
check "a route to its IPv6 network can be added" route add "$NET6" via fd00:18::3
check "the routes are listed with their next hop" lists "$NET4" 198.18.0.3
check "over IPv4 the client is reached" eventually 10 reaches 198.18.0.1 3
check "over IPv6 the client is reached" eventually 10 reaches "[fd00:18::1]" 3
check "the IPv4 route can be removed" route remove "$NET4"
check "the IPv6 route can be removed" route remove "$NET6"
check_fails "then the client is not reached any more" reaches 198.18.0.1 3
check_fails "a route to nonsense is refused" route add 198.18.64.0/99 via 198.18.0.3
sentences_end
