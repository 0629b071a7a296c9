# shellcheck shell=bash
# voice-srtp: what the fan-out of a packet costs a core where the listeners are browsers (SRTP, AES-GCM), beside the same with native ones
# (rtpsize): rooms of 50, without a wire, in CPU time.
# SPDX-License-Identifier: Apache-2.0

# srtp_figures KEYS FILE
srtp_figures() {
    jq -sc --arg keys "$1" --arg machine "$(machine)" 'INDEX(.kind) as $k | ("srtp-128", "srtp-256") | $k[.] as $o
        | {bench: "voice-srtp", metric: "sealed_pps_per_core", value: $o.value, unit: "packets/s",
           params: {receivers: 50, keys: $keys, members: ($o.rooms * 51), profile: .}, limit: $k.rtpsize.value,
           limit_name: "native listeners (aead_aes256_gcm_rtpsize) in the same run, without a wire", peer: null,
           peer_name: "none: no packaged server can be driven without its wire", machine: $machine}' "$2"
}

bench_voice-srtp() {
    (in_front taskset -c "$CPU_BOX" "$BUILD/tests/bench/voxpop-srtp-cost" 2 20000 9) >"$WORK/srtp-warm" &&
        (in_front taskset -c "$CPU_BOX" "$BUILD/tests/bench/voxpop-srtp-cost" 1200 24000 5) >"$WORK/srtp-cold" || return 1
    {
        srtp_figures warm "$WORK/srtp-warm"
        srtp_figures cold "$WORK/srtp-cold"
    } >"$WORK/figures"
    jq -r '"  \(.params.profile), \(.params.keys): \(.value) packets/s, \(100 * .value / .limit | floor) % of native listeners (\(.limit))"' "$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_voice-srtp() {
    "$BUILD/tests/bench/voxpop-srtp-cost" 2 200 1 >"$WORK/smoke" && jq -es 'length == 3 and all(.[]; .value > 0)' "$WORK/smoke" >/dev/null
}
