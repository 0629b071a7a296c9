# shellcheck shell=bash
# dpdk-testpmd in the box's place: what the wire and DPDK alone can do on one core.
# SPDX-License-Identifier: Apache-2.0

TESTPMD_PID=""

# testpmd_start SOCKET: its main thread waits for input on the generator's CPU, its one forwarding thread polls on the box's.
testpmd_start() {
    in_front dpdk-testpmd --lcores "0@$CPU_LOAD,1@$CPU_BOX" --in-memory --no-pci --no-telemetry --file-prefix=voxpop-bench \
        -m 256 --log-level='*:4' --vdev="net_memif0,role=server,id=0,socket=$1,socket-abstract=no,bsize=2048,rsize=11" -- \
        --forward-mode=macswap --port-topology=loop --nb-cores=1 --txd=2048 --rxd=2048 --burst=32 --total-num-mbufs=16384 \
        < <(exec sleep 600) >"$WORK/testpmd.log" 2>&1 &
    TESTPMD_PID=$!
    for _ in $(seq 100); do
        [ -S "$1" ] && return 0
        kill -0 "$TESTPMD_PID" 2>/dev/null || break
        sleep 0.1
    done
    complain "testpmd does not start: $(tail -n 2 "$WORK/testpmd.log")"
    return 1
}

testpmd_stop() {
    [ -n "$TESTPMD_PID" ] || return 0
    kill "$TESTPMD_PID" 2>/dev/null
    wait "$TESTPMD_PID" 2>/dev/null
    TESTPMD_PID=""
}

# with_testpmd SOCKET COMMAND …
with_testpmd() {
    local status=0
    testpmd_start "$1" || return 1
    shift
    sleep 1
    "$@" || status=$?
    testpmd_stop
    return "$status"
}
