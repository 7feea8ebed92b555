#!/bin/bash
# how_to_add_catches.sh ROOT: the check itself can fail. In a copy of ROOT, made of links, each change is reported.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$1" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
page=include/ssam/README.md
failures=0
ways=0

# catches WORDS FILE CHANGE: with FILE of the copy as CHANGE (a command from its old text to its new one) leaves it, the
# check fails and its answer contains WORDS.
catches() {
  ways=$((ways + 1))
  local before answer
  before=$(readlink -e "$tree/$2" || echo /dev/null)
  rm -f "$tree/$2"
  bash -c "$3" <"$before" >"$tree/$2"
  if answer=$(bash "$here/how_to_add.sh" "$tree"); then
    echo "not caught: $3 in $2"
    failures=$((failures + 1))
  elif ! grep -qF "$1" <<<"$answer"; then
    echo "'$3' in $2 was answered by: $answer"
    failures=$((failures + 1))
  fi
  rm "$tree/$2"
  [ "$before" = /dev/null ] || ln -s "$before" "$tree/$2"
}

for name in benchmarks cmake examples include scripts tests README.md third_party_notes.md CMakeLists.txt CMakePresets.json; do
  cp -rs "$root/$name" "$tree/"
done
bash "$here/how_to_add.sh" "$tree" >/dev/null || { echo "the tree as it is is refused"; failures=1; }
# shellcheck disable=SC2016
{
  catches "$page: there is no include/ssam/nn/nothing.hpp" $page 'cat; echo "\`include/ssam/nn/nothing.hpp\`"'
  catches "$page: there is no tests/<any>/nothing.cpp" $page 'cat; echo "\`tests/<any>/nothing.cpp\`"'
  catches 'CONTRIBUTING.md: there is no sam/nothing.hpp' CONTRIBUTING.md 'echo "see \`sam/nothing.hpp\`"'
  catches 'a backtick without another' $page 'cat; echo "\`core/"'
  catches 'its floors are not those' $page 'sed "s/^| 2 |/| 3 |/"'
  catches "include/ssam/train/new.hpp names 'UNet'" include/ssam/train/new.hpp 'echo "class UNet;"'
  catches "include/ssam/sam/sam.hpp names 'SAMed'" include/ssam/sam/sam.hpp 'cat; echo "using recipes::SAMed;"'
  catches "include/ssam/ops/fallback.hpp names 'max_pool_forward'" $page 'sed "s|.include/ssam/ops/fallback.hpp.|a file|"'
}
[ "$failures" -eq 0 ] && echo "each of the $ways ways to be wrong is reported"
