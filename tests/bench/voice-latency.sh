# shellcheck shell=bash
# voice-latency: how long voice is in the box at 0.5, 0.8 and 0.95 of its peak, which is searched in the same run: 10,000 rooms of five whose
# speakers have random phases, and beside it rooms of 50. Two clocks: the box's own histogram (from taking a burst to giving the copy to the
# port; within a doubling, evened out) and the generator's (from writing the packet to finding the copy, both ends of the wire included).
# SPDX-License-Identifier: Apache-2.0

latency_figures() {
    jq -c --arg machine "$(machine)" --argjson listeners "$1" --argjson members "$2" 'select(.kind == "load") | . as $l
        | ["p50", "p99", "p999"][] | . as $p
        | {bench: "voice-latency", metric: ("residence_" + $p + "_us"), value: $l["box_" + $p + "_us"], unit: "us",
           params: {receivers: $listeners, members: $members, load: $l.load, offered_pps: $l.offered}, limit: null,
           limit_name: "none: the best is what the wire takes", peer: $l["way_" + $p + "_us"],
           peer_name: "the whole way, by the generator: both rings of the wire and its own polling included", machine: $machine}
        + (if $l.disturbed then {disturbed: true} else {} end)' "$WORK/latency-$1"
}

# latency_of ROOMS LISTENERS
latency_of() {
    fanout_load "$1" "$2" --loads --descriptors "$FANOUT_WIRE" --seconds 2 >"$WORK/latency-$2"
}

bench_voice-latency() {
    # shellcheck disable=SC2034 # voice-fanout.sh reads them
    {
        FANOUT_LIMIT_ROOMS=20480
        FANOUT_LIMIT_MEMBERS=106496
    }
    fanout_prepare
    if ! latency_of 12000 4 || ! latency_of 1200 49; then
        say "voice-latency: the run failed"
        return 1
    fi
    {
        latency_figures 4 60000
        latency_figures 49 60000
    } >"$WORK/figures"
    jq -r '"  rooms of " + (.params.receivers + 1 | tostring) + ", load " + (.params.load | tostring) + " (" + (.params.offered_pps | floor | tostring)
        + "/s): " + .metric + " " + (.value | tostring) + " in the box, " + (.peer | tostring) + " the whole way"
        + (if .disturbed then " (disturbed)" else "" end)' "$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_voice-latency() {
    fanout_prepare
    fanout_load 100 4 --loads --seconds 0.3 >"$WORK/smoke" && jq -es '[.[] | select(.kind == "load")] | length == 3' "$WORK/smoke" >/dev/null
}
