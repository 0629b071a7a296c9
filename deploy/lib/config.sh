# shellcheck shell=bash
# Writes run/voxpop.yaml, the one configuration file both processes and the operator's tool read.
# `voxpop config defaults` lists every key; only what differs from its default stands here.
# SPDX-License-Identifier: Apache-2.0

# config_list ITEM …: a YAML list on one line.
config_list() {
    local list=""
    while [ $# -gt 0 ]; do
        list+="${list:+, }\"$1\""
        shift
    done
    printf '[%s]\n' "$list"
}

config_interfaces() {
    local k names=()
    for ((k = 0; k < WORKERS; k++)); do
        names+=("vxp$k")
    done
    if [ -n "$PORT_INTERFACE" ]; then
        names=("$PORT_INTERFACE")
    fi
    config_list "${names[@]}"
}

# Workers sit on the last CPUs: while there are fewer of them, the first CPU is the control plane's and the clients'.
config_cores() {
    local k list="" cpus
    cpus=$(nproc)
    for ((k = 0; k < WORKERS; k++)); do
        list+="${list:+, }$(((2 * cpus - 1 - k % cpus) % cpus))"
    done
    printf '[%s]\n' "$list"
}

config_gateways() {
    local gateway
    for gateway in "${POP_GATEWAYS[@]}"; do
        case $gateway in
        *:*) printf 'routes.gateway6 "%s"\n' "$gateway" ;;
        *) printf 'routes.gateway4 "%s"\n' "$gateway" ;;
        esac
    done
}

# Every setting as "path value"; a later line for the same path wins, so --set stands last.
config_settings() {
    local setting
    cat <<END
pop.run_directory "$RUN"
pop.addresses $(config_list "${POP_ADDRESSES[@]}")
tls.certificate "$RUN/cert.pem"
tls.key "$RUN/key.pem"
dataplane.workers $WORKERS
dataplane.cores $(config_cores)
dataplane.netns "$([ -n "$PORT_INTERFACE" ] || printf '%s' "$NETNS")"
dataplane.port.profile afxdp
dataplane.port.interfaces $(config_interfaces)
control.store "$RUN/voxpop.db"
management.address 127.0.0.1
management.port $MANAGEMENT_PORT
END
    config_gateways
    for setting in "${SETTINGS[@]}"; do
        printf '%s %s\n' "${setting%%=*}" "${setting#*=}"
    done
}

# "a.b.c value" lines to nested YAML.
config_nest() {
    tac | awk '!seen[$1]++' | LC_ALL=C sort -k1,1 | awk '{
        depth = split($1, part, ".")
        value = substr($0, length($1) + 2)
        same = 1
        for (k = 1; k <= depth; k++) {
            if (same && part[k] == last[k] && k < depth) continue
            same = 0
            printf "%*s%s:%s\n", 2 * (k - 1), "", part[k], k < depth ? "" : " " value
        }
        delete last
        for (k = 1; k <= depth; k++) last[k] = part[k]
    }'
}

config_write() {
    {
        printf '# Written by deploy/quickstart each time it starts.\n'
        config_settings | config_nest
    } >"$CONFIG.new"
    mv "$CONFIG.new" "$CONFIG"
    "$BUILD/cli/voxpop" config check "$CONFIG" >/dev/null || die "the configuration in $CONFIG was refused"
}
