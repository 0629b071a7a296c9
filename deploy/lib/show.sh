# shellcheck shell=bash
# What quickstart ends with: where the POP is, and a program to paste. The program is the one in README.md.
# SPDX-License-Identifier: Apache-2.0

# program_text FILE: what stands between the markers, without the code fence.
program_text() {
    sed -n '/<!-- program:begin -->/,/<!-- program:end -->/p' "$1" | sed '/<!-- program:/d; /^```/d'
}

show_pop() {
    local env=$RUN/pop.env
    say ""
    say "The POP is ready."
    say "  API        $(sed -n 's/^VOXPOP_API=//p' "$env")"
    say "  gateway    $(sed -n 's/^VOXPOP_GATEWAY=//p' "$env")"
    say "  addresses  ${POP_ADDRESSES[*]}"
    say "  NOC page   $(sed -n 's/^VOXPOP_NOC=//p' "$env")"
    say "  metrics    $(sed -n 's/^VOXPOP_METRICS=//p' "$env")"
    say "  status     $BUILD/cli/voxpop status --config $CONFIG"
    say "  tokens     $env"
}

show_program() {
    say ""
    say "A bot that answers \"ping\" and says back what it hears (Node 20 or newer); paste this as bot.mjs:"
    say ""
    program_text "$PROGRAM_FILE"
    say ""
    say "and run it:"
    say "  npm install discord.js@14.28.1 @discordjs/voice@0.19.2"
    say "  set -a; . $RUN/pop.env; set +a; NODE_EXTRA_CA_CERTS=\$VOXPOP_CA node bot.mjs"
    say ""
    say "End the POP with: sudo $ROOT/deploy/quickstart --stop"
}
