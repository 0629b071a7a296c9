# shellcheck shell=bash
# Sentences for tests written in bash: "ok SENTENCE", "not ok SENTENCE", and the reason of a failure on stderr.
# A test file sources this, calls `check` and ends with `sentences_end`.
# SPDX-License-Identifier: Apache-2.0

SENTENCES_FAILED=0

fail_sentence() {
    printf 'not ok %s\n' "$1"
    SENTENCES_FAILED=$((SENTENCES_FAILED + 1))
}

# check SENTENCE COMMAND …: the command's output is shown only if it fails.
check() {
    local sentence=$1 output
    shift
    if output=$("$@" 2>&1); then
        printf 'ok %s\n' "$sentence"
    else
        fail_sentence "$sentence"
        printf '   %s: %s\n' "$sentence" "${output:-$* failed}" >&2
    fi
}

# check_fails SENTENCE COMMAND …
check_fails() {
    local sentence=$1
    shift
    check "$sentence" not "$@"
}

not() {
    ! "$@"
}

# same WHAT ACTUAL EXPECTED
same() {
    [ "$2" = "$3" ] && return 0
    printf '%s: got "%s", expected "%s"\n' "$1" "$2" "$3"
    return 1
}

# eventually SECONDS COMMAND …
eventually() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

sentences_end() {
    [ "$SENTENCES_FAILED" -eq 0 ]
    exit $?
}
