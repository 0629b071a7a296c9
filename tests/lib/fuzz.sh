# shellcheck shell=bash
# Each libFuzzer target for a short bounded time, from its committed corpus. What it finds new stays outside the tree.
# Leaks are looked for when a target ends, not after each input, which costs a stateful target all its speed.
# SPDX-License-Identifier: Apache-2.0

FUZZ_SECONDS=3
FUZZ_SECONDS_LONG=300

# fuzz_target PROGRAM WORK
fuzz_target() {
    local program=$1 work=$2 name module corpus
    name=${program##*/fuzz_}
    module=$(dirname "${program#"$BUILD-fuzz/tests/fuzz/"}")
    corpus=$ROOT/tests/fuzz/$module/corpus/$name
    if [ -z "$(ls -A "$corpus" 2>/dev/null)" ]; then
        echo "not ok $module/$name has a committed corpus"
        return
    fi
    mkdir -p "$work/$name"
    if (cd "$work" && "$program" -max_total_time="$FUZZ_SECONDS" -timeout=60 -detect_leaks=0 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/" "$work/$name" "$corpus" >"$LOGS/fuzz-$name.log" 2>&1); then
        echo "ok $module/$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$LOGS/fuzz-$name.log") inputs"
    else
        echo "not ok $module/$name finds nothing"
        tail -n 25 "$LOGS/fuzz-$name.log" >&2
        find "$work" -maxdepth 1 -type f -exec sh -c 'echo "   input: $1"; base64 "$1" | head -n 5' _ {} \; >&2
    fi
}

# The targets' files, one a line.
fuzz_targets() {
    meson introspect --targets "$BUILD-fuzz" |
        jq -r '.[] | select(.type == "executable" and (.name | startswith("fuzz_"))) | .filename[0]' | sort
}

suite_fuzz() {
    local work program targets
    [ "$LONG" = no ] || FUZZ_SECONDS=$FUZZ_SECONDS_LONG
    if ! CC=clang build_configure "$BUILD-fuzz" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false; then
        report_fail "fuzz: the tree can be configured with clang"
        return
    fi
    mapfile -t targets < <(fuzz_targets)
    if ! quietly "$LOGS/fuzz-build.log" ninja -C "$BUILD-fuzz" "${targets[@]#"$BUILD-fuzz/"}"; then
        report_fail "fuzz: the targets build"
        return
    fi
    work=$(mktemp -d)
    # As many at a time as there are CPUs; their sentences are counted in one place.
    for program in "${targets[@]}"; do
        while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
        fuzz_target "$program" "$work" &
    done >"$LOGS/fuzz.sentences"
    wait
    if [ ${#targets[@]} -eq 0 ]; then
        report_fail "fuzz: there are targets"
    else
        report_run fuzz 60 sort "$LOGS/fuzz.sentences"
    fi
    rm -rf "$work"
}
