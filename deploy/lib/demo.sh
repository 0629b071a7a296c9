# shellcheck shell=bash
# The demo guild with four accounts, made once through the operator's tool, and run/pop.env, which tells
# shells and tests where everything is.
# SPDX-License-Identifier: Apache-2.0

# json_field NAME: the value of a string or number member of the one-level object on stdin.
json_field() {
    tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p"
}

demo_is_made() {
    [ -s "$RUN/demo.env" ] && [ -s "$RUN/voxpop.db" ]
}

# Prints id and token of a new account.
demo_account() {
    local answer
    answer=$(voxpop account create "$1" --bot --json) || die "account $1 could not be made"
    printf '%s %s\n' "$(json_field id <<<"$answer")" "$(json_field token <<<"$answer")"
}

demo_make() {
    local names=(alice bob carol dave) ids=() k id token guild
    step "demo guild with ${#names[@]} accounts"
    (umask 077 && : >"$RUN/demo.new")
    for k in "${!names[@]}"; do
        read -r id token < <(demo_account "${names[k]}")
        [ -n "${token:-}" ] || die "account ${names[k]}: no token in the answer"
        ids+=("$id")
        printf 'VOXPOP_TOKEN_%d=%s\n' $((k + 1)) "$token" >>"$RUN/demo.new"
    done
    guild=$(voxpop guild create "voxpop demo" --owner "${ids[0]}" --json) || die "the demo guild could not be made"
    {
        printf 'VOXPOP_GUILD=%s\n' "$(json_field id <<<"$guild")"
        printf 'VOXPOP_TEXT_CHANNEL=%s\n' "$(json_field text_channel_id <<<"$guild")"
        printf 'VOXPOP_VOICE_CHANNEL=%s\n' "$(json_field voice_channel_id <<<"$guild")"
    } >>"$RUN/demo.new"
    for id in "${ids[@]:1}"; do
        voxpop guild join "$(json_field id <<<"$guild")" "$id" >/dev/null || die "account $id could not join the guild"
    done
    mv "$RUN/demo.new" "$RUN/demo.env"
}

# A store from before this configuration, or none: everything is made anew.
demo_prepare() {
    demo_is_made || demo_make
}

# An address as it stands in a URL.
url_host() {
    case $1 in
    *:*) printf '[%s]\n' "$1" ;;
    *) printf '%s\n' "$1" ;;
    esac
}

# The file is complete or not there; it holds tokens, so only its owner reads it.
environment_write() {
    local host
    host=$(url_host "${POP_ADDRESSES[0]%/*}")
    (umask 077 && {
        printf 'VOXPOP_API=https://%s/api\n' "$host"
        printf 'VOXPOP_GATEWAY=wss://%s\n' "$host"
        printf 'VOXPOP_ECHO=wss://%s/echo\n' "$host"
        printf 'VOXPOP_CA=%s\n' "$RUN/ca.pem"
        printf 'VOXPOP_NOC=http://127.0.0.1:%s/\n' "$MANAGEMENT_PORT"
        printf 'VOXPOP_METRICS=http://127.0.0.1:%s/metrics\n' "$MANAGEMENT_PORT"
        printf 'VOXPOP_NETNS=\n'
        cat "$RUN/demo.env"
    } >"$RUN/pop.env.new")
    mv "$RUN/pop.env.new" "$RUN/pop.env"
}
