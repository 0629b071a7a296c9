# shellcheck shell=bash
# voice-fanout: rooms of one speaker and 50, 1,000 and 20,000 listeners over memif, AES-256-GCM; beside it, in the same run and on the
# same two CPUs, dpdk-testpmd macswap with frames of the same length, and sealing alone with the same keys.
# SPDX-License-Identifier: Apache-2.0

FANOUT_ROOMS=1200 # what 3 million packets/s need at 50 packets/s a speaker
FANOUT_WARM=2     # as few as keep each speaker under voice.packets_per_second_max

# Descriptors each way: 2.7 ms at 3 million packets/s, for machines that take a CPU away. testpmd has the 2048 that it is fastest with.
FANOUT_WIRE=8192

# The dataplane's configuration: what differs from the defaults.
fanout_config() {
    cat <<END
pop:
  run_directory: "$WORK"
  addresses: ["198.18.0.1/24"]
tls:
  certificate: "$WORK/cert.pem"
  key: "$WORK/key.pem"
dataplane:
  workers: 1
  cores: [$CPU_BOX]
  idle: spin
  port:
    profile: memif
    memif_socket: "$WORK/memif.sock"
    memif_role: server
voice:
  packets_per_second_max: 100000
limits:
  rooms: ${FANOUT_LIMIT_ROOMS:-2048}
  members: ${FANOUT_LIMIT_MEMBERS:-65536}
END
}

fanout_prepare() {
    fanout_config >"$WORK/voxpop.yaml"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
}

# fanout_load ROOMS LISTENERS OPTION …
fanout_load() {
    local rooms=$1 listeners=$2
    shift 2
    load voice-fanout --config "$WORK/voxpop.yaml" --dataplane "$BUILD/dataplane/voxpop-dataplane" --cpu "$CPU_LOAD" \
        --rooms "$rooms" --listeners "$listeners" "$@"
}

# fanout_figure KEYS ROOMS LISTENERS: reads $WORK/fanout-KEYS-LISTENERS, seal-KEYS and wire.
fanout_figure() {
    local keys=$1 rooms=$2 listeners=$3
    jq -n --slurpfile fanout "$WORK/fanout-$keys-$listeners" --slurpfile seal "$WORK/seal-$keys" --slurpfile wire "$WORK/wire" \
        --arg bench "${FANOUT_BENCH:-voice-fanout}" --arg keys "$keys" --argjson rooms "$rooms" --argjson listeners "$listeners" \
        --arg machine "$(machine)" '
        ([$fanout[] | select(.kind == "peak")] | max_by(.value)) as $best
        | {bench: $bench, metric: "sealed_pps_per_core", value: $best.value, unit: "packets/s",
           params: {receivers: $listeners, keys: $keys, members: ($rooms * ($listeners + 1))},
           limit: ([$seal[].value] | max), limit_name: "AES-256-GCM alone on one core, as many keys, aead_seal_batch",
           peer: ($wire | max_by(.value)).value, peer_name: ("dpdk-testpmd macswap, 180-byte IP packets, same memif wire, packets/s out"
               + (if ($wire | max_by(.value)).generator_bound then " (generator_bound)" else "" end)),
           machine: $machine}
        + (if $best.generator_bound then {generator_bound: true} else {} end)'
}

# fanout_all FILE …: every value of every round; the figure is the best.
fanout_all() {
    local file
    for file in "$@"; do
        jq -rs --arg file "$file" 'group_by(.kind)[] | "  " + $file + " " + .[0].kind + ": "
            + ([.[].value | tostring] | join(", "))' "$WORK/$file"
    done
}

fanout_table() {
    jq -r '"  " + (.params.receivers | tostring) + " receivers, " + .params.keys + " keys (" + (.params.members | tostring) + " members): "
        + (.value | tostring) + " sealed packets/s on one core; "
        + (100 * .value / .limit | floor | tostring) + " % of sealing alone (" + (.limit | tostring) + "), "
        + (100 * .value / .peer | floor | tostring) + " % of testpmd (" + (.peer | tostring) + ")"
        + (if .generator_bound then "; generator_bound" else "" end)'
}

# The limit and the peer: fanout_beside MEMBERS_WARM MEMBERS_COLD.
fanout_beside() {
    load seal --cpu "$CPU_BOX" --keys "$1" --seconds 0.5 >>"$WORK/seal-warm" &&
        load seal --cpu "$CPU_BOX" --keys "$2" --seconds 0.5 >>"$WORK/seal-cold" &&
        with_testpmd "$WORK/testpmd.sock" load wire --socket "$WORK/testpmd.sock" --cpu "$CPU_LOAD" --seconds 1 >>"$WORK/wire"
}

# One round: everything that is compared, right after one another.
fanout_round() {
    fanout_beside $((FANOUT_WARM * 51)) $((FANOUT_ROOMS * 51)) &&
        fanout_load "$FANOUT_WARM" 50 --descriptors "$FANOUT_WIRE" --seconds "${FANOUT_SECONDS:-0.5}" >>"$WORK/fanout-warm-50" &&
        fanout_load "$FANOUT_ROOMS" 50 --descriptors "$FANOUT_WIRE" --seconds "${FANOUT_SECONDS:-0.5}" >>"$WORK/fanout-cold-50" &&
        fanout_load 60 1000 --descriptors "$FANOUT_WIRE" --seconds "${FANOUT_SECONDS:-0.5}" >>"$WORK/fanout-cold-1000" &&
        fanout_load 3 20000 --descriptors "$FANOUT_WIRE" --seconds "${FANOUT_SECONDS:-0.5}" >>"$WORK/fanout-cold-20000"
}

bench_voice-fanout() {
    fanout_prepare
    local round
    for round in $(seq "${FANOUT_ROUNDS:-3}"); do
        say "# round $round"
        if ! fanout_round; then
            say "voice-fanout: the run failed"
            return 1
        fi
    done
    {
        fanout_figure warm "$FANOUT_WARM" 50
        fanout_figure cold "$FANOUT_ROOMS" 50
        fanout_figure cold 60 1000
        fanout_figure cold 3 20000
    } >"$WORK/figures"
    fanout_all fanout-warm-50 fanout-cold-50 fanout-cold-1000 fanout-cold-20000 wire seal-warm seal-cold
    fanout_table <"$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

# Correct, however slow the machine: everything arrives and everything is opened.
smoke_voice-fanout() {
    fanout_prepare
    fanout_load 4 50 --rate 20000 --seconds 2 >"$WORK/smoke" &&
        jq -e '.missing == 0 and .expected >= 39000 and .opened >= .expected' "$WORK/smoke" >/dev/null
}
