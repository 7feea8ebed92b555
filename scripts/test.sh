#!/bin/sh
# All tests: installs what is missing, builds everything optimised for this machine, runs ctest.
set -eu
cd "$(dirname "$0")/.."

echo "== 1/4 dependencies"
scripts/install_dependencies.sh
echo "== 2/4 configure (preset release, in build/release)"
cmake --preset release
echo "== 3/4 build on $(nproc) cores"
cmake --build --preset release --parallel "$(nproc)"
echo "== 4/4 tests"
ctest --preset release --output-on-failure --parallel "$(nproc)"
