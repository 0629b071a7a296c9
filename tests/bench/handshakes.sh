# shellcheck shell=bash
# handshakes: full and resumed TLS 1.3 handshakes, as CPU of the thread that shakes hands; beside them the same OpenSSL by memory BIOs.
# SPDX-License-Identifier: Apache-2.0

SHAKERS=512

# What OpenSSL alone does: {"full_per_cpu_s":N,"resumed_per_cpu_s":N}, or nothing where the program is not built.
handshakes_limit() {
    local program
    for program in "$BUILD"/tests/bench/*/voxpop-tls-limit "$BUILD"/tests/bench/voxpop-tls-limit; do
        if [ -x "$program" ]; then
            in_front taskset -c "$CPU_BOX" "$program" "$WORK/cert.pem" "$WORK/key.pem" && return 0
        fi
    done
    echo '{}'
}

handshakes_figures() {
    jq -n --slurpfile full "$WORK/handshakes-full" --slurpfile resumed "$WORK/handshakes-resumed" --slurpfile limit "$WORK/handshakes-limit" \
        --arg machine "$(machine)" '
        def figure($metric; $run; $limit): {bench: "handshakes", metric: $metric, value: ($run | map(.value) | max), unit: "handshakes per CPU second",
            params: {}, limit: $limit, limit_name: (if $limit then "the same OpenSSL through memory BIOs" else "voxpop-tls-limit is not built" end),
            peer: null, peer_name: "the limit is the peer: every server here shakes hands by OpenSSL", machine: $machine};
        figure("full_per_s_per_core"; $full; $limit[0].full_per_cpu_s // null),
        figure("resumed_per_s_per_core"; $resumed; $limit[0].resumed_per_cpu_s // null)'
}

bench_handshakes() {
    local round
    chat_config 20000 0 adaptive
    : >"$WORK/handshakes-full" && : >"$WORK/handshakes-resumed"
    for round in 1 2 3; do
        say "# round $round"
        (handshakes_limit) >"$WORK/handshakes-limit" || return 1
        chat_load handshakes "$SHAKERS" --heartbeat 0 --seconds 4 >>"$WORK/handshakes-full" &&
            chat_load handshakes "$SHAKERS" --heartbeat 0 --seconds 4 --resume >>"$WORK/handshakes-resumed" || return 1
    done
    jq -se 'all(.[]; .count == .resumed)' "$WORK/handshakes-resumed" >/dev/null || jq -c . "$WORK/handshakes-resumed" >&2
    handshakes_figures >"$WORK/figures"
    jq -r '"  \(.metric): \(.value) for each second of CPU" + (if .limit then ", \(100 * .value / .limit | floor) % of OpenSSL alone (\(.limit))" else "" end)' "$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_handshakes() {
    chat_config 4096 0 adaptive
    chat_load handshakes 64 --heartbeat 0 --seconds 2 --resume --ca "$WORK/cert.pem" >"$WORK/smoke" &&
        jq -e '.lost == 0 and .refused == 0 and .count > 50 and .resumed >= .count - 1' "$WORK/smoke" >/dev/null
}
