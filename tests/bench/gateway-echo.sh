# shellcheck shell=bash
# gateway-echo: a heartbeat (op 1) and its answer (op 11) on 1,000 sessions: flat out, and in time at shares of the peak.
# SPDX-License-Identifier: Apache-2.0

ECHO_SESSIONS=1000

echo_peer() {
    peer_prepare && peer_load gateway-echo "$ECHO_SESSIONS" --heartbeat 0 --seconds 2 --repeats 3 >"$WORK/echo-peer" && return 0
    say "# no peer: ${PEER_WHY:=the generator failed on it}"
    : >"$WORK/echo-peer"
}

echo_figures() {
    jq -n --slurpfile ours "$WORK/echo-ours" --slurpfile peer "$WORK/echo-peer" --arg name "$PEER_NAME" --arg why "$PEER_WHY" \
        --arg machine "$(machine)" --argjson sessions "$ECHO_SESSIONS" '
        def at($runs; $load): [$runs[] | select(.load == $load)] | if $load == 1 then max_by(.value) else .[0] end;
        def figure($metric; $unit; $load; field): at($ours; $load) as $o | at($peer; $load) as $p
            | {bench: "gateway-echo", metric: $metric, value: ($o | field), unit: $unit, params: {connections: $sessions, load: $load},
               limit: null, limit_name: "none was found: it is a chain of everything that the box does",
               peer: (if $p then $p | field else null end), peer_name: (if $p then $name else $why end), machine: $machine}
            + (if $o.generator_bound then {generator_bound: true} else {} end);
        figure("round_trips_per_s_per_core"; "round trips/s"; 1; .value),
        (0.5, 0.8, 0.95) as $load | figure("round_trip_p50_us"; "us"; $load; .round_trip_p50_us),
            figure("round_trip_p99_us"; "us"; $load; .round_trip_p99_us), figure("round_trip_p999_us"; "us"; $load; .round_trip_p999_us)'
}

echo_table() {
    jq -r '"  load \(.load): \(.value) round trips/s of \(.offered) offered; p50 \(.round_trip_p50_us), p99 \(.round_trip_p99_us), p99.9 \(.round_trip_p999_us) us; "
        + "generator busy \(.generator_busy)" + (if .generator_bound then " (generator_bound)" else "" end)' "$1"
}

bench_gateway-echo() {
    chat_config 2000 2000 spin
    chat_load gateway-echo "$ECHO_SESSIONS" --sessions --resume --heartbeat 0 --seconds 2 --repeats 3 >"$WORK/echo-ours" || return 1
    echo_peer
    echo_figures >"$WORK/figures"
    say "  ours, over memif:" && echo_table "$WORK/echo-ours"
    say "  peer:" && echo_table "$WORK/echo-peer"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_gateway-echo() {
    chat_config 500 500 adaptive
    chat_load gateway-echo 200 --sessions --heartbeat 0 --peak 4000 --seconds 2 >"$WORK/smoke" &&
        jq -se 'length == 3 and all(.[]; .lost == 0 and .value > 0)' "$WORK/smoke" >/dev/null
}
