# shellcheck shell=bash
# rest: GET /channels/{c} over keep-alive, per core of the control plane; beside it nginx, which answers the same bytes from its
# configuration. See tests/bench/README.md.
# SPDX-License-Identifier: Apache-2.0

REST_NGINX=""
REST_PEER_PORT=18089

# Debian's package, unpacked in a folder of ours where it is not installed: installing it would start a server.
rest_nginx() {
    local folder=$RUN/nginx
    REST_NGINX=$(command -v nginx) && return 0
    REST_NGINX=$folder/usr/sbin/nginx
    [ -x "$REST_NGINX" ] && return 0
    mkdir -p "$folder" && (cd "$folder" && apt-get download nginx && dpkg -x nginx_*.deb .) >"$WORK/nginx.log" 2>&1 &&
        "$REST_NGINX" -v >"$WORK/nginx.log" 2>&1
}

# rest_nginx_config BODY
rest_nginx_config() {
    cat <<END
daemon off;
master_process off;
pid $WORK/nginx.pid;
error_log $WORK/nginx.log;
events { worker_connections 64; }
http {
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    client_body_temp_path $WORK/nginx-body;
    proxy_temp_path $WORK/nginx-proxy;
    fastcgi_temp_path $WORK/nginx-fastcgi;
    uwsgi_temp_path $WORK/nginx-uwsgi;
    scgi_temp_path $WORK/nginx-scgi;
    server {
        listen 127.0.0.1:$REST_PEER_PORT;
        location = /api/v10/channels/1 { return 200 '$(cat "$1")'; }
    }
}
END
}

# rest_peer SECONDS: its figure; nothing, with the reason on stderr, when there is no peer.
rest_peer() {
    local server value status=1 tries
    rest_nginx || { complain "no nginx to be had here: $(tail -n 1 "$WORK/nginx.log")" && return 1; }
    rest_nginx_config "$WORK/body" >"$WORK/nginx.conf"
    "$REST_NGINX" -p "$WORK" -c "$WORK/nginx.conf" 2>"$WORK/nginx.log" &
    server=$!
    for tries in $(seq 100); do
        (: <"/dev/tcp/127.0.0.1/$REST_PEER_PORT") 2>/dev/null && break
        { [ "$tries" -lt 100 ] && kill -0 "$server" 2>/dev/null; } || break
        sleep 0.1
    done
    value=$("$BUILD/tests/bench/voxpop-requests" peer "$1" "$WORK/body" "$REST_PEER_PORT" "$server") && status=0
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    say "$value"
    return "$status"
}

bench_rest() {
    local ours peer name="nginx (Debian's), one process, plain TCP on loopback, which it also serves"
    if ! ours=$("$BUILD/tests/bench/voxpop-requests" ours 4 "$WORK/body"); then
        say "rest: the run failed"
        return 1
    fi
    peer=$(rest_peer 4) || { peer=null && name="none: no nginx here"; }
    jq -nc --argjson ours "$ours" --argjson peer "$peer" --arg name "$name" --arg machine "$(machine)" \
        '{bench: "rest", metric: "requests_per_s_per_core", value: $ours, unit: "requests/s", params: {connections: 16},
          limit: null, limit_name: "none was found: it is what the peer does without", peer: $peer, peer_name: $name,
          machine: $machine}' >>"$FIGURES"
    say "  GET /channels/{c}: $ours requests per second of the control plane; $name: $peer"
}

# Every answer is looked at, however few.
smoke_rest() {
    local rate
    rate=$("$BUILD/tests/bench/voxpop-requests" ours 1 "$WORK/body") && [ "$rate" -gt 0 ]
}
