# shellcheck shell=bash
# resume-storm: so many sessions lose their connections at once and come back; a thousand never left.
# SPDX-License-Identifier: Apache-2.0

STORM_SESSIONS=100000
STORM_UNTOUCHED=1000
STORM_OPENING=512

# What the same clients do when they only come, shake hands by ticket, and go: handshakes a second of wall time.
storm_limit() {
    chat_config 20000 0 adaptive
    chat_load handshakes "$STORM_OPENING" --heartbeat 0 --seconds 5 --resume >"$WORK/storm-limit"
}

storm_figures() {
    jq -n --slurpfile run "$WORK/storm-ours" --slurpfile limit "$WORK/storm-limit" --arg machine "$(machine)" '
        $run[0] as $r | $limit[0].per_s as $rate
        | ({bench: "resume-storm", params: {connections: $r.sessions}, machine: $machine}
            + (if $r.generator_bound then {generator_bound: true} else {} end)) as $common
        | $common + {metric: "all_resumed_s", value: $r.all_resumed_s, unit: "s", limit: ($r.sessions / $rate),
            limit_name: "the same handshakes by ticket and nothing else, in the same run: \($rate | floor)/s", peer: null,
            peer_name: "none: no other gateway at hand resumes a session"},
          $common + {metric: "heartbeat_p99_us", value: $r.storm_p99_us, unit: "us", limit: $r.calm_p99_us,
            limit_name: "of the same clients before the storm", peer: null, peer_name: "as above"}'
}

bench_resume-storm() {
    local sessions=${COUNT:-$STORM_SESSIONS}
    storm_limit || return 1
    chat_config $((sessions + STORM_UNTOUCHED)) $((sessions + STORM_UNTOUCHED)) adaptive
    chat_load resume-storm $((sessions + STORM_UNTOUCHED)) --untouched "$STORM_UNTOUCHED" --resume --heartbeat 0 --opening "$STORM_OPENING" \
        --seconds 5 >"$WORK/storm-ours" || return 1
    storm_figures >"$WORK/figures"
    jq -r '"  \(.sessions) sessions back in \(.all_resumed_s) s (\(.per_s)/s; \(.events_meanwhile) events meanwhile, each once); heartbeats of \(.untouched) untouched: p50 "
        + "\(.calm_p50_us) us, p99 \(.calm_p99_us) us before, p50 \(.storm_p50_us) us, p99 \(.storm_p99_us) us meanwhile; generator busy \(.generator_busy)"' "$WORK/storm-ours"
    jq -r 'select(.metric == "all_resumed_s") | "  \(100 * .value / .limit | floor) % of the time that the handshakes alone take (\(.limit_name))"' "$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_resume-storm() {
    chat_config 1100 1100 adaptive
    chat_load resume-storm 1100 --untouched 100 --resume --heartbeat 0 --seconds 1 --verify-all >"$WORK/smoke" &&
        jq -e '.lost == 0 and .resumes_failed == 0 and .sessions == 1000 and .by_ticket >= 999 and .deliveries == 1100 * .events and .events >= 2' \
            "$WORK/smoke" >/dev/null
}
