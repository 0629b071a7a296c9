#!/bin/bash
# curl and openssl s_client, as they come with Debian, talk to the POP: IPv4 and IPv6, each TLS 1.3 suite, tickets,
# key updates, keep-alive and pipelining.
# shellcheck disable=SC2317 # `check` runs functions by name
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/lib/sentences.sh
. "$ROOT/tests/lib/sentences.sh"
# shellcheck source=/dev/null
. "${VOXPOP_RUN:-$ROOT/run}/pop.env"

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
POP4=198.18.0.1
POP6=fd00:18::1
GATEWAY_BODY=$(printf '{"url":"%s"}' "$VOXPOP_GATEWAY")

get() {
    curl -sS --max-time 20 --cacert "$VOXPOP_CA" "$@"
}

gets_gateway() {
    same body "$(get "https://$1/api/v10/gateway" | tr -d ' \n')" "$GATEWAY_BODY"
}

gets_gateway_bot() {
    local body
    body=$(get -H "Authorization: Bot $VOXPOP_TOKEN_1" "$VOXPOP_API/v10/gateway/bot") || return 1
    same url "$(jq -r .url <<<"$body")" "$VOXPOP_GATEWAY" && [ "$(jq .session_start_limit.max_concurrency <<<"$body")" -ge 1 ]
}

refuses_without_ca() {
    curl -sS --max-time 20 --capath /nonexistent "$VOXPOP_API/v10/gateway"
    same "curl's exit status" "$?" 60
}

# Three requests on one connection; curl counts the connections it had to open.
reuses_connection() {
    local opened
    opened=$(get -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects} ' "$VOXPOP_API/v10/gateway" \
        "$VOXPOP_API/v10/gateway" "$VOXPOP_API/v10/voice/none")
    same connections "$opened" "1 0 0 "
}

header_is() {
    local value
    value=$(get -o /dev/null -D - "$VOXPOP_API/v10/gateway" | tr -d '\r' | sed -n "s/^$1: //Ip")
    same "$1" "$value" "$2"
}

has_date() {
    get -o /dev/null -D - "$VOXPOP_API/v10/gateway" | grep -qi '^date: [A-Z][a-z][a-z], [0-9][0-9] '
}

head_has_length_and_no_body() {
    local answer
    answer=$(get -I "$VOXPOP_API/v10/gateway" | tr -d '\r')
    grep -q '^HTTP/1.1 200' <<<"$answer" && grep -qi "^content-length: ${#GATEWAY_BODY}\$" <<<"$answer"
}

status_is() {
    local want=$1
    shift
    same status "$(get -o /dev/null -w '%{http_code}' "$@")" "$want"
}

sends_chunked_body() {
    printf '{"content":"in chunks %s"}' "$RANDOM" >"$WORK/body"
    status_is 200 -X POST -H "Authorization: Bot $VOXPOP_TOKEN_1" -H 'Content-Type: application/json' \
        -H 'Transfer-Encoding: chunked' --data-binary "@$WORK/body" \
        "$VOXPOP_API/v10/channels/$VOXPOP_TEXT_CHANNEL/messages"
}

expects_continue() {
    printf '{"content":"after 100-continue %s %01200d"}' "$RANDOM" 0 >"$WORK/body"
    status_is 200 -X POST -H "Authorization: Bot $VOXPOP_TOKEN_1" -H 'Content-Type: application/json' \
        -H 'Expect: 100-continue' --data-binary "@$WORK/body" \
        "$VOXPOP_API/v10/channels/$VOXPOP_TEXT_CHANNEL/messages"
}

request_text() {
    printf 'GET /api/v10/gateway HTTP/1.1\r\nHost: %s\r\n%s\r\n' "$POP4" "${1:-}"
}

# s_client_get [option …]: one request through openssl, its whole output. Input must outlast the answer.
s_client_get() {
    { request_text $'Connection: close\r\n' && sleep 1; } |
        timeout 20 openssl s_client -connect "$POP4:443" -CAfile "$VOXPOP_CA" -verify_return_error -ign_eof "$@" 2>&1
}

speaks_suite() {
    local output
    output=$(s_client_get -tls1_3 -ciphersuites "$1")
    if ! grep -q "Cipher is $1" <<<"$output" || ! grep -qF "$VOXPOP_GATEWAY" <<<"$output"; then
        tail -n 20 <<<"$output"
        return 1
    fi
}

speaks_group() {
    grep -qF "$VOXPOP_GATEWAY" <<<"$(s_client_get -groups "$1")"
}

