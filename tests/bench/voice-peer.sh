# shellcheck shell=bash
# voice-peer: packets a CPU second, beside the best forwarder on kernel sockets that fits a page (peer/forwarder.c): the same rooms, packets and
# cipher, as fast as copies come back, each on the box's CPU with its generator on the other.
# SPDX-License-Identifier: Apache-2.0

PEER_PORT=47310

# peer_forwarder ROOMS LISTENERS: the CPU time that it had before the driver began is in it as well: making keys.
peer_forwarder() {
    local server
    taskset -c "$CPU_BOX" "$WORK/forwarder" serve "$PEER_PORT" "$1" "$2" >"$WORK/peer-serve" &
    server=$!
    sleep 1
    taskset -c "$CPU_LOAD" "$WORK/forwarder" drive "$PEER_PORT" "$1" "$2" 3 >"$WORK/peer-drive"
    kill "$server" && wait "$server"
    jq -es '.[0].wrong == 0 and .[0].opened > 0' "$WORK/peer-drive" >/dev/null
}

peer_figure() {
    jq -n --slurpfile ours "$WORK/peer-ours-$2" --slurpfile drive "$WORK/peer-drive" --slurpfile serve "$WORK/peer-serve" \
        --argjson rooms "$1" --argjson listeners "$2" --arg machine "$(machine)" '
        {bench: "voice-peer", metric: "pps_per_cpu_second", value: ([$ours[].value] | max), unit: "packets/s",
         params: {receivers: $listeners, members: ($rooms * ($listeners + 1))},
         limit: null, limit_name: "see voice-fanout and voice-rooms",
         peer: ($drive[0].came / $serve[0].cpu_s | floor),
         peer_name: "peer/forwarder.c: recvmmsg, ipsec-mb, sendmmsg over loopback, copies a second of its own CPU time", machine: $machine}'
}

# peer_round ROOMS LISTENERS
peer_round() {
    peer_forwarder "$1" "$2" &&
        fanout_load "$1" "$2" --window --repeats 3 --descriptors "$FANOUT_WIRE" --seconds 0.5 >"$WORK/peer-ours-$2" &&
        peer_figure "$1" "$2" >>"$WORK/figures"
}

peer_prepare() {
    # shellcheck disable=SC2034 # voice-fanout.sh reads them
    {
        FANOUT_LIMIT_ROOMS=20480
        FANOUT_LIMIT_MEMBERS=106496
    }
    fanout_prepare
    cc -O3 -march=native -D_GNU_SOURCE -Wall -o "$WORK/forwarder" "$ROOT/tests/bench/peer/forwarder.c" -lIPSec_MB
}

bench_voice-peer() {
    : >"$WORK/figures"
    if ! peer_prepare || ! peer_round 1200 50 || ! peer_round 12000 4; then
        say "voice-peer: the run failed"
        return 1
    fi
    jq -r '"  " + (.params.receivers | tostring) + " receivers: " + (.value | tostring) + " packets a CPU second, the forwarder on kernel sockets "
        + (.peer | tostring) + " (" + (10 * .value / .peer | floor / 10 | tostring) + " times)"' "$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_voice-peer() {
    peer_prepare && peer_forwarder 20 4
}
