# shellcheck shell=bash
# voice-rooms: 20,000 rooms of five who speak in turns, so that no key, member or header is in a cache when its packet comes. Limit and peer as
# in voice-fanout, in the same run.
# SPDX-License-Identifier: Apache-2.0

ROOMS_COUNT=20000

rooms_prepare() {
    # shellcheck disable=SC2034 # voice-fanout.sh reads them
    {
        FANOUT_LIMIT_ROOMS=20480
        FANOUT_LIMIT_MEMBERS=106496
        FANOUT_BENCH=voice-rooms
    }
    fanout_prepare
}

bench_voice-rooms() {
    local round
    rooms_prepare
    rm -f "$WORK"/seal-* "$WORK/wire"
    for round in $(seq "${FANOUT_ROUNDS:-3}"); do
        say "# round $round"
        if ! fanout_beside 5 $((ROOMS_COUNT * 5)) ||
            ! fanout_load "$ROOMS_COUNT" 4 --turns --descriptors "$FANOUT_WIRE" --seconds 0.5 >>"$WORK/fanout-cold-4"; then
            say "voice-rooms: the run failed"
            return 1
        fi
    done
    fanout_figure cold "$ROOMS_COUNT" 4 >"$WORK/figures"
    fanout_all fanout-cold-4 wire seal-cold
    fanout_table <"$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

smoke_voice-rooms() {
    rooms_prepare
    fanout_load 200 4 --turns --rate 20000 --seconds 2 >"$WORK/smoke" &&
        jq -e '.missing == 0 and .expected >= 39000 and .opened >= .expected' "$WORK/smoke" >/dev/null
}
