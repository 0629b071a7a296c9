# shellcheck shell=bash
# The suites that meson runs: unit tests, replays, simulations and the fuzz corpora, plain and under sanitizers.
# SPDX-License-Identifier: Apache-2.0

# Meson's own log, one JSON object a test, as sentences. Behind one that failed: how, after how long, and its last words.
meson_sentences() {
    jq -r '.name as $name |
        if .result == "OK" or .result == "EXPECTEDFAIL" then "ok " + $name
        elif .result == "SKIP" then "skip " + $name + ": it said so"
        else "not ok " + $name + "\n   " + .result + " after " + (.duration | floor | tostring) + " s\n"
            + ((.stdout // "") + (.stderr // "") | rtrimstr("\n") | split("\n") | .[-30:] | map("   " + .) | join("\n"))
        end' "$1/meson-logs/testlog.json"
}

# meson_suite PREFIX DIRECTORY [meson test argument …]
meson_suite() {
    local prefix=$1 directory=$2
    shift 2
    rm -f "$directory/meson-logs/testlog.json"
    with_memory meson test -C "$directory" --no-rebuild --timeout-multiplier 4 --num-processes "$(nproc)" "$@" >"$LOGS/$prefix.log" 2>&1
    if [ ! -s "$directory/meson-logs/testlog.json" ]; then
        tail -n 15 "$LOGS/$prefix.log" >&2
        report_fail "$prefix: meson runs the tests"
        return
    fi
    meson_sentences "$directory" >"$LOGS/$prefix.sentences"
    report_run "$prefix" 60 cat "$LOGS/$prefix.sentences"
}

# tests_built NAME DIRECTORY [meson option …]
tests_built() {
    local name=$1
    shift
    build_tree "$@" && return 0
    report_fail "$name: the tree builds"
    return 1
}

suite_unit() {
    tests_built unit "$BUILD" --buildtype release || return 0
    meson_suite unit "$BUILD"
}

# Without the crash tests: they live on faults at every store, and their workers' code is in the other tests too. Without the golden
# table, which is the simulation once more.
suite_asan() {
    tests_built asan "$BUILD-asan" -Db_sanitize=address,undefined -Db_lundef=false || return 0
    ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 meson_suite asan "$BUILD-asan" --no-suite crash --no-suite golden
}

# Every TLS record that these tests seal or open is made a second time by OpenSSL's ciphers, and compared.
suite_oracle() {
    local programs=(tests/unit/tls/tls_{record,data,handshake,tls12}_test tests/sim/{tls_sim,worker_sim})
    if ! build_configure "$BUILD-oracle" -Drecord_oracle=true; then
        report_fail "oracle: the tree can be configured"
        return
    fi
    if ! quietly "$LOGS/oracle-build.log" ninja -C "$BUILD-oracle" "${programs[@]}"; then
        report_fail "oracle: the tests build"
        return
    fi
    meson_suite oracle "$BUILD-oracle" tls_{record,data,handshake,tls12} tls_sim worker_sim
}

# Threads meet only in the region: rings, the store's queue, the helper thread.
suite_tsan() {
    local programs
    if ! build_configure "$BUILD-tsan" -Db_sanitize=thread -Db_lundef=false; then
        report_fail "tsan: the tree can be configured"
        return
    fi
    mapfile -t programs < <(meson introspect --tests "$BUILD-tsan" |
        jq -r --arg directory "$BUILD-tsan/" '.[] | select(.suite | index("voxpop:tsan")) | .cmd[0] | ltrimstr($directory)')
    if ! quietly "$LOGS/tsan-build.log" ninja -C "$BUILD-tsan" "${programs[@]}"; then
        report_fail "tsan: the tests build"
        return
    fi
    TSAN_OPTIONS=halt_on_error=1 meson_suite tsan "$BUILD-tsan" --suite tsan
}
