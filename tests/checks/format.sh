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
# Compared with its own output: where namespaces are nested inline, --dry-run complains of lines that it would not change.
unformatted=$(for file in $files; do
  "$tool" "$file" | cmp -s - "$file" || echo "$file"
done)
if [ -n "$unformatted" ]; then
  printf 'not as clang-format leaves it: %s\n' $unformatted
  exit 1
fi
echo "$(printf '%s\n' "$files" | wc -l) sources: formatted"
