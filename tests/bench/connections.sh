# shellcheck shell=bash
# connections: TLS 1.3 WebSocket connections that say a heartbeat now and then; what each costs.
# SPDX-License-Identifier: Apache-2.0

CONNECTIONS=(10000 100000) # --long: 1000000 besides
CONNECTIONS_HEARTBEAT=41   # s
CONNECTIONS_HOLD=60        # s; --long: 600

# connections_figures COUNT: from $WORK/connections-COUNT; the slope is against the run before.
connections_figures() {
    jq -n --slurpfile run "$WORK/connections-$1" --slurpfile before "$WORK/connections-before" --arg machine "$(machine)" '
        $run[0] as $r | ($before[0] // null) as $b
        | {bench: "connections", params: {connections: $r.connections}, limit: null, peer: null, machine: $machine,
           limit_name: "none: memory is the limit", peer_name: "uWebSockets: 29.3 KB a TLS connection without the kernel share (lab notes; not of this run)"}
          as $common
        | $common + {metric: "held", value: $r.held, unit: "connections"},
          $common + {metric: "bytes_per_connection", value: $r.bytes_per_connection, unit: "bytes"},
          (if $b then $common + {metric: "marginal_bytes", unit: "bytes",
            value: ((($r.region_bytes + $r.huge_bytes + $r.heap_bytes) - ($b.region_bytes + $b.huge_bytes + $b.heap_bytes)) / ($r.connections - $b.connections) | round)}
           else empty end)'
}

connections_one() {
    chat_config "$1" 0 adaptive
    chat_load connections "$1" --resume --heartbeat "$CONNECTIONS_HEARTBEAT" --seconds "$2" --opening 128 >"$WORK/connections-$1" || return 1
    jq -e '.held == .connections and .unanswered == 0 and .lost == 0' "$WORK/connections-$1" >/dev/null || {
        say "connections: not all were held: $(cat "$WORK/connections-$1")"
        return 1
    }
    jq -r '"  \(.held) of \(.connections) held for \(.held_s) s (opened in \(.open_s) s): \(.bytes_per_connection) bytes each (region \(.region_bytes), "
        + "hugepages \(.huge_bytes), heap \(.heap_bytes)); worker busy \(.worker_busy), heartbeats answered in \(.heartbeat_p50_us) us (p50), \(.heartbeat_p99_us) us (p99)"' \
        "$WORK/connections-$1"
}

bench_connections() {
    local count hold=$CONNECTIONS_HOLD counts=("${CONNECTIONS[@]}")
    [ "$LONG" = no ] || { counts+=(1000000) && hold=600; }
    [ -z "$COUNT" ] || counts=("$COUNT")
    : >"$WORK/connections-before"
    for count in "${counts[@]}"; do
        connections_one "$count" "$hold" || return 1
        connections_figures "$count" >>"$FIGURES"
        cp "$WORK/connections-$count" "$WORK/connections-before"
    done
    jq -r 'select(.bench == "connections" and .metric == "marginal_bytes") | "  each connection more, up to \(.params.connections): \(.value) bytes"' "$FIGURES"
}

# Held while some fall silent, some die and come again, and all die at once.
smoke_connections() {
    chat_config 2000 2000 adaptive
    chat_load connections 1000 --resume --sessions --heartbeat 1 --seconds 6 --deaths 50 --storm 3 >"$WORK/smoke" &&
        jq -e '.held == 1000 and .lost == 0 and .refused == 0 and .died >= 1000 and .answered > 1000' "$WORK/smoke" >/dev/null
}
