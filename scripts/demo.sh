#!/bin/sh
# The main job on the built-in default: installs what is missing, builds the command line `ssam` and lets it adapt the
# small model of examples/ to generated ultrasound phantoms with every recipe. Writes demo-output/.
set -eu
cd "$(dirname "$0")/.."

echo "== 1/3 dependencies"
scripts/install_dependencies.sh
echo "== 2/3 build ssam on $(nproc) cores (preset release, in build/release)"
cmake --preset release
cmake --build --preset release --parallel "$(nproc)" --target ssam_cli
echo "== 3/3 ssam demo --out demo-output"
exec build/release/examples/ssam demo --out demo-output
