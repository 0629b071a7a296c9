#!/bin/bash
# Real ports against a kernel client, in network namespaces of their own: AF_XDP on veth, TAP as a DPDK device, memif between two
# processes. usage: ports.sh RESPONDER STEER_OBJECT FOREIGN_OBJECT. Speaks TAP. Needs root; skips with a reason without.
# SPDX-License-Identifier: Apache-2.0
responder=$1 steer=$2 foreign=$3
probe=$(dirname "$0")/probe.py
pop=vxport-pop-$$ client=vxport-client-$$
work=$(mktemp -d)
number=0 pid=

# In a sanitized build: DPDK's AF_XDP driver keeps what libbpf and libxdp gave it. They are built without frame pointers; only a slow
# walk of the stack finds the driver on it, and so tells its leaks from ours.
echo 'leak:librte_net_af_xdp.so' > "$work/leaks"
export ASAN_OPTIONS=detect_leaks=1:fast_unwind_on_malloc=0 LSAN_OPTIONS=suppressions=$work/leaks:print_suppressions=0

skip_all() { echo "1..0 # SKIP $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip_all "needs root"
for tool in ip ethtool python3; do command -v $tool > /dev/null || skip_all "needs $tool"; done
ip netns add $pop 2> /dev/null || skip_all "no network namespaces here"

finish() {
    [ -z "$pid" ] || kill -9 $pid 2> /dev/null
    ip netns del $pop
    ip netns del $client 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# pair N [veth options]: vxpN in the POP's namespace, vxcN with addresses in the client's
pair() {
    local n=$1
    shift
    ip link add vxp$n netns $pop "$@" type veth peer name vxc$n netns $client "$@"
    ip -n $pop link set vxp$n up
    ip -n $client link set vxc$n up
    ip netns exec $client ethtool -K vxc$n tx off tso off gso off gro off > /dev/null
    ip -n $client addr add 198.18.7$n.2/24 dev vxc$n
    ip -n $client addr add fd00:18:7$n::2/64 dev vxc$n nodad
}

# start ARGUMENTS…: a responder in the POP's namespace; returns when it is ready. 1: it ended instead
start() {
    : > "$work/out"
    ip netns exec $pop "$responder" "$@" > "$work/out" 2> "$work/err" &
    pid=$!
    for _ in $(seq 200); do
        grep -q '^ready' "$work/out" && return 0
        kill -0 $pid 2> /dev/null || break
        sleep 0.05
    done
    return 1
}
# A memif server of DPDK 22.11 ends in a panic when a client's control connection closes in the middle of its handshake, as that of a
# client does that was just being served (port.h): then it is started again, as the supervisor would.
start_server() {
    for _ in 1 2 3 4 5; do
        start "$@" && return 0
        grep -q eal_intr_thread_main "$work/err" || return 1
    done
    return 1
}
stop() {
    kill ${1:--TERM} $pid 2> /dev/null
    wait $pid 2> /dev/null
    local status=$?
    pid=
    return $status
}
ask() { ip netns exec $client python3 "$probe" "$@"; }
refuses() { ! start "$@" && grep -q "$message" "$work/err"; }

# check "sentence" COMMAND…
check() {
    local sentence=$1
    shift
    number=$((number + 1))
    if "$@" > "$work/said" 2>&1; then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        cat "$work/said" "$work/err" "$work/out" | sed 's/^/# /'
    fi
}

figure() { sed -n "s/.*port $1 .* $2 \([0-9]*\).*/\1/p" "$work/out"; }
at_least() { [ "$(figure $1 $2)" -ge $3 ]; }
attached() { ip -n $pop link show $1 | grep -q "name $2"; }

ip netns add $client
pair 0
pair 1
a=198.18.70.1 b=fd00:18:70::1 routed=198.18.99.1 routed6=fd00:18:99::1
ip -n $client route add 198.18.99.0/24 via $a
ip -n $client route add fd00:18:99::/64 via $b

start afxdp "$steer" plain 0 vxp0 $a $b $routed $routed6
if [ $? != 0 ] && grep -qi "xdp.*not\|operation not\|not permitted" "$work/err"; then
    skip_all "AF_XDP is impossible here: $(tail -1 "$work/err")"
fi
check "afxdp_answers_ipv4_echo" ask ping $a 5
check "afxdp_answers_ipv4_echo_of_a_whole_frame" ask ping $a 3 1472
check "afxdp_answers_ipv6_echo_after_neighbour_discovery" ask ping $b 5
check "afxdp_answers_ipv6_echo_of_odd_length" ask ping $b 3 1201
check "afxdp_sends_datagrams_back" ask udp $a 20 200
check "afxdp_sends_ipv6_datagrams_back" ask udp $b 20 200
check "address_behind_a_route_is_served" eval "ask ping $routed && ask ping $routed6"
message='served by another voxpop' other=$pid
cp "$work/out" "$work/first"
check "second_process_on_a_served_interface_is_refused" refuses afxdp "$steer" plain 0 vxp0 $a
pid=$other
check "first_process_is_not_disturbed_by_the_refused_one" ask ping $a
ip -n $pop addr add 198.18.70.9/24 dev vxp0
ip -n $pop addr add fd00:18:70::9/64 dev vxp0 nodad
check "kernel_keeps_its_own_addresses" eval "ask ping 198.18.70.9 && ask ping fd00:18:70::9"

# The kernel of a forwarding host answers packets for addresses that nobody has, unless they never reach it.
station=$(ip -n $pop -o link show vxp0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
ip -n $client neigh replace $a lladdr $station dev vxc0
ip -n $client neigh replace $b lladdr $station dev vxc0
ip netns exec $pop sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
stop -KILL
check "killed_process_leaves_the_program_attached" attached vxp0 voxpop_steer
check "kernel_is_silent_while_nobody_serves" ask silence $routed
check "kernel_is_silent_on_ipv6_while_nobody_serves" ask silence $routed6
check "start_after_a_kill_takes_the_interface_over" start afxdp "$steer" plain 0 vxp0 $a $b
check "echo_is_answered_after_a_kill" ask ping $a
ask ping 198.18.70.9 > /dev/null
check "process_that_is_told_to_stop_ends_well" stop
check "figures_count_what_was_steered" at_least 0 steered 3
check "figures_count_what_was_passed" at_least 0 passed 3
check "orderly_stop_detaches_the_program" eval '! attached vxp0 voxpop_steer'
check "kernel_would_answer_without_the_program" eval "! ask silence $routed && ! ask silence $routed6"

if [ "$(nproc)" -ge 2 ]; then
    check "two_ports_start_with_a_worker_each" start afxdp "$steer" plain '0;1' 'vxp0;vxp1' $a $b 198.18.71.1 fd00:18:71::1
    check "first_of_two_ports_answers" ask udp $a 20
    check "second_of_two_ports_answers" ask udp 198.18.71.1 20
    check "second_of_two_ports_answers_ipv6" ask udp fd00:18:71::1 20
    stop
    check "each_port_counts_its_own" eval 'at_least 0 out 20 && at_least 1 out 40'
fi
check "one_worker_serves_two_ports" start afxdp "$steer" plain 0 'vxp0;vxp1' $a 198.18.71.1
check "both_ports_of_one_worker_answer" eval "ask ping $a && ask ping 198.18.71.1"
stop
free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2> /dev/null || echo 0)
if [ "$free" -ge 48 ]; then
    check "huge_pages_and_in_memory_serve" start afxdp "$steer" huge 0 vxp0 $a
    check "echo_is_answered_from_huge_pages" ask ping $a
    stop -KILL
    check "start_after_a_kill_finds_its_huge_pages_free" start afxdp "$steer" huge 0 vxp0 $a
    stop
else
    number=$((number + 1))
    echo "ok $number - huge_pages_and_in_memory_serve # SKIP $free of 48 huge pages are free"
fi

message='there is no interface nosuch'
check "missing_interface_is_named" refuses afxdp "$steer" plain 0 nosuch $a
message='ip link set vxp1 up'
ip -n $pop link set vxp1 down
check "interface_that_is_down_is_named_with_the_remedy" refuses afxdp "$steer" plain 0 vxp1 $a
ip -n $pop link set vxp1 up
message='somebody_else.*ip link set dev vxp1 xdp off'
ip -n $pop link set dev vxp1 xdp obj "$foreign" sec xdp
check "foreign_program_is_refused" refuses afxdp "$steer" plain 0 vxp1 $a
check "foreign_program_stays_attached" attached vxp1 somebody_else
ip -n $pop link set dev vxp1 xdp off
pair 2 numrxqueues 2 numtxqueues 2
message='ethtool -L vxp2 rx 1'
check "receive_queues_that_afxdp_cannot_take_are_refused" refuses afxdp "$steer" plain 0 vxp2 $a
message='CPU 999'
check "cpu_that_is_not_there_is_named" refuses afxdp "$steer" plain 999 vxp1 $a
message='1 queues for 2 workers'
[ "$(nproc)" -lt 2 ] || check "worker_without_a_queue_is_refused" refuses afxdp "$steer" plain '0;1' vxp1 $a
message='cannot read the XDP program'
check "missing_program_is_named" refuses afxdp "$work/none.o" plain 0 vxp1 $a

# The pci profile with a software device: the same code as for a NIC.
if start pci - plain 0 "net_tap0,iface=vxtap0" 198.18.79.1 fd00:18:79::1; then
    ip -n $pop link set vxtap0 netns $client
    ip -n $client addr add 198.18.79.2/24 dev vxtap0
    ip -n $client addr add fd00:18:79::2/64 dev vxtap0 nodad
    ip -n $client link set vxtap0 up
    check "dpdk_device_answers_echo" ask ping 198.18.79.1 5
    check "dpdk_device_answers_ipv6_echo" ask ping fd00:18:79::1 5
else
    number=$((number + 1))
    echo "ok $number - dpdk_device_answers_echo # SKIP no TAP here: $(tail -1 "$work/err")"
fi
stop
message='DPDK'
check "device_that_is_not_there_is_named" refuses pci - plain 0 net_nosuch0 $a

# memif: a client that comes first, a server that is killed and comes again, a client that is killed
asked() { for _ in $(seq 100); do grep -q asked "$work/client" && return 0; sleep 0.1; done; return 1; }
if [ "$(nproc)" -ge 2 ]; then
    "$responder" client - plain 1 "$work/memif" $a > "$work/client" 2>&1 &
    asker=$!
    check "memif_server_starts_after_its_client" start server - plain 0 "$work/memif" $a
    check "memif_client_waits_for_its_server" asked
    message='served by another process' other=$pid
    check "second_memif_server_is_refused" refuses server - plain 0 "$work/memif" $a
    pid=$other
    stop -KILL
    check "memif_server_starts_over_the_socket_of_a_killed_one" start_server server - plain 0 "$work/memif" $a
    check "memif_client_finds_the_new_server" wait $asker
    "$responder" client - plain 1 "$work/memif" $a > "$work/client" 2>&1 &
    asker=$!
    asked
    kill -9 $asker
    wait $asker 2> /dev/null
    "$responder" client - plain 1 "$work/memif" $a > "$work/client" 2>&1 &
    asker=$!
    check "memif_server_outlives_a_killed_client" asked
    kill $asker
    wait $asker
    stop
fi
echo "1..$number"
