# shellcheck shell=bash
# Debian packages: deploy/packages is the one list; a line is "kind name", kind one of build, run, test.
# SPDX-License-Identifier: Apache-2.0

# packages_of KIND …: the names of these kinds, one a line.
packages_of() {
    local kind
    for kind in "$@"; do
        sed -n "s/^$kind \([a-z0-9.+-]*\)\$/\1/p" "$ROOT/deploy/packages"
    done
}

# A Node from somewhere else brings npm in the same package; asking apt for Debian's would then conflict.
package_is_here() {
    case $1 in
    nodejs | npm) command -v "${1%js}" >/dev/null && return 0 ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# packages_missing KIND …: those that are not installed, one a line.
packages_missing() {
    local name
    for name in $(packages_of "$@"); do
        package_is_here "$name" || printf '%s\n' "$name"
    done
}

packages_install() {
    local missing
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    step "installing packages: ${missing//$'\n'/ }"
    export DEBIAN_FRONTEND=noninteractive
    quietly "$RUN/apt.log" apt-get update || return 1
    # shellcheck disable=SC2086 # a list of names
    quietly "$RUN/apt.log" apt-get install -y --no-install-recommends $missing
}
