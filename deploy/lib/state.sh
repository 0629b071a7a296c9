# shellcheck shell=bash
# run/quickstart.state: what quickstart changed on this host, one "what value" a line, in the order of the changes.
# A line is written before its change is made, so that whoever cleans up after a kill -9 knows of everything;
# undoing a change that was never made does nothing. Undone in reverse order.
# SPDX-License-Identifier: Apache-2.0

state_add() {
    printf '%s %s\n' "$1" "$2" >>"$STATE"
}

state_exists() {
    [ -s "$STATE" ]
}

# state_get WHAT: the last value recorded for it, or nothing.
state_get() {
    [ -f "$STATE" ] || return 0
    sed -n "s/^$1 //p" "$STATE" | tail -n 1
}

state_undo_one() {
    case $1 in
    supervisor) pop_stop "$2" ;;
    region) region_remove "$2" ;;
    link) network_remove_link "$2" ;;
    netns) network_remove_namespace "$2" ;;
    offload) network_restore_offload "$2" ;;
    mount) memory_unmount "$2" ;;
    directory) rmdir -- "$2" 2>/dev/null || true ;;
    hugepages) memory_set_hugepages "$2" ;;
    options) ;;
    *) complain "unknown line in $STATE: $1 $2" ;;
    esac
}

# Undoes everything that is recorded; what is left of the file afterwards is nothing.
state_undo() {
    local what value
    [ -f "$STATE" ] || return 0
    while read -r what value; do
        state_undo_one "$what" "$value" || complain "could not put back: $what $value"
    done < <(tac "$STATE")
    rm -f "$STATE"
}
