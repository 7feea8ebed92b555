#!/bin/sh
# The check itself can fail: a small tree is true, and each untrue word is reported.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0
ways=0

fresh() {
  rm -rf "$tree"/*
  mkdir -p "$tree/examples" "$tree/tests/checks" "$tree/benchmarks/results"
  printf '// A point.\n\n#include <a.hpp>\n\nint main() {}\n' >"$tree/examples/01_point_to_mask.cpp"
  : >"$tree/examples/02_gpu.cu"
  echo '{"name": "release"}' >"$tree/CMakePresets.json"
  cat >"$tree/README.md" <<'X'
```c++
#include <a.hpp>

int main() {}
```
| `examples/` | |
| `01_point_to_mask.cpp` | a point |
| `02_gpu.cu` | a GPU |
<!-- cpu.md: steps -->
| S-SAM step | 1.2 |
<!-- cpu.md: end -->
`CONTRIBUTING.md`, `sh tests/checks` and `build/release/x`, `ops/x.hpp`: `cmake --preset release`.
X
  echo 'Tests are in `tests/`.' >"$tree/CONTRIBUTING.md"
  printf '# Times\n<!-- cpu.md: steps -->\n| S-SAM step | 1.2 |\n<!-- cpu.md: end -->\n' >"$tree/benchmarks/results/cpu.md"
}
# catches WORDS FILE SED: with SED's change of FILE the check fails and its answer contains WORDS.
catches() {
  fresh
  ways=$((ways + 1))
  sed -i "$3" "$tree/$2"
  if answer=$(sh "$here/readme.sh" "$tree"); then
    echo "not caught: $3 in $2"
    failures=$((failures + 1))
  elif ! printf '%s' "$answer" | grep -q "$1"; then
    echo "'$3' in $2 was answered by: $answer"
    failures=$((failures + 1))
  fi
}

fresh
sh "$here/readme.sh" "$tree" >/dev/null || { echo "a true tree is refused"; failures=1; }
catches 'block of c++' README.md 's/main()/main(int)/'
catches 'block of c++' examples/01_point_to_mask.cpp 's/{}/{ }/'
catches 'table of examples' README.md '/02_gpu/d'
catches 'table of examples' README.md 's/02_gpu/03_gpu/'
catches 'table of times' README.md 's/1.2/1.1/'
catches 'table of times' benchmarks/results/cpu.md '/S-SAM/d'
catches 'table of times' benchmarks/results/cpu.md '/cpu.md: steps/d'
catches 'README.md: there is no tests/check$' README.md 's|tests/checks|tests/check|'
catches 'README.md: there is no CONTRIBUTE.md' README.md 's/CONTRIBUTING/CONTRIBUTE/'
catches 'CONTRIBUTING.md: there is no tests/x' CONTRIBUTING.md 's|tests/|tests/x|'
catches 'no preset debug' README.md 's/preset release/preset debug/'
[ "$failures" -eq 0 ] && echo "each of the $ways untrue words is reported"
