# shellcheck shell=bash
# Builds the tree with meson: one build directory a purpose, configured once.
# SPDX-License-Identifier: Apache-2.0

# build_configure DIRECTORY [meson option …]
build_configure() {
    local directory=$1
    shift
    if [ -f "$directory/build.ninja" ]; then
        quietly "$RUN/build.log" ninja -C "$directory" build.ninja # anew if a meson.build changed
    else
        quietly "$RUN/build.log" meson setup "$directory" "$ROOT" "$@"
    fi
}

# build_tree DIRECTORY [meson option …]
build_tree() {
    build_configure "$@" && quietly "$RUN/build.log" ninja -C "$1"
}

build_pop() {
    step "building in $BUILD (the first time takes minutes)"
    build_tree "$BUILD" --buildtype release
}
