# shellcheck shell=bash
# loss: goodput of a bulk download at 0, 1, 5 and 20 % random loss over a path of 20 ms and 100 Mbit/s: the POP on AF_XDP, and
# beside it the kernel's TCP with OpenSSL, over the same wire (delay-wire) to the same client. The limit is the simulation's value.
# SPDX-License-Identifier: Apache-2.0

LOSS_CLIENT=vxloss-client
LOSS_KERNEL=vxloss-kernel
LOSS_WIRE_PID=""
LOSS_SERVER_PID=""
LOSS_OTHER_PID=""

# loss_link NAMESPACE ADDRESS: a veth pair whose host end is vxl-NAMESPACE's last word.
loss_link() {
    local namespace=$1 end="vxl${1##*-}"
    ip netns add "$namespace" && ip link add "$end" type veth peer name eth0 netns "$namespace" && network_plain_frames "$end" &&
        ip -n "$namespace" addr add "$2" dev eth0 && ip -n "$namespace" link set eth0 up && ip -n "$namespace" link set lo up &&
        ip netns exec "$namespace" ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null && ip link set "$end" up
}

# client - vxlclient | delay-wire | vxlwire - vxlbridge (in the bridge of quickstart's POP)
loss_network() {
    loss_link "$LOSS_CLIENT" 198.18.0.77/24 && loss_link "$LOSS_KERNEL" 198.18.0.78/24 &&
        ip link set vxlkernel master vxbr0 && ip link add vxlwire type veth peer name vxlbridge &&
        network_plain_frames vxlwire && network_plain_frames vxlbridge && ip link set vxlwire up &&
        ip link set vxlbridge master vxbr0 up
}

loss_end() {
    [ -z "$LOSS_WIRE_PID" ] || { kill "$LOSS_WIRE_PID" && wait "$LOSS_WIRE_PID"; } 2>/dev/null
    [ -z "$LOSS_SERVER_PID" ] || { kill "$LOSS_SERVER_PID" && wait "$LOSS_SERVER_PID"; } 2>/dev/null
    [ -z "$LOSS_OTHER_PID" ] || { kill "$LOSS_OTHER_PID" && wait "$LOSS_OTHER_PID"; } 2>/dev/null
    LOSS_WIRE_PID="" LOSS_SERVER_PID="" LOSS_OTHER_PID=""
    for one in vxlwire vxlclient vxlkernel; do ip link del "$one" 2>/dev/null; done
    for one in "$LOSS_CLIENT" "$LOSS_KERNEL"; do ip netns del "$one" 2>/dev/null; done
    "$ROOT/deploy/quickstart" --stop >>"$WORK/quickstart.log" 2>&1
}

# Fifty long messages make a page of some 100 kB.
loss_prepare() {
    local text
    # shellcheck source=/dev/null
    . "$ROOT/deploy/lib/network.sh"
    "$ROOT/deploy/quickstart" --detach --fresh --set control.rest_requests_per_second=10000 >"$WORK/quickstart.log" 2>&1 || return 1
    # shellcheck source=/dev/null
    . "$RUN/pop.env"
    LOSS_PATH="/api/v10/channels/$VOXPOP_TEXT_CHANNEL/messages?limit=50"
    text=$(openssl rand -hex 1000)
    for _ in $(seq 50); do
        curl -sf --cacert "$VOXPOP_CA" -H "Authorization: Bot $VOXPOP_TOKEN_1" -H 'Content-Type: application/json' \
            -d "{\"content\":\"$text\"}" -o /dev/null "$VOXPOP_API/v10/channels/$VOXPOP_TEXT_CHANNEL/messages" || return 1
    done
    LOSS_BYTES=$(curl -sf --cacert "$VOXPOP_CA" -H "Authorization: Bot $VOXPOP_TOKEN_1" "https://198.18.0.1$LOSS_PATH" | wc -c)
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -keyout "$WORK/key.pem" -out "$WORK/cert.pem" 2>/dev/null
    loss_network || return 1
    ip netns exec "$LOSS_KERNEL" /usr/bin/python3 "$ROOT/tests/bench/peer/loss.py" serve 198.18.0.78 443 \
        "$WORK/cert.pem" "$WORK/key.pem" "$LOSS_BYTES" cubic &
    LOSS_SERVER_PID=$!
    ip netns exec "$LOSS_KERNEL" /usr/bin/python3 "$ROOT/tests/bench/peer/loss.py" serve 198.18.0.78 444 \
        "$WORK/cert.pem" "$WORK/key.pem" "$LOSS_BYTES" "$(cat /proc/sys/net/ipv4/tcp_congestion_control)" &
    LOSS_OTHER_PID=$!
}

