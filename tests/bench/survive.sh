# shellcheck shell=bash
# survive: the dataplane is killed again and again under TLS sessions that talk, and its supervisor starts it anew: no connection is closed,
# nothing is lost or doubled. --smoke: 100 kills, 1,000 sessions. Else 10,000 sessions; --long: 10,000 kills.
# SPDX-License-Identifier: Apache-2.0

# survive_config SESSIONS: the bench is the control plane, so what the supervisor starts for one does nothing.
survive_config() {
    chat_config "$1" "$1" adaptive
    printf '#!/bin/sh\nexec sleep 100000\n' >"$WORK/nothing"
    chmod +x "$WORK/nothing"
    cat >>"$WORK/voxpop.yaml" <<END
supervise:
  dataplane: "$BUILD/dataplane/voxpop-dataplane"
  controlplane: "$WORK/nothing"
  pause_min_ms: 1
  pause_max_ms: 1
END
}

# survive_run SESSIONS KILLS
survive_run() {
    survive_config "$1"
    load survive --config "$WORK/voxpop.yaml" --dataplane "$BUILD/cli/voxpop" --cpu "$CPU_LOAD" --descriptors "$CHAT_WIRE" \
        --connections "$1" --kills "$2" --resume --heartbeat 2 --seed "${SEED:-$RANDOM}" >"$WORK/survive" 2>"$WORK/survive.log" || {
        tail -n 20 "$WORK/survive.log" >&2
        return 1
    }
    jq -r '"  \(.kills) kills, \(.held) of \(.connections) sessions held, \(.lost) closed; \(.deliveries) deliveries, \(.answered) heartbeats answered; from kill to "
        + "the first packet \(.gap_p50_us / 1000 | round) ms (p50), \(.gap_p99_us / 1000 | round) ms (p99), \(.gap_max_us / 1000 | round) ms (max)"' "$WORK/survive"
    jq -e --argjson kills "$2" '.lost == 0 and .refused == 0 and .held == .connections and .kills == $kills and .lives > $kills
        and .deliveries == .events * .connections and .answered == .heartbeats' "$WORK/survive" >/dev/null
}

bench_survive() {
    survive_run 10000 "$([ "$LONG" = no ] && echo 100 || echo 10000)"
}

smoke_survive() {
    survive_run 1000 100
}
