#!/bin/sh
# contracts.sh FOLDER COMPILER FLAGS...: what breaks a contract gets a sentence. Every source in FOLDER says in its first
# line whether it compiles, or what the compiler is to say: among the first errors, and no page of other ones.
set -u
folder=$1
shift
failures=0
count=0
for source in "$folder"/*.cpp; do
  expected=$(sed -n '1s|^// Refused: ||p' "$source")
  answer=$("$@" -fsyntax-only "$source" 2>&1)
  status=$?
  count=$((count + 1))
  name=$(basename "$source")
  if [ -z "$expected" ]; then
    [ "$status" -eq 0 ] && continue
    printf '%s does not compile:\n%s\n' "$name" "$answer"
    failures=$((failures + 1))
    continue
  fi
  errors=$(printf '%s\n' "$answer" | grep -c 'error:')
  if [ "$status" -eq 0 ]; then
    echo "$name compiles"
  elif ! printf '%s\n' "$answer" | grep 'error:' | head -n 3 | grep -qF "$expected"; then
    printf '%s is not answered by "%s" but by:\n%s\n' "$name" "$expected" "$(printf '%s' "$answer" | head -n 20)"
  elif [ "$errors" -gt 8 ]; then
    echo "$name is answered by $errors errors"
  else
    continue
  fi
  failures=$((failures + 1))
done
echo "$count sources, $failures not answered as they should be"
[ "$failures" -eq 0 ] && [ "$count" -gt 1 ]