resumes_with_ticket() {
    local output
    s_client_get -sess_out "$WORK/session" >/dev/null
    [ -s "$WORK/session" ] || {
        echo "no ticket came"
        return 1
    }
    output=$(s_client_get -sess_in "$WORK/session")
    grep -q '^Reused, TLSv1.3' <<<"$output" && grep -qF "$VOXPOP_GATEWAY" <<<"$output"
}

# "K" makes openssl send a KeyUpdate that asks for ours.
survives_key_update() {
    local output
    output=$({
        request_text && sleep 1 && printf 'K\n' && sleep 1 && request_text && sleep 1 &&
            printf 'K\n' && sleep 1 && request_text $'Connection: close\r\n' && sleep 1
    } | timeout 30 openssl s_client -connect "$POP4:443" -CAfile "$VOXPOP_CA" 2>&1)
    same answers "$(grep -cF "$VOXPOP_GATEWAY" <<<"$output")" 3
}

# A plain pipe, so that all requests leave in one record: the answers come in order.
pipelines() {
    local output
    output=$({
        request_text && printf 'GET /api/v10/nothing HTTP/1.1\r\nHost: %s\r\n\r\n' "$POP4" &&
            request_text $'Connection: close\r\n' && sleep 2
    } | timeout 20 openssl s_client -quiet -connect "$POP4:443" -CAfile "$VOXPOP_CA" 2>/dev/null)
    same statuses "$(grep -ao 'HTTP/1.1 [0-9]*' <<<"$output" | tr '\n' ' ')" "HTTP/1.1 200 HTTP/1.1 404 HTTP/1.1 200 "
}

refuses_tls11() {
    grep -q 'alert protocol version' <<<"$(s_client_get -tls1_1 -cipher 'ALL:@SECLEVEL=0')"
}

sends_close_notify() {
    s_client_get -msg | grep -q 'close_notify'
}

# send_file BYTES CURL-OPTION …: a message with so long a file; prints status and answer.
send_file() {
    head -c "$1" /dev/urandom >"$WORK/file.bin"
    get --max-time 60 -w '\n%{http_code}' -F 'payload_json={"content":"a file"};type=application/json' \
        -F "files[0]=@$WORK/file.bin" "${@:2}" "$VOXPOP_API/v10/channels/$VOXPOP_TEXT_CHANNEL/messages"
}

# More than a ring's entry holds: the body waits in the region, and the answer with it comes in parts.
long_file_comes_back() {
    local answer
    answer=$(send_file 6000000 -H "Authorization: Bot $VOXPOP_TOKEN_1" "$@") || return 1
    same status "$(tail -n 1 <<<"$answer")" 200 &&
        get --max-time 60 -o "$WORK/back.bin" "$(head -n 1 <<<"$answer" | jq -r '.attachments[0].url')" &&
        cmp "$WORK/file.bin" "$WORK/back.bin"
}

long_file_is_refused() {
    same status "$(send_file "$@" | tail -n 1)" 413
}

check "curl gets /gateway over IPv4" gets_gateway "$POP4"
check "curl gets /gateway over IPv6" gets_gateway "[$POP6]"
check "curl gets /gateway/bot with a token" gets_gateway_bot
check "curl refuses the POP without its authority" refuses_without_ca
check "three requests share one connection" reuses_connection
check "answers are exactly application/json" header_is content-type application/json
check "answers carry a date" has_date
check "HEAD has the length and no body" head_has_length_and_no_body
check "an unknown route is 404" status_is 404 "$VOXPOP_API/v10/nothing"
check "a missing token is 401" status_is 401 "$VOXPOP_API/v10/users/@me"
check "a body may come in chunks" sends_chunked_body
check "a body may wait for 100-continue" expects_continue
check "a file of six megabytes comes back as it was sent" long_file_comes_back
check "and so it does when it was sent in chunks" long_file_comes_back -H 'Transfer-Encoding: chunked'
check "a file longer than configured is 413" long_file_is_refused 9000000 -H "Authorization: Bot $VOXPOP_TOKEN_1"
check "a long file without a token is 413" long_file_is_refused 1000000
check "pipelined requests are answered in order" pipelines
for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256; do
    check "openssl s_client speaks $suite" speaks_suite "$suite"
done
for group in X25519 P-256; do
    check "openssl s_client agrees on a key with $group" speaks_group "$group"
done
check "a ticket resumes the TLS session" resumes_with_ticket
check "key updates from the client are followed" survives_key_update
check "TLS 1.1 is refused" refuses_tls11
check "the POP says close_notify" sends_close_notify
sentences_end