# loss_fetch ADDRESS PORT PER_MILLE SECONDS SEED: a wire of its own, so that both servers lose at the same places of the dice.
loss_fetch() {
    "$BUILD/tests/bench/delay-wire" vxlclient vxlwire 10000 "$3" 100 250000 "$5" 2>>"$WORK/wire.log" &
    LOSS_WIRE_PID=$!
    sleep 0.3
    ip netns exec "$LOSS_CLIENT" timeout $(($4 + 60)) /usr/bin/python3 "$ROOT/tests/bench/peer/loss.py" fetch "$1" "$2" \
        "$LOSS_PATH" "$4" "$VOXPOP_TOKEN_1"
    local status=$?
    kill "$LOSS_WIRE_PID" && wait "$LOSS_WIRE_PID" 2>/dev/null
    LOSS_WIRE_PID=""
    return "$status"
}

# loss_simulated PERCENT: from the committed table.
loss_simulated() {
    awk -v want="$1" 'NR == 2 { n = 0; for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+$/) column[$i] = ++n }
        /^cubic, IPv4/ { print $(2 + column[want]) }' "$ROOT/tests/sim/goodput.golden"
}

loss_figure() {
    jq -n --argjson loss "$1" --argjson limit "$2" --slurpfile pop "$WORK/loss-pop" --slurpfile kernel "$WORK/loss-kernel" \
        --arg machine "$(machine)" '
        def mean: (map(.bytes) | add) * 8 / (map(.seconds) | add) / 1e6 * 1000 | round / 1000;
        {bench: "loss", metric: "goodput_mbps", value: ($pop | mean), unit: "Mbit/s", params: {loss: ($loss / 100)}, limit: $limit,
         limit_name: "the same TCP in the simulation, 20 ms and 100 Mbit/s (tests/sim/goodput.golden)",
         peer: ($kernel | mean), peer_name: "Linux TCP (cubic) with OpenSSL, same wire, same client",
         machine: $machine}'
}

loss_all() {
    local percent seconds round congestion
    congestion=$(cat /proc/sys/net/ipv4/tcp_congestion_control)
    : >"$WORK/figures"
    for percent in 0 1 5 20; do
        seconds=$((percent == 20 ? 8 : 3))
        : >"$WORK/loss-pop"
        : >"$WORK/loss-kernel"
        : >"$WORK/loss-other"
        for round in 1 2 3; do
            loss_fetch 198.18.0.1 443 $((percent * 10)) "$seconds" "$round" >>"$WORK/loss-pop" || return 1
            loss_fetch 198.18.0.78 443 $((percent * 10)) "$seconds" "$round" >>"$WORK/loss-kernel" || return 1
            loss_fetch 198.18.0.78 444 $((percent * 10)) "$seconds" "$round" >>"$WORK/loss-other" || return 1
        done
        say "  $percent %: POP $(jq -rs 'map(.goodput_mbps | tostring) | join(", ")' "$WORK/loss-pop")" \
            "kernel cubic $(jq -rs 'map(.goodput_mbps | tostring) | join(", ")' "$WORK/loss-kernel")," \
            "$congestion $(jq -rs 'map(.goodput_mbps | tostring) | join(", ")' "$WORK/loss-other") Mbit/s"
        loss_figure "$percent" "$(loss_simulated "$percent")" >>"$WORK/figures"
    done
}

bench_loss() {
    local status=0
    { loss_prepare && loss_all; } || status=1
    loss_end
    if [ "$status" -ne 0 ]; then
        say "loss: the run failed"
        tail -n 3 "$WORK/quickstart.log"
        return 1
    fi
    jq -r '"  loss \(.params.loss * 100) %: \(.value) Mbit/s; kernel \(.peer); simulated \(.limit)"' "$WORK/figures"
    cat "$WORK/figures" >>"$FIGURES"
}

# Correct, however slow the machine: pages come whole through 5 %.
smoke_loss() {
    local status=0
    { loss_prepare && loss_fetch 198.18.0.1 443 50 2 1 >"$WORK/smoke" && jq -e '.ok and .bytes > 0' "$WORK/smoke" >/dev/null; } || status=1
    loss_end
    return "$status"
}
