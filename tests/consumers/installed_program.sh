#!/bin/sh
# installed_program.sh PREFIX SMALL_MODEL: the installed program answers, and takes the small model that was installed
# with it, whole, rather than the source tree's.
set -eu
prefix=$1
cmp "$2" "$prefix/share/ssam/small_sam.safetensors"
"$prefix/bin/ssam" info "$prefix/share/ssam/small_sam.safetensors" > /dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/share/ssam"
cp "$prefix/bin/ssam" "$work/bin"
echo 'no model' > "$work/share/ssam/small_sam.safetensors"
if "$work/bin/ssam" demo --out "$work/out" 2> "$work/error"; then
  echo "the demonstration ran with another model than the one beside the program"
  exit 1
fi
grep -F "begins with 'no model" "$work/error"
