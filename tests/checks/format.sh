#!/bin/sh
# format.sh ROOT: every source is as clang-format 14 (Debian 12's) leaves it. Exit 77: skipped.
set -eu
cd "$1"
tool=$(command -v clang-format-14 || command -v clang-format || true)
version=$([ -z "$tool" ] || "$tool" --version)
case $version in
  *'version 14.'*) ;;
  *)
    echo "skipped: this check needs clang-format 14, found: ${version:-none}"
    exit 77
    ;;
esac
files=$(for folder in include examples tests benchmarks; do
  if [ -d "$folder" ]; then find "$folder" -name '*.[hc]pp' -o -name '*.cu' -o -name '*.cuh'; fi
done)
# shellcheck disable=SC2086
"$tool" --dry-run -Werror $files
echo "$(printf '%s\n' "$files" | wc -l) sources: formatted"
