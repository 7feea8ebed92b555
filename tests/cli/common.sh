# Sourced by the tests: common.sh SSAM CLI_FILES GOLDEN_FOLDER. Works in a folder of its own, which is removed at the end.
set -u
ssam=$1 files=$2 golden=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# expect CODE COMMAND...: runs it, keeps its output in out.txt and err.txt, checks the exit code.
expect() {
  local wanted=$1 got=0
  shift
  "$@" >out.txt 2>err.txt || got=$?
  if [ "$got" != "$wanted" ]; then
    cat out.txt err.txt >&2
    fail "exit code $got, not $wanted: $*"
  fi
}

# says TEXT / complains TEXT: in the last command's output / error output. Line breaks of JSON do not matter.
says() { tr -d '\n' <out.txt | grep -qF -- "$1" || { cat out.txt >&2; fail "the output lacks: $1"; }; }
complains() { grep -qF -- "$1" err.txt || { cat err.txt >&2; fail "the error lacks: $1"; }; }

# A failure says one line, "ssam: error: ..."; what was worth knowing before it may stand above.
one_clear_line() {
  [ "$(grep -vc '^ssam: \(warning\|note\): ' err.txt)" = 1 ] || { cat err.txt >&2; fail "not one line"; }
  complains "ssam: error: "
}
