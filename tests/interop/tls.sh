#!/bin/bash
# TLS in all that changes while the POP runs and in the version before: TLS 1.2 by openssl, curl, Python and Node; certificates by
# name; loading them anew, good ones and bad ones.
# shellcheck disable=SC2317 # `check` runs functions by name
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
POP_RUN=${VOXPOP_RUN:-$ROOT/run}
# shellcheck source=tests/lib/sentences.sh
. "$ROOT/tests/lib/sentences.sh"
# shellcheck source=deploy/lib/certificate.sh
. "$ROOT/deploy/lib/certificate.sh"
# shellcheck source=/dev/null
. "$POP_RUN/pop.env"

WORK=$(mktemp -d)
POP4=198.18.0.1
CONFIG=$POP_RUN/voxpop.yaml
LOG=$POP_RUN/voxpop.log
GATEWAY_URL="https://$POP4/api/v10/gateway"

supervisor() {
    ps -o ppid= -p "$(cat "$POP_RUN/dataplane.pid")" | tr -d ' '
}

# Puts everything back as it was found.
restore() {
    for file in cert.pem key.pem voxpop.yaml; do
        [ ! -f "$WORK/kept.$file" ] || cp -p "$WORK/kept.$file" "$POP_RUN/$file"
    done
    kill -HUP "$(supervisor)"
    rm -rf "$WORK"
}
for file in cert.pem key.pem voxpop.yaml; do
    cp -p "$POP_RUN/$file" "$WORK/kept.$file"
done
trap restore EXIT

request_text() {
    printf 'GET /api/v10/gateway HTTP/1.1\r\nHost: %s\r\n%s\r\n' "$POP4" "${1:-}"
}

# s_client_get [option …]: one request through openssl, its whole output. Input must outlast the answer.
s_client_get() {
    { request_text $'Connection: close\r\n' && sleep 1; } |
        timeout 20 openssl s_client -connect "$POP4:443" -CAfile "$VOXPOP_CA" -ign_eof "$@" 2>&1
}

speaks_tls12() {
    local output
    output=$(s_client_get -verify_return_error -tls1_2 -cipher "$1")
    if ! grep -q "New, TLSv1.2, Cipher is $1" <<<"$output" || ! grep -qF "$VOXPOP_GATEWAY" <<<"$output"; then
        tail -n 20 <<<"$output"
        return 1
    fi
}

resumes_tls12() {
    local output
    s_client_get -tls1_2 -sess_out "$WORK/session" >/dev/null
    output=$(s_client_get -tls1_2 -sess_in "$WORK/session")
    grep -q '^Reused, TLSv1.2' <<<"$output" && grep -qF "$VOXPOP_GATEWAY" <<<"$output"
}

extends_master_secret() {
    grep -q 'Extended master secret: yes' <<<"$(s_client_get -tls1_2)"
}

refuses() {
    local alert=$1
    shift
    grep -q "alert $alert" <<<"$(s_client_get "$@")"
}

# "R" makes openssl begin another handshake.
refuses_renegotiation() {
    local output
    output=$({ sleep 1 && printf 'R\n' && sleep 2; } |
        timeout 20 openssl s_client -tls1_2 -connect "$POP4:443" -CAfile "$VOXPOP_CA" 2>&1)
    grep -qi 'no renegotiation' <<<"$output"
}

# curl_gets [option …]
curl_gets() {
    same body "$(curl -sS --max-time 20 --cacert "$VOXPOP_CA" "$@" "$GATEWAY_URL" | tr -d ' \n')" "{\"url\":\"$VOXPOP_GATEWAY\"}"
}

# A body of many records, upwards.
curl_posts() {
    head -c 60000 /dev/zero | tr '\0' 'x' >"$WORK/body"
    same status "$(curl -sS --max-time 20 --cacert "$VOXPOP_CA" "$@" -o /dev/null -w '%{http_code}' -X POST \
        --data-binary "@$WORK/body" "https://$POP4/api/v10/nothing")" 404
}

python_gets_by_tls12() {
    python3 - "$VOXPOP_CA" "$POP4" "$VOXPOP_GATEWAY" <<'END'
import socket, ssl, sys
ca, host, expected = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.maximum_version = ssl.TLSVersion.TLSv1_2
with context.wrap_socket(socket.create_connection((host, 443), 10), server_hostname=host) as s:
    assert s.version() == "TLSv1.2", s.version()
    for last in (False, True):
        s.sendall(b"GET /api/v10/gateway HTTP/1.1\r\nHost: x\r\n" + (b"Connection: close\r\n" if last else b"") + b"\r\n")
        answer = b""
        while expected.encode() not in answer:
            piece = s.recv(100)
            assert piece, answer
            answer += piece
END
}

