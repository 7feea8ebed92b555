#!/bin/sh
# readme.sh ROOT: prints what README.md and CONTRIBUTING.md say that is not so, exit 1 if there is anything.
# - The README's ```c++ block is examples/01_point_to_mask.cpp, from its first #include on (the ```cpp block is compiled
#   by tests/readme).
# - The README's table of examples names the numbered files in examples/, each once, in their order.
# - The README's table of times is the one that benchmarks/compare_cpu.py wrote last.
# - A path in backticks that begins with a file or folder of the root exists, and so do the presets.
set -eu
cd "$1"
complaints=$(
  # A text in $(...) loses only the newlines at its end.
  block=$(awk '/^```c\+\+$/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md)
  source=$(awk '/^#include/ { seen = 1 } seen' examples/01_point_to_mask.cpp)
  [ "$block" = "$source" ] || echo "README.md: the block of c++ is not examples/01_point_to_mask.cpp"

  listed=$(sed -n 's/^| `\([0-9][0-9]_[a-z0-9_]*\.[a-z]*\)` |.*/\1/p' README.md)
  there=$(find examples -maxdepth 1 -name '[0-9][0-9]_*' | sed 's|.*/||' | LC_ALL=C sort)
  if [ "$listed" != "$there" ]; then
    echo "README.md: the table of examples is not what stands in examples/:"
    printf '  %s\n' $there
  fi

  measured() { sed -n '/^<!-- cpu.md: steps -->$/,/^<!-- cpu.md: end -->$/p' "$1"; }
  written=$(measured benchmarks/results/cpu.md 2>/dev/null || true)
  if [ -z "$written" ] || [ "$(measured README.md)" != "$written" ]; then
    echo "README.md: the table of times is not that of benchmarks/results/cpu.md"
  fi

  for page in README.md CONTRIBUTING.md; do
    # What stands between backticks on one line, word by word; a build folder is made later.
    grep -o '`[^`]*`' "$page" | tr -d '`' | tr ' ' '\n' | LC_ALL=C sort -u | while read -r word; do
      case $word in
        build/* | *[\*\<\>\{\}]*) continue ;;
        */*) root=${word%%/*} ;;
        *.md | .clang*) root=. ;;
        *) continue ;;
      esac
      [ -e "$root" ] || continue
      [ -e "$word" ] || echo "$page: there is no $word"
    done
    grep -o -- '--preset [a-z-]*' "$page" | LC_ALL=C sort -u | while read -r _ preset; do
      grep -q "\"name\": \"$preset\"" CMakePresets.json || echo "$page: there is no preset $preset"
    done
  done
)
if [ -n "$complaints" ]; then
  printf '%s\n' "$complaints"
  exit 1
fi
echo "what the README and CONTRIBUTING name is there"
