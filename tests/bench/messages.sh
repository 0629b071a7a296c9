# shellcheck shell=bash
# messages: 300-byte messages over 1,000 channels through REST, durable before they are answered, and pages of 50 out of
# many; beside each, in the same run, SQLite alone with the same schema and group size. See tests/bench/README.md.
# SPDX-License-Identifier: Apache-2.0

MESSAGES_STORED=${VOXPOP_BENCH_MESSAGES:-10000000}

messages_load() {
    (in_front "$BUILD/tests/bench/voxpop-messages" "$WORK" "$@") &
    LOAD_PID=$!
    wait "$LOAD_PID"
}

messages_table() {
    jq -r '"  " + .metric + " " + (.params | tostring) + ": " + (.value | tostring) + " " + .unit + "; "
        + .limit_name + ": " + (.limit | tostring)'
}

bench_messages() {
    if ! messages_load 4 "$MESSAGES_STORED" >"$WORK/figures"; then
        say "messages: the run failed"
        return 1
    fi
    jq -c --arg machine "$(machine)" '. + {machine: $machine}' "$WORK/figures" | tee -a "$FIGURES" | messages_table
}

# Correct, however slow the machine: what is answered is stored.
smoke_messages() {
    messages_load 1 100000 >"$WORK/smoke" && jq -es 'length == 3 and all(.[]; .value > 0)' "$WORK/smoke" >/dev/null
}
