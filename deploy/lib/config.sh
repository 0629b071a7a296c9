# shellcheck shell=bash
# Writes run/voxpop.yaml, the one configuration file both processes and the operator's tool read.
# `voxpop config defaults` lists every key; only what differs from its default stands here.
# SPDX-License-Identifier: Apache-2.0

config_addresses() {
    local address
    for address in "${POP_ADDRESSES[@]}"; do
        printf '    - %s\n' "$address"
    done
}

config_ports() {
    local k
    if [ -n "$PORT_INTERFACE" ]; then
        printf '    - {profile: afxdp, interface: %s, queues: %d}\n' "$PORT_INTERFACE" "$WORKERS"
        return
    fi
    for ((k = 0; k < WORKERS; k++)); do
        printf '    - {profile: afxdp, interface: vxp%d}\n' "$k"
    done
}

# Workers sit on the last CPUs, so that with fewer workers than CPUs the first is the control plane's and the clients'.
config_cores() {
    local k list=""
    for ((k = 0; k < WORKERS; k++)); do
        list="$(($(nproc) - 1 - k % $(nproc)))${list:+, $list}"
    done
    printf '[%s]\n' "$list"
}

config_routes() {
    local gateway
    for gateway in "${POP_GATEWAYS[@]}"; do
        case $gateway in
        *:*) printf '    - {prefix: "::/0", via: "%s"}\n' "$gateway" ;;
        *) printf '    - {prefix: 0.0.0.0/0, via: %s}\n' "$gateway" ;;
        esac
    done
}

config_text() {
    cat <<END
# Written by deploy/quickstart; rewritten each time it starts.
run_directory: $RUN
dataplane:
  netns: "$([ -n "$PORT_INTERFACE" ] || printf '%s' "$NETNS")"
  cores: $(config_cores)
  idle: adaptive
  addresses:
$(config_addresses)
  ports:
$(config_ports)
  routes:
$(config_routes)
tls:
  certificate: $RUN/cert.pem
  key: $RUN/key.pem
store:
  path: $RUN/voxpop.db
management:
  address: 127.0.0.1
  port: $MANAGEMENT_PORT
END
}

config_write() {
    config_text >"$CONFIG.new"
    mv "$CONFIG.new" "$CONFIG"
    voxpop config check "$CONFIG" >/dev/null || die "the configuration in $CONFIG was refused"
}
