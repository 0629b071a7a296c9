# shellcheck shell=bash
# Rules of the tree that a program can check.
# SPDX-License-Identifier: Apache-2.0

TIDY_LINES_MAX=600
TIDY_FUNCTION_MAX=70

tidy_files() {
    git -C "$ROOT" -c safe.directory="$ROOT" ls-files -- "$@"
}

# tidy_rule SENTENCE: passes if stdin is empty; what stands there is what breaks the rule.
tidy_rule() {
    local found
    found=$(cat)
    if [ -z "$found" ]; then
        report_pass "tidy: $1"
    else
        report_fail "tidy: $1"
        printf '%s\n' "$found" | sed 's/^/   /' >&2
    fi
}

tidy_long_files() {
    local file lines
    for file in $(tidy_files '*.c' '*.h' '*.sh' '*.mjs' '*.py' deploy/quickstart tests/run); do
        lines=$(wc -l <"$ROOT/$file")
        [ "$lines" -le "$TIDY_LINES_MAX" ] || printf '%s: %s lines\n' "$file" "$lines"
    done
}

# The function that starts and ends with a brace in the first column.
tidy_long_functions() {
    tidy_files '*.c' | (cd "$ROOT" && xargs -r awk -v max="$TIDY_FUNCTION_MAX" '
        FNR == 1 { start = 0 }
        /^{/ { start = FNR }
        /^}/ { if (start && FNR - start > max) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }')
}

# On a line of its own.
tidy_without_licence() {
    local file
    for file in $(tidy_files '*.c' '*.h' '*.def' '*.sh' '*.mjs' '*.py'); do
        head -n 40 "$ROOT/$file" | grep -qE '^(/\*|//| \*|#)? *SPDX-License-Identifier: [A-Z]' || printf '%s\n' "$file"
    done
}

tidy_shell_scripts() {
    (cd "$ROOT" && tidy_files deploy tests .ci | while IFS= read -r file; do
        case $(head -c 64 "$file" | tr -d '\0' | head -n 1) in
        '#!/bin/bash'* | '# shellcheck shell=bash'*) printf '%s\n' "$file" ;;
        esac
    done | xargs -r shellcheck -x --severity warning --format gcc)
}

tidy_in_c() {
    tidy_files '*.c' '*.h' | grep -v "$1" | (cd "$ROOT" && xargs -r grep -nE "$2")
}

suite_tidy() {
    tidy_long_files | tidy_rule "no file has more than $TIDY_LINES_MAX lines"
    tidy_long_functions | tidy_rule "no function has more than $TIDY_FUNCTION_MAX lines"
    tidy_without_licence | tidy_rule "every file names its licence"
    tidy_in_c '^dataplane/port/' '\brte_[a-z]|<rte_' | tidy_rule "DPDK is named in dataplane/port only"
    tidy_in_c '^tests/' '\b(strcpy|strcat|sprintf|gets|strtok|alloca)\(' | tidy_rule "no banned call"
    tidy_shell_scripts 2>&1 | tidy_rule "shellcheck has nothing to say"
}
