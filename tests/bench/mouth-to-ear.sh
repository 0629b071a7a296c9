# shellcheck shell=bash
# mouth-to-ear: from a chirp at one headless Chromium to the same chirp at another, through the box and directly. It needs a POP, so none may
# run on this host.
# SPDX-License-Identifier: Apache-2.0

ear_run() {
    local status=0
    # shellcheck source=/dev/null
    . "$ROOT/tests/lib/interop.sh"
    interop_install || { say "mouth-to-ear: the clients cannot be installed" && return 1; }
    if ! "$ROOT/deploy/quickstart" --detach --fresh --workers 1 >"$WORK/quickstart.log" 2>&1; then
        say "mouth-to-ear: no POP: $(tail -n 1 "$WORK/quickstart.log")"
        return 1
    fi
    # shellcheck source=/dev/null
    NODE_EXTRA_CA_CERTS=$(. "$RUN/pop.env" && printf '%s' "$VOXPOP_CA") VOXPOP_CHIRPS=$1 VOXPOP_RUN=$RUN VOXPOP_BUILD=$BUILD \
        timeout 240 "$NODE" "$ROOT/tests/bench/mouth-to-ear.mjs" >"$WORK/ear" || status=1
    "$ROOT/deploy/quickstart" --stop >>"$WORK/quickstart.log" 2>&1
    return "$status"
}

ear_figures() {
    jq -c --arg machine "$(machine)" '
        {bench: "mouth-to-ear", metric: "mouth_to_ear_p50_ms", value: .box.p50, unit: "ms",
         params: {receivers: 1, chirps: .chirps, missing: .box.missing, p90_ms: .box.p90}, limit: null,
         limit_name: "none: what two browsers take is the peer", peer: .direct.p50,
         peer_name: "the same two browsers connected directly", machine: $machine},
        {bench: "mouth-to-ear", metric: "residence_p50_us", value: .box.box_p50_below_us, unit: "us",
         params: {receivers: 1, p99_below_us: .box.box_p99_below_us}, limit: null,
         limit_name: "none: the upper end of the bucket that the median is in", peer: null, peer_name: "none has the packet in between",
         machine: $machine}' "$WORK/ear"
}

bench_mouth-to-ear() {
    ear_run 40 || return 1
    ear_figures >"$WORK/figures"
    jq -r '"  mouth to ear: median \(.box.p50 | floor) ms (p90 \(.box.p90 | floor)), of it in the box below \(.box.box_p50_below_us) us; "
        + "directly \(.direct.p50 | floor) ms (p90 \(.direct.p90 | floor)); of \(.chirps) chirps \(.box.missing) and \(.direct.missing) missing"' "$WORK/ear"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_mouth-to-ear() {
    ear_run 10 && jq -e '.box.p50 > 0 and .direct.p50 > 0' "$WORK/ear" >/dev/null
}
