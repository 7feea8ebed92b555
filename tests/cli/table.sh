#!/bin/bash
# Situations of the command line, one per line of a table: table.sh PROGRAM CLI_FILES TABLE [DEVICE].
# Prints every line that failed and the counts. table.txt says what a line looks like and what it finds in its folder.
set -u
program=$1 files=$2 table=$3 device=${4:+--device $4}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/fixtures"
ln -s "$program" "$work/bin/ssam"
ln -s "$files" "$work/bin/cli_files"
export PATH=$work/bin:$PATH SSAM_THREADS=1 device
unset OMP_NUM_THREADS

# What every line finds in its folder, which is a fresh copy.
(
  set -e
  cd "$work/fixtures"
  cp "$here/tiny_config.json" config.json
  ssam scenes --kind phantom --out data --train 3 --val 1 --test 0 --size 64 --seed 5
  ssam init --config config.json --seed 1 --out base.safetensors
  ssam train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 --out run
  cp data/images/train_00000.png in.png
  cli_files features text.safetensors 24 liver kidney vessel gallbladder
) >"$work/log" 2>&1 || { cat "$work/log" >&2; echo "the fixtures could not be made" >&2; exit 1; }

trim() { local text=$1; text=${text#"${text%%[![:space:]]*}"}; echo "${text%"${text##*[![:space:]]}"}"; }

# check_line CODE COMMAND WORDS FILES: prints what is wrong.
check_line() {
  local code=0 wanted word file
  rm -rf "$work/here"
  cp -r "$work/fixtures" "$work/here"
  cd "$work/here" || return
  timeout 60 bash -c "$2" >"$work/out" 2>"$work/err" </dev/null || code=$?
  [ "$code" = "$1" ] || echo "  exit code $code, not $1"
  if [ "$1" = 1 ] || [ "$1" = 2 ]; then
    [ "$(grep -c '^ssam: error: ' "$work/err")" = 1 ] || echo "  not one line 'ssam: error: ...'"
  fi
  IFS=';' read -ra wanted <<<"$3"
  for word in "${wanted[@]}"; do
    word=$(trim "$word")
    case $word in
      '') ;;
      '!'*) ! cat "$work/out" "$work/err" | grep -qaF -- "${word#!}" || echo "  says: ${word#!}" ;;
      *) cat "$work/out" "$work/err" | grep -qaF -- "$word" || echo "  does not say: $word" ;;
    esac
  done
  for file in $4; do
    case $file in
      +*) [ -e "${file#+}" ] || echo "  lacks ${file#+}" ;;
      -*) [ ! -e "${file#-}" ] || echo "  there is ${file#-}" ;;
      =*) cmp "${file#=}" "$work/fixtures/${file#=}" >&2 2>>"$work/err" || echo "  changed ${file#=}" ;;
      *) echo "  the table: what is '$file'?" ;;
    esac
  done
  find . -name '*.tmp' -o -name '.ssam.lock' | sed 's/^/  left behind: /'
}

number=0 lines=0 failed=0
while IFS= read -r line || [ -n "$line" ]; do
  number=$((number + 1))
  case $line in '' | '#'*) continue ;; esac
  lines=$((lines + 1))
  columns=()
  rest=$line
  while [[ $rest == *' :: '* ]]; do
    columns+=("${rest%%' :: '*}")
    rest=" ${rest#*' :: '}"
  done
  columns+=("$rest")
  if [ ${#columns[@]} -lt 3 ] || [ ${#columns[@]} -gt 5 ]; then
    problems="  the table: ${#columns[@]} columns"
  else
    problems=$(check_line "$(trim "${columns[1]}")" "${columns[2]}" "${columns[3]-}" "${columns[4]-}")
  fi
  [ -z "$problems" ] && continue
  failed=$((failed + 1))
  printf '%s:%s: %s\n%s\n' "$table" "$number" "$line" "$problems"
  sed 's/^/  | /' "$work/out" "$work/err" | head -n 12
done <"$table"
echo "$lines situations, $failed failed"
[ "$failed" = 0 ] && [ "$lines" -gt 0 ]
