# shellcheck shell=bash
# The benches run and write their figures; how good the figures are is not a matter of these tests.
# SPDX-License-Identifier: Apache-2.0

BENCH_NAMES=(voice-fanout) # one short round of it
# Their figures take minutes: sudo tests/bench/run
SMOKE_NAMES=(voice-srtp voice-rooms connections fanout handshakes gateway-echo messages rest)

bench_figure_is_whole() {
    jq -e --arg name "$1" 'length > 0 and all(.[]; .bench == $name and (.metric | type == "string")
        and (.value | type == "number" and . > 0) and (.unit | type == "string") and (.params | type == "object")
        and has("limit") and (.limit_name | type == "string") and has("peer") and (.peer_name | type == "string")
        and (.machine | type != "null"))' "$2" >/dev/null
}

# bench_tried LOG COMMAND …: twice at most. A machine that takes a CPU away for a second loses packets that nobody could have kept; a defect
# loses them again.
bench_tried() {
    local log=$1
    shift
    timeout 300 "$@" >"$log" 2>&1 && return 0
    say "# once more, since it failed: $*"
    tail -n 5 "$log" >&2
    timeout 300 "$@" >"$log" 2>&1
}

# At a rate that any machine holds: nothing is missing, and every packet opens with its receiver's key.
bench_smoke() {
    if bench_tried "$LOGS/smoke-$1.log" "$ROOT/tests/bench/run" --smoke "$1"; then
        report_pass "bench: $1 at a low rate loses nothing, and everything opens"
    else
        report_fail "bench: $1 at a low rate loses nothing, and everything opens"
        tail -n 20 "$LOGS/smoke-$1.log" >&2
    fi
}

# However slow the machine: what counts is that nobody is closed and nothing missing.
bench_survives() {
    local kills=100 seconds=600 long=() sentence
    [ "$LONG" = no ] || kills=10000 seconds=36000 long=(--long)
    sentence="bench: $kills kills of the dataplane close no TLS session and lose or double no byte of it"
    if timeout "$seconds" "$ROOT/tests/bench/run" --smoke "${long[@]}" survive >"$LOGS/smoke-survive.log" 2>&1; then
        report_pass "$sentence"
    else
        report_fail "$sentence"
        tail -n 20 "$LOGS/smoke-survive.log" >&2
    fi
}

suite_bench() {
    local name
    tests_built bench "$BUILD" --buildtype release || return 0
    bench_survives
    for name in "${SMOKE_NAMES[@]}"; do
        bench_smoke "$name"
    done
    for name in "${BENCH_NAMES[@]}"; do
        bench_smoke "$name"
        rm -f "$LOGS/$name.json"
        if FANOUT_ROUNDS=1 FANOUT_SECONDS=0.25 bench_tried "$LOGS/bench-$name.log" "$ROOT/tests/bench/run" "$name" --json "$LOGS/$name.json" &&
            bench_figure_is_whole "$name" "$LOGS/$name.json"; then
            report_pass "bench: $name verifies what it counts and writes its figures"
        else
            report_fail "bench: $name verifies what it counts and writes its figures"
            tail -n 20 "$LOGS/bench-$name.log" >&2
        fi
    done
}
