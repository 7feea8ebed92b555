#!/bin/sh
# The check itself can fail: a small tree is documented, and each way to leave a comment out is reported. Exit 77:
# skipped.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v doxygen >/dev/null; then
  echo "skipped: this check needs doxygen"
  exit 77
fi
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0
ways=0

fresh() {
  rm -rf "$tree/include"
  mkdir -p "$tree/include/ssam/core" "$tree/include/ssam/nn"
  cat >"$tree/include/ssam/core/a.hpp" <<'X'
/// A library.
namespace ssam::inline SSAM_ABI {
/// Numbers to choose.
struct Options {
  int count = 1;     ///< how many
  int width = 0,     ///< in pixels
      height = 0;    ///< the same
  Options() = default;  ///< one of them
  Options(const Options&) = delete;
  /// Member by member.
  bool operator==(const Options& other) const;

 private:
  int hidden() const;
  struct Inner { int x; };
};
/// A choice.
enum class Kind {
  one,  ///< the first
};
namespace detail {
int anything(int x);
}
/// y = x + `shift`.
template <class S>
requires(sizeof(S) > 1) S forward(const S& x, int shift, const Options& options, int);
X
}
# catches WORDS TEXT: with TEXT at the end of the namespace the check fails and its answer contains WORDS.
catches() {
  fresh
  ways=$((ways + 1))
  printf '%s\n}\n' "$2" >>"$tree/include/ssam/core/a.hpp"
  if answer=$(sh "$here/documented.sh" "$tree"); then
    echo "not caught: $2"
    failures=$((failures + 1))
  elif ! printf '%s' "$answer" | grep -q "a.hpp:[0-9]*: $1"; then
    echo "'$2' was answered by: $answer"
    failures=$((failures + 1))
  fi
}

fresh
echo '}' >>"$tree/include/ssam/core/a.hpp"
sh "$here/documented.sh" "$tree" || { echo "a documented tree is refused"; failures=1; }
catches 'function ssam::f has no comment' 'void f();'
catches 'function ssam::A::f has no comment' '/// A.
struct A { void f(); };'
catches 'function ssam::A::A has no comment' '/// A.
class A { public: A() = default; };'
catches 'struct ssam::A has no comment' 'struct A {};'
catches 'struct ssam::A<int> has no comment' '/// A.
template <class T> struct A {};
template <> struct A<int> {};'
catches 'namespace ssam::inner has no comment' 'namespace inner {
/// Nothing.
void f();
}'
catches 'enum ssam::E has no comment' 'enum class E {
  a  ///< a
};'
catches 'value ssam::E::b has no comment' '/// E.
enum class E {
  a,  ///< a
  b
};'
catches 'typedef ssam::T has no comment' 'using T = int;'
catches 'variable ssam::limit has no comment' 'inline constexpr int limit = 1;'
catches 'variable ssam::A::x has no comment' '/// A.
struct A { int x = 0, y = 0;  ///< one for two
};'
catches 'concept ssam::C has no comment' 'template <class T> concept C = sizeof(T) > 1;'
catches 'the comment of ssam::f does not say what shift is' '/// y = x and more.
int f(int x, int shift);'
catches 'the comment of ssam::f does not say what index is' '/// An entry.
int f(Index index);'
catches 'warning: ' '/// Says <b>too much</i>.
void f();'

fresh
echo 'void f(); }' >>"$tree/include/ssam/core/a.hpp"
ways=$((ways + 1))
sh "$here/documented.sh" "$tree" nn >/dev/null || { echo "another folder than the one asked for is looked at"; failures=1; }
! sh "$here/documented.sh" "$tree" attic >/dev/null || { echo "a folder that is not there is accepted"; failures=1; }
! sh "$here/documented.sh" "$tree" nn core >/dev/null || { echo "not caught in one of two folders"; failures=1; }
[ "$failures" -eq 0 ] && echo "each of the $ways ways to leave a comment out is reported"
