#!/bin/sh
# build.sh COMPILER SOURCE PROGRAM: no CMake, only pkg-config (PKG_CONFIG_PATH names where ssam.pc is).
set -eu
flags=$(pkg-config --cflags --libs ssam)
# shellcheck disable=SC2086
exec "$1" -std=c++20 "$2" -o "$3" $flags
