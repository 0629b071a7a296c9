# shellcheck shell=bash
# The running POP: starting the supervisor, waiting until it is ready, and ending it so that nothing stays behind.
# SPDX-License-Identifier: Apache-2.0

POP_READY_SECONDS=${VOXPOP_READY_SECONDS:-60}
POP_STOP_SECONDS=20

voxpop() {
    "$BUILD/cli/voxpop" "$@" --config "$CONFIG"
}

# A process is told by its id and its start time, since ids come round again. One that has ended and was not yet
# waited for has no start time here.
process_start() {
    sed -n 's/.*) //; /^[^ZX]/p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

process_is() {
    local pid=${1%:*} start=${1#*:}
    [ -n "$start" ] && [ "$(process_start "$pid")" = "$start" ]
}

pop_supervisor() {
    state_get supervisor
}

pop_is_running() {
    local supervisor
    supervisor=$(pop_supervisor)
    [ -n "$supervisor" ] && process_is "$supervisor"
}

pop_is_ready() {
    [ "$(voxpop status --json 2>/dev/null | tr -d ' \n' | grep -o '"ready":true' | head -n 1)" = '"ready":true' ]
}

pop_start() {
    local pid
    step "starting the POP (log: $RUN/voxpop.log)"
    state_add region "$RUN/region"
    [ ! -f "$RUN/voxpop.log" ] || mv -f -- "$RUN/voxpop.log" "$RUN/voxpop.log.1"
    setsid "$BUILD/cli/voxpop" supervise --config "$CONFIG" >>"$RUN/voxpop.log" 2>&1 </dev/null 9>&- &
    pid=$!
    state_add supervisor "$pid:$(process_start "$pid")"
}

pop_wait_ready() {
    local deadline=$((SECONDS + POP_READY_SECONDS))
    until pop_is_ready; do
        pop_is_running || {
            tail -n 15 "$RUN/voxpop.log" >&2
            complain "the supervisor ended; its log: $RUN/voxpop.log"
            return 1
        }
        [ "$SECONDS" -lt "$deadline" ] || {
            tail -n 15 "$RUN/voxpop.log" >&2
            complain "not ready after $POP_READY_SECONDS s; its log: $RUN/voxpop.log"
            return 1
        }
        sleep 0.2
    done
    step "ready"
}

# The region is a file in hugetlbfs or in /dev/shm, found through the link that names it.
region_remove() {
    [ ! -L "$1" ] || rm -f -- "$(readlink -f "$1")"
    rm -f -- "$1"
}

# Waits until the process is gone; fails when it outlives the time.
process_wait_gone() {
    local deadline=$((SECONDS + $2))
    while process_is "$1"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# A process from a pid file is ours only if it runs a program of our build directory.
process_is_ours() {
    case $(readlink "/proc/$1/exe" 2>/dev/null) in
    "$BUILD"/*) return 0 ;;
    *) return 1 ;;
    esac
}

# What a killed supervisor may have left running.
pop_kill_orphans() {
    local file pid
    for file in "$RUN/dataplane.pid" "$RUN/controlplane.pid"; do
        pid=$(cat "$file" 2>/dev/null) || continue
        if process_is_ours "$pid"; then
            kill -KILL "$pid" 2>/dev/null || true
            process_wait_gone "$pid:$(process_start "$pid")" 5 || true
        fi
        rm -f "$file"
    done
}

# pop_stop PID:START
pop_stop() {
    local pid=${1%:*}
    if process_is "$1"; then
        kill -TERM "$pid" 2>/dev/null || true
        if ! process_wait_gone "$1" "$POP_STOP_SECONDS"; then
            complain "supervisor $pid did not end in $POP_STOP_SECONDS s and is killed"
            kill -KILL "$pid" 2>/dev/null || true
            process_wait_gone "$1" 5 || true
        fi
    fi
    pop_kill_orphans
}
