# shellcheck shell=bash
# Each libFuzzer target for a short bounded time, from its committed corpus. What it finds new stays outside the tree.
# SPDX-License-Identifier: Apache-2.0

FUZZ_SECONDS=3
FUZZ_SECONDS_LONG=300

# fuzz_target PROGRAM WORK
fuzz_target() {
    local program=$1 work=$2 name module corpus
    name=${program##*/fuzz_}
    module=$(basename "$(dirname "$program")")
    corpus=$ROOT/tests/fuzz/$module/corpus/$name
    if [ ! -d "$corpus" ]; then
        echo "not ok $module/$name has a committed corpus"
        return
    fi
    mkdir -p "$work/$name"
    if (cd "$work" && "$program" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$work/" "$work/$name" "$corpus" >"$LOGS/fuzz-$name.log" 2>&1); then
        echo "ok $module/$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$LOGS/fuzz-$name.log") inputs"
    else
        echo "not ok $module/$name finds nothing"
        tail -n 25 "$LOGS/fuzz-$name.log" >&2
        find "$work" -maxdepth 1 -type f -exec sh -c 'echo "   input: $1"; base64 "$1" | head -n 5' _ {} \; >&2
    fi
}

suite_fuzz() {
    local work program targets
    [ "$LONG" = no ] || FUZZ_SECONDS=$FUZZ_SECONDS_LONG
    CC=clang tests_built fuzz "$BUILD-fuzz" -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false || return 0
    work=$(mktemp -d)
    mapfile -t targets < <(find "$BUILD-fuzz/tests/fuzz" -maxdepth 2 -type f -name 'fuzz_*' -perm -u+x | sort)
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
