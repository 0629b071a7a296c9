# shellcheck shell=bash
# What quickstart and the tests print: steps, facts and the one line that says why something was refused.
# SPDX-License-Identifier: Apache-2.0

say() {
    printf '%s\n' "$*"
}

step() {
    printf '[%3ds] %s\n' "$SECONDS" "$*"
}

complain() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    complain "$*"
    exit 1
}

# quietly LOG COMMAND …: runs the command with its output in LOG; shows the end of it if the command fails.
quietly() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 25 "$log" >&2
        complain "failed: $* (all of it: $log)"
        return 1
    fi
}