node_gets_by_tls12() {
    "${NODE:-node}" - "$VOXPOP_CA" "$GATEWAY_URL" "$VOXPOP_GATEWAY" <<'END'
const [ca, url, expected] = process.argv.slice(2);
const options = { ca: require('fs').readFileSync(ca), maxVersion: 'TLSv1.2' };
require('https').get(url, options, (answer) => {
  const version = answer.socket.getProtocol();
  let body = '';
  answer.on('data', (piece) => (body += piece));
  answer.on('end', () => process.exit(version === 'TLSv1.2' && JSON.parse(body).url === expected ? 0 : 1));
});
END
}

# make_pair NAMES DIRECTORY: a certificate of the POP's own authority.
make_pair() {
    local RUN=$2
    mkdir -p "$RUN"
    cp "$POP_RUN/ca.pem" "$POP_RUN/ca.key" "$RUN"
    certificate_make_leaf "$1"
}

# What a client is shown that asks for NAME.
shown_serial() {
    openssl s_client -connect "$POP4:443" -servername "$1" </dev/null 2>/dev/null | openssl x509 -noout -serial
}

shows() {
    same certificate "$(shown_serial "$1")" "$(openssl x509 -noout -serial -in "$2")"
}

reload() {
    kill -HUP "$(supervisor)"
}

# eventually_logged PATTERN LINES: in what was logged since LINES.
logged_since() {
    tail -n "+$2" "$LOG" | grep -q "$1"
}

loads_a_new_pair() {
    make_pair "$(cat "$POP_RUN/cert.names")" "$WORK/new" || return 1
    cp "$WORK/new/cert.pem" "$WORK/new/key.pem" "$POP_RUN/"
    reload
    eventually 10 shows pop.example "$WORK/new/cert.pem" >/dev/null || shows pop.example "$WORK/new/cert.pem"
}

# A connection from before goes on, a new one sees the new certificate.
keeps_connections_over_a_reload() {
    local output
    output=$({
        request_text && sleep 1 && loads_a_new_pair >&2 && request_text $'Connection: close\r\n' && sleep 1
    } | timeout 30 openssl s_client -connect "$POP4:443" -CAfile "$VOXPOP_CA" 2>&1)
    same answers "$(grep -cF "$VOXPOP_GATEWAY" <<<"$output")" 2
}

refuses_a_pair_that_does_not_match() {
    local lines
    lines=$(($(wc -l <"$LOG") + 1))
    make_pair "$(cat "$POP_RUN/cert.names")" "$WORK/bad" || return 1
    cp "$WORK/bad/key.pem" "$POP_RUN/key.pem"
    reload
    eventually 10 logged_since 'event=certificates_refused.*does not belong to' "$lines" || return 1
    curl_gets --tlsv1.3 && shows pop.example "$POP_RUN/cert.pem"
}

serves_a_second_name() {
    cp "$WORK/new/key.pem" "$POP_RUN/key.pem"
    make_pair 'DNS:second.example,DNS:*.wild.example' "$WORK/second" || return 1
    sed "s|^tls:|tls:\n  certificates: [{certificate: $WORK/second/cert.pem, key: $WORK/second/key.pem}]|" \
        "$WORK/kept.voxpop.yaml" >"$CONFIG"
    reload
    eventually 10 shows second.example "$WORK/second/cert.pem" >/dev/null || shows second.example "$WORK/second/cert.pem"
}

for suite in ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305; do
    check "openssl s_client speaks TLS 1.2 with $suite" speaks_tls12 "$suite"
done
check "TLS 1.2 binds the master secret to the handshake" extends_master_secret
check "a ticket resumes a TLS 1.2 session" resumes_tls12
check "curl gets /gateway by TLS 1.2" curl_gets --tls-max 1.2
check "curl posts a body of many records by TLS 1.2" curl_posts --tls-max 1.2
check "curl posts a body of many records by TLS 1.3" curl_posts --tlsv1.3
check "Python gets /gateway by TLS 1.2" python_gets_by_tls12
check "Node gets /gateway by TLS 1.2" node_gets_by_tls12
check "TLS 1.2 with CBC is refused" refuses 'handshake failure' -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256
check "renegotiation is refused" refuses_renegotiation
check "a client of HTTP/2 alone is refused by its protocol" refuses 'no application protocol' -alpn h2
check "a certificate is loaded anew, and connections go on" keeps_connections_over_a_reload
check "the new certificate is shown" shows pop.example "$POP_RUN/cert.pem"
check "a key that does not belong to its certificate is refused, and the old pair goes on" refuses_a_pair_that_does_not_match
check "a second certificate is served by its name" serves_a_second_name
check "a wildcard is served to one label" shows a.wild.example "$WORK/second/cert.pem"
check "a stranger's name is served the first" shows stranger.example "$POP_RUN/cert.pem"
sentences_end
