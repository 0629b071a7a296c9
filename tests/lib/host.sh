# shellcheck shell=bash
# What unit tests want of the host: hugepages and the two mounts, put back afterwards like quickstart's.
# SPDX-License-Identifier: Apache-2.0

# with_memory COMMAND …
with_memory() {
    # shellcheck disable=SC2034 # state.sh reads it
    local status=0 STATE=$LOGS/host.state
    state_undo # what a killed run left
    (memory_prepare) >"$LOGS/host.log" || complain "no hugepages: $(tail -n 1 "$LOGS/host.log")"
    "$@" || status=$?
    state_undo
    return "$status"
}
