# shellcheck shell=bash
# Counts the "ok", "not ok" and "skip" lines of all suites. Counts live in files, since pipelines run in subshells.
# SPDX-License-Identifier: Apache-2.0

REPORT=""

report_start() {
    REPORT=$(mktemp -d)
    : >"$REPORT/lines"
}

report_line() {
    printf '%s\n' "$1" | tee -a "$REPORT/lines"
}

report_pass() {
    report_line "ok $1"
}

report_fail() {
    report_line "not ok $1"
}

# report_skip NAME WHY
report_skip() {
    report_line "skip $1: $2"
}

report_count() {
    grep -c "^$1 " "$REPORT/lines"
}

# report_run PREFIX SECONDS COMMAND …: counts the sentences a test program prints, each with the prefix. A program that
# fails without a failed sentence, or prints no sentence at all, is a failure of its own. The seconds, which only end what hangs, are those of
# a quiet machine: a busy one gets four times as many.
report_run() {
    local prefix=$1 seconds=$(($2 * 4)) start=$SECONDS status before line
    shift 2
    before=$(wc -l <"$REPORT/lines")
    while IFS= read -r line; do
        case $line in
        "ok "*) report_pass "$prefix: ${line#ok }" ;;
        "not ok "*) report_fail "$prefix: ${line#not ok }" ;;
        "skip "*) report_line "skip $prefix: ${line#skip }" ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < <(
        timeout --kill-after=10 "$seconds" "$@" 2>&1
        printf '%s\n' "$?" >"$REPORT/status"
    )
    status=$(cat "$REPORT/status")
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        report_fail "$prefix: ends within $seconds s"
    elif [ "$(wc -l <"$REPORT/lines")" -eq "$before" ]; then
        report_fail "$prefix: says anything (exit status $status)"
    elif [ "$status" -ne 0 ] && ! tail -n "+$((before + 1))" "$REPORT/lines" | grep -q '^not ok '; then
        report_fail "$prefix: ends well (exit status $status)"
    fi
    [ $((SECONDS - start)) -lt 20 ] || say "# $prefix took $((SECONDS - start)) s"
}

# The last line of the run, and its exit status.
report_end() {
    local passed failed skipped
    passed=$(report_count ok)
    failed=$(report_count "not ok")
    skipped=$(report_count skip)
    if [ "$failed" -gt 0 ]; then
        say "# failed:"
        sed -n 's/^not ok /#   /p' "$REPORT/lines"
    fi
    rm -rf "$REPORT"
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit $?
}
