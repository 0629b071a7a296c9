#!/bin/bash
# The operator's capture commands against a box that runs: what they write can be read by tshark, is what was asked for, and a
# recorded bundle replays.
#   capture.sh LIVE_BOX VOXPOP WORKERS
# SPDX-License-Identifier: Apache-2.0
set -u
live_box=$1 voxpop=$2 workers=$3
dir=$(mktemp -d /tmp/capture_test.XXXXXX)
n=0 failed=0 pids=()

cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    [ -s "$dir/capture.pid" ] && kill "$(cat "$dir/capture.pid")" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

ok() { # NAME CONDITION...
    n=$((n + 1))
    if "${@:2}" >>"$dir/log" 2>&1; then
        echo "ok $n - $1"
    else
        failed=1
        echo "not ok $n - $1"
        tail -5 "$dir/log" | sed 's/^/# /'
    fi
}
v() { "$voxpop" "$1" "$2" --run "$dir" "${@:3}"; }
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
packets() { tshark -r "$1" -Y "${2:-frame}" 2>/dev/null | wc -l; }
fails_saying() { # CODE TEXT COMMAND...
    local text
    text=$("${@:3}" 2>&1)
    [ $? -eq "$1" ] && [ "$(wc -l <<<"$text")" -eq 1 ] && grep -q -- "$2" <<<"$text"
}
written() { # COUNT: waits until so many packets are in the file
    for _ in $(seq 400); do
        [ "$(v capture status --json | field packets)" -ge "$1" ] && return 0
        sleep 0.05
    done
    return 1
}
writer_gone() { for _ in $(seq 600); do [ -s "$dir/capture.pid" ] || return 0; sleep 0.05; done; return 1; }

echo "1..21"
coproc box { exec "$live_box" "$dir/region" "$workers"; }
pids+=("$box_PID")
read -r -t 20 line <&"${box[0]}"
[ "$line" = ready ] || echo "Bail out! the box does not run"

# everything
began=$(date +%s)
v capture start "$dir/all.pcapng" >/dev/null
ok "a second capture is refused in one line" fails_saying 1 "under way" v capture start "$dir/other.pcapng"
ok "packets come" written 500
ok "status tells of the capture under way" test "$(v capture status --json | field state)" = running
ok "who names another file stops nothing" fails_saying 1 "goes to $dir/all.pcapng" v capture stop "$dir/other.pcapng"
v capture stop --json "$dir/all.pcapng" >"$dir/stop.json"
ok "stop ends it" test "$(field state <"$dir/stop.json")" = finished
ok "the file has the packets that stop tells of" test "$(packets "$dir/all.pcapng")" = "$(field packets <"$dir/stop.json")"
ok "it holds voice of both directions" test "$(packets "$dir/all.pcapng" 'udp && frame.packet_flags_direction == 1')" -gt 50 -a \
    "$(packets "$dir/all.pcapng" 'udp && frame.packet_flags_direction == 2')" -gt 100
ok "and TCP of both directions" test "$(packets "$dir/all.pcapng" 'tcp.dstport == 443')" -gt 2 -a \
    "$(packets "$dir/all.pcapng" 'tcp.srcport == 443')" -gt 2
ok "nothing in it is malformed" test "$(packets "$dir/all.pcapng" '_ws.malformed')" = 0
first_second=$(tshark -r "$dir/all.pcapng" -T fields -e frame.time_epoch -c 1 2>/dev/null | cut -d. -f1)
ok "its times are the wall clock's" test "$first_second" -ge "$began" -a "$first_second" -le "$(date +%s)"
ok "its interfaces are the workers, with what was dropped" test "$(capinfos -M "$dir/all.pcapng" 2>&1 | grep -c "Number of stat entries = 1")" = "$workers"
ok "it is for its owner alone" test "$(stat -c %a "$dir/all.pcapng")" = 600

# one session, one room, bounds
v capture start --session 1 --packets 60 "$dir/session.pcapng" >/dev/null
writer_gone
ok "a capture of a session holds that one's connection and voice alone, and ends by itself" test \
    "$(packets "$dir/session.pcapng" 'udp.port == 6001 || tcp.port == 50001')" = 60
v capture start --room 9 --duration 1 "$dir/room.pcapng" >/dev/null
writer_gone
ok "a capture of a room holds its voice alone" test "$(packets "$dir/room.pcapng" udp)" -gt 0 -a "$(packets "$dir/room.pcapng" '!udp')" = 0
ok "stop without a capture says so" fails_saying 1 "no capture" v capture stop
ok "a file that cannot be made is one line" fails_saying 1 "No such file" v capture start /nonexistent/x.pcapng

# a writer that is killed
v capture start "$dir/killed.pcapng" >/dev/null
written 100
kill -9 "$(cat "$dir/capture.pid")"
ok "what a killed writer wrote can be read" test "$(packets "$dir/killed.pcapng")" -gt 50
ok "and stop cleans up behind it" grep -q "had died" <(v capture stop)

# a bundle
v capture start --replay "$dir/bundle" --packets 400 --json >"$dir/start.json"
writer_gone
ok "a recording for replay says how long the workers stood still, and what it holds" test \
    "$(field workers_stood_still_us <"$dir/start.json")" -lt 500000 -a -n "$(field note <"$dir/start.json")"
"$voxpop" capture replay "$dir/bundle" --out "$dir/one.pcapng" --json >"$dir/replay.json" 2>>"$dir/log"
"$voxpop" capture replay "$dir/bundle" --out "$dir/two.pcapng" >/dev/null 2>>"$dir/log"
ok "it replays to the same bytes twice" cmp "$dir/one.pcapng" "$dir/two.pcapng"
cat "$dir/start.json" "$dir/replay.json" >>"$dir/log"
ok "with voice to everybody in it" test "$(field packets_out <"$dir/replay.json")" -gt 300 -a \
    "$(packets "$dir/one.pcapng" 'udp.dstport == 6002')" -gt 100
exit $failed
