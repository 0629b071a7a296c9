# shellcheck shell=bash
# What the chat benches share: the box's configuration for so many connections, the generator, and the peer: uWebSockets on kernel
# TCP, in a namespace of its own, with the same generator at the other end of a veth pair.
# SPDX-License-Identifier: Apache-2.0

CHAT_WIRE=8192   # descriptors each way
PEER_PACKAGE=socketify==0.0.31
PEER_NAME="uWebSockets (as in PyPI's $PEER_PACKAGE, by its C interface) on kernel TCP over veth, same generator over AF_XDP"
PEER_DIRECTORY=$RUN/peer
PEER_PID=""
PEER_WHY=""

# chat_config CONNECTIONS SESSIONS IDLE: into $WORK/voxpop.yaml. An event stays with its session until a heartbeat tells that it came:
# 24 chunks of 15 references each are enough for what comes in between here.
chat_config() {
    cat >"$WORK/voxpop.yaml" <<END
pop:
  run_directory: "$WORK"
  addresses: ["198.18.0.1/24"]
tls:
  certificate: "$WORK/cert.pem"
  key: "$WORK/key.pem"
dataplane:
  workers: 1
  cores: [$CPU_BOX]
  idle: $3
  port:
    profile: memif
    memif_socket: "$WORK/memif.sock"
    memif_role: server
limits:
  connections: $(($1 + 1024))
  sessions: $(($2 + 16))
  topics: 16
  rooms: 16
  members: 64
  descriptors: $(($2 + 131072))
  chunks: $(($2 * 24 + 1024))
  topic_chunks: $(($2 / 15 + 64))
END
    [ -f "$WORK/cert.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
}

# chat_load BENCH CONNECTIONS OPTION …: one JSON object a line.
chat_load() {
    local bench=$1 connections=$2
    shift 2
    load "$bench" --config "$WORK/voxpop.yaml" --dataplane "$BUILD/dataplane/voxpop-dataplane" --cpu "$CPU_LOAD" \
        --descriptors "$CHAT_WIRE" --connections "$connections" "$@"
}

# Builds the peer once. False, with the reason in PEER_WHY: there is none here.
peer_prepare() {
    local library
    if ! [ -d "$PEER_DIRECTORY/lib" ] && ! { python3 -m venv "$PEER_DIRECTORY" &&
        "$PEER_DIRECTORY/bin/pip" install --quiet "$PEER_PACKAGE"; } >"$WORK/peer.log" 2>&1; then
        rm -rf -- "$PEER_DIRECTORY"
        PEER_WHY="uWebSockets cannot be had here: $(tail -n 1 "$WORK/peer.log")"
        return 1
    fi
    library=$(find "$PEER_DIRECTORY" -name 'libsocketify_linux_amd64.so' | head -n 1)
    if ! cc -O2 "$ROOT/tests/bench/peer/uws.c" -o "$WORK/uws" "$library" "-Wl,-rpath,$(dirname "$library")" 2>"$WORK/peer.log"; then
        PEER_WHY="uWebSockets does not link here: $(tail -n 1 "$WORK/peer.log")"
        return 1
    fi
}

in_netns() {
    nsenter --net="/run/netns/$1" "${@:2}"
}

# Two namespaces and a veth pair: kernel and server at one end, the generator at the other. What the kernel does for
# packets that come is done on the generator's CPU, as veth has it: with RPS on the server's CPU it did two thirds as much.
peer_start() {
    local end
    peer_stop
    ip netns add vxbench-peer && ip netns add vxbench-load || return 1
    ip -n vxbench-load link add vxl0 type veth peer name vxp0 netns vxbench-peer
    for end in "vxbench-peer vxp0" "vxbench-load vxl0"; do
        # shellcheck disable=SC2086 # two words
        set -- $end
        in_netns "$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1"
        in_netns "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
        ip -n "$1" link set "$2" up
    done
    ip -n vxbench-peer addr add 198.18.0.1/24 dev vxp0
    ip -n vxbench-peer route add 198.19.0.0/16 via 198.18.0.2
    in_netns vxbench-peer sysctl -qw net.core.somaxconn=65535 net.ipv4.tcp_max_syn_backlog=65535
    (
        ulimit -n "$(ulimit -Hn)"
        in_front taskset -c "$CPU_BOX" nsenter --net=/run/netns/vxbench-peer timeout 300 "$WORK/uws" \
            "$WORK/cert.pem" "$WORK/key.pem" 443 >"$WORK/uws.log" 2>&1
    ) &
    PEER_PID=$!
    for _ in $(seq 50); do
        grep -q listening "$WORK/uws.log" 2>/dev/null && return 0
        sleep 0.1
    done
    PEER_WHY="uWebSockets does not start: $(tail -n 1 "$WORK/uws.log")"
    return 1
}

peer_stop() {
    [ -z "$PEER_PID" ] || { kill -- -"$PEER_PID" || kill "$PEER_PID"; wait "$PEER_PID"; } 2>/dev/null
    PEER_PID=""
    ip netns del vxbench-peer 2>/dev/null
    ip netns del vxbench-load 2>/dev/null
    return 0
}

# Connections that the peer can have: files are its limit.
peer_connections() {
    local most=$(($(ulimit -Hn) - 200))
    echo $(($1 < most ? $1 : most))
}

# peer_load BENCH CONNECTIONS OPTION …
peer_load() {
    local bench=$1 connections=$2 status=0
    shift 2
    peer_start || return 1
    LOAD_PREFIX=(nsenter --net=/run/netns/vxbench-load)
    load "$bench" --device net_af_xdp0,iface=vxl0 --cpu "$CPU_LOAD" --connections "$connections" "$@" || status=1
    LOAD_PREFIX=()
    peer_stop
    return "$status"
}
