# shellcheck shell=bash
# survive: the dataplane is killed again and again under TLS sessions that talk, and its supervisor starts it anew: no connection is
# closed, nothing is lost or doubled. --smoke: 1,000 sessions and 100 kills, --long 10,000. Else 10,000 sessions and 100 kills.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # tests/bench/run reads LOAD_PREFIX and LOAD_RUNNER

SURVIVE_POP=vxbench-pop
SURVIVE_LOAD=vxbench-load

survive_unwire() {
    ip netns del "$SURVIVE_POP" 2>/dev/null
    ip netns del "$SURVIVE_LOAD" 2>/dev/null
    return 0
}

# A veth pair between two namespaces: it is there whoever lives and dies at its ends.
survive_wire() {
    local end
    survive_unwire
    ip netns add "$SURVIVE_POP" && ip netns add "$SURVIVE_LOAD" || return 1
    ip -n "$SURVIVE_LOAD" link add vxl0 type veth peer name vxp0 netns "$SURVIVE_POP"
    for end in "$SURVIVE_POP vxp0" "$SURVIVE_LOAD vxl0"; do
        # shellcheck disable=SC2086 # two words
        set -- $end
        # proc shows the network of whoever reads it: the helpers run inside.
        in_netns "$1" bash -c "$(declare -f network_plain_frames network_silence_pop_end)
            network_silence_pop_end $2 && network_plain_frames $2"
        ip -n "$1" link set "$2" up
    done
}

# survive_config SESSIONS: the bench is the control plane, so what the supervisor starts for one does nothing.
survive_config() {
    chat_config "$1" "$1" adaptive
    printf '#!/bin/sh\nexec sleep 100000\n' >"$WORK/nothing"
    chmod +x "$WORK/nothing"
    sed -i -e "s/profile: memif/profile: afxdp/; s/memif_socket: .*/interfaces: [vxp0]/; /memif_role/d" \
        -e "s/descriptors: .*/descriptors: $(($1 * 32 + 131072))/" \
        -e "s/^  idle: .*/&\n  netns: $SURVIVE_POP/" "$WORK/voxpop.yaml"
    cat >>"$WORK/voxpop.yaml" <<END
supervise:
  dataplane: "$BUILD/dataplane/voxpop-dataplane"
  controlplane: "$WORK/nothing"
  pause_min_ms: 1
  pause_max_ms: 1
END
}

# survive_run SESSIONS KILLS
survive_run() {
    local status=0
    survive_config "$1"
    survive_wire || return 1
    LOAD_PREFIX=(nsenter --net="/run/netns/$SURVIVE_LOAD")
    # Not in front: the kernel's own threads let go of a dead process's queues, and need a CPU for it.
    LOAD_RUNNER=among_others
    load survive --config "$WORK/voxpop.yaml" --dataplane "$BUILD/cli/voxpop" --device net_af_xdp0,iface=vxl0 --cpu "$CPU_LOAD" \
        --connections "$1" --kills "$2" --resume --heartbeat 2 --seed "${SEED:-$RANDOM}" >"$WORK/survive" 2>"$WORK/survive.log" || status=1
    LOAD_PREFIX=()
    LOAD_RUNNER=in_front
    survive_unwire
    if [ "$status" -ne 0 ]; then
        tail -n 20 "$WORK/survive.log" >&2
        return 1
    fi
    jq -r '"  \(.kills) kills, \(.held) of \(.connections) sessions held, \(.lost) closed; \(.deliveries) deliveries, \(.answered) heartbeats answered; from kill to "
        + "the first packet \(.gap_p50_us / 1000 | round) ms (p50), \(.gap_p99_us / 1000 | round) ms (p99), \(.gap_max_us / 1000 | round) ms (max)"' "$WORK/survive"
    jq -e --argjson kills "$2" '.lost == 0 and .refused == 0 and .held == .connections and .kills == $kills and .lives > $kills
        and .deliveries == .events * .connections and .answered == .heartbeats' "$WORK/survive" >/dev/null
}

survive_figures() {
    jq -c --arg machine "$(machine)" '. as $r | ("p50", "p99") as $p | {bench: "survive", metric: "gap_\($p)_us", value: $r["gap_\($p)_us"],
        unit: "us from kill to first packet", params: {connections: $r.connections, kills: $r.kills, closed: $r.lost}, limit: null,
        limit_name: "none: a process has to start", peer: null, peer_name: "none: kernel servers lose their connections", machine: $machine}' \
        "$WORK/survive"
}

bench_survive() {
    survive_run 10000 "$([ "$LONG" = no ] && echo 100 || echo 10000)" && survive_figures >>"$FIGURES"
}

smoke_survive() {
    survive_run 1000 "$([ "$LONG" = no ] && echo 100 || echo 10000)"
}
