# shellcheck shell=bash
# fanout: a 200-byte event to each of so many TLS sessions, again and again.
# SPDX-License-Identifier: Apache-2.0

BROADCAST_SESSIONS=100000

broadcast_peer() {
    local connections
    connections=$(peer_connections "$BROADCAST_SESSIONS")
    peer_prepare && peer_load fanout "$connections" --seconds 3 --repeats 3 --heartbeat 0 >"$WORK/fanout-peer" && return 0
    say "# no peer: ${PEER_WHY:=the generator failed on it}"
    : >"$WORK/fanout-peer"
}

broadcast_figures() {
    jq -n --slurpfile ours "$WORK/fanout-ours" --slurpfile peer "$WORK/fanout-peer" --slurpfile seal "$WORK/fanout-seal" \
        --arg name "$PEER_NAME" --arg why "$PEER_WHY" --arg machine "$(machine)" '
        ([$ours[] | select(.kind == "fanout")] | max_by(.value)) as $best
        | ([$peer[] | select(.kind == "fanout")] | max_by(.value)) as $theirs
        | ({bench: "fanout", params: {receivers: $best.receivers}, machine: $machine}
            + (if $best.generator_bound then {generator_bound: true} else {} end)) as $common
        | $common + {metric: "deliveries_per_s_per_core", value: $best.value, unit: "deliveries/s",
            limit: ([$seal[].value] | max), limit_name: "AES-GCM alone on one core, as many keys, 160 bytes",
            peer: $theirs.value, peer_name: (if $theirs then $name + ", \($theirs.receivers) connections" else $why end)},
          $common + {metric: "bytes_per_delivery", value: $best.bytes_per_delivery, unit: "bytes on the wire",
            limit: null, limit_name: "frame, IP, TCP and record heads around 200 bytes: 299", peer: null,
            peer_name: "the wire of kernel TCP is not looked at"}'
}

broadcast_table() {
    jq -r 'select(.metric == "deliveries_per_s_per_core") | "  \(.value) deliveries/s on one core to \(.params.receivers) sessions; peer: \(.peer) (\(.peer_name))"
        + (if .peer then "; \(100 * .value / .peer | floor) % of it" else "" end) + (if .generator_bound then "; generator_bound" else "" end)'
}

bench_fanout() {
    chat_config "$BROADCAST_SESSIONS" "$BROADCAST_SESSIONS" adaptive
    chat_load fanout "$BROADCAST_SESSIONS" --resume --heartbeat 20 --seconds 5 --repeats 3 >"$WORK/fanout-ours" || return 1
    load seal --cpu "$CPU_BOX" --keys 60000 --seconds 0.5 >"$WORK/fanout-seal" || return 1
    broadcast_peer
    broadcast_figures >"$WORK/figures"
    jq -r '"  \(.kind): \(.value)/s, generator busy \(.generator_busy), p50 \(.delivery_p50_us) us, p99 \(.delivery_p99_us) us"' \
        "$WORK/fanout-ours" "$WORK/fanout-peer"
    broadcast_table <"$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_fanout() {
    chat_config 500 500 adaptive
    chat_load fanout 500 --resume --verify-all --seconds 2 >"$WORK/smoke" &&
        jq -e '.lost == 0 and .deliveries > 500 and .opened == .deliveries' "$WORK/smoke" >/dev/null
}
