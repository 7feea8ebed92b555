#!/bin/sh
# documented.sh ROOT [FOLDER...]: prints every public declaration of the headers (of include/ssam/FOLDER only) without a
# doc comment, exit 1 if there is one. Exit 77: skipped.
# - Declarations: namespaces, classes, functions, enums and their values, aliases, constants, data members; not what is
#   private, deleted or in a namespace detail, and not the .cuh files, which say the same as ops/cpu/ for a GPU.
# - A function's comment names each of its parameters, as a word of a sentence or in backticks, unless the name says all
#   (`evident` below) or the parameter is called after its type, as in `const LoadOptions& options`. A parameter
#   without a name needs none.
# - Doxygen itself finds nothing wrong in a comment.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$1" && pwd)
shift
if ! command -v doxygen >/dev/null; then
  echo "skipped: this check needs doxygen"
  exit 77
fi
for folder in "$@"; do
  if [ ! -d "$root/include/ssam/$folder" ]; then
    echo "no folder include/ssam/$folder"
    exit 1
  fi
done
# What these are is the same everywhere: the device's workspace, threads and mode; what a forward pass leaves for the
# backward pass; who is visited by whom; where a file is; where random numbers come from; who is told how far it is; the
# right side of an operator.
evident="context record self visitor path random progress other"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
{
  sed "s|@ROOT@|$root|g; s|@OUTPUT@|$scratch|g" "$here/../../cmake/Doxyfile.in"
  echo "INPUT = \"$root/include/ssam\""
  printf '%s\n' 'USE_MDFILE_AS_MAINPAGE =' 'GENERATE_HTML = NO' 'GENERATE_XML = YES' 'XML_PROGRAMLISTING = NO' \
    'EXTRACT_ALL = YES' 'WARN_AS_ERROR = NO'
} >"$scratch/Doxyfile"
doxygen "$scratch/Doxyfile" 2>"$scratch/warnings"
if [ ! -f "$scratch/xml/namespacessam.xml" ]; then
  cat "$scratch/warnings"
  echo "Doxygen found no namespace ssam"
  exit 1
fi

# The lines of Doxygen's XML hold one element each, but for the texts of comments.
# shellcheck disable=SC2086
complaints=$(
  {
    sed -n "s|^$root/||; /^\(include\|<\|[a-z]*:\)/p" "$scratch/warnings"
    awk -v evident="$evident" '
      BEGIN { count = split(evident, list, " "); for (i = 1; i <= count; ++i) known[list[i]] = 1 }
      function attribute(name,   skip) {
        skip = length(name) + 3
        return match($0, " " name "=\"[^\"]*\"") ? substr($0, RSTART + skip, RLENGTH - skip - 1) : ""
      }
      function content() { gsub(/^ *<[a-z]+>|<\/[a-z]+>.*$/, ""); return $0 }
      function lacks(text) { gsub(/<[^>]*>/, "", text); return text !~ /[A-Za-z0-9]/ }
      # Whether a word of `type` begins or ends with `name`; Index says nothing.
      function named_after(type, name,   words, n, i) {
        n = split(tolower(type), words, /[^a-z0-9]+/)
        for (i = 1; i <= n; ++i) {
          if (length(name) > 2 && words[i] != "index" && words[i] ~ "(^" name "|" name "$)") return 1
        }
        return 0
      }
      function place() { return attribute("file") ":" attribute("line") ": " }
      function plain(text) { gsub(/&lt; ?/, "<", text); gsub(/ ?&gt;/, ">", text); return text }
      /<compounddef / {
        skipped = attribute("kind") !~ /^(namespace|class|struct|union|concept)$/ || attribute("prot") == "private"
        compound_kind = attribute("kind"); compound_text = ""; compound = ""; compound_place = ""; member = ""
      }
      skipped { next }
      /<compoundname>/ { compound = plain(content()); skipped = compound == "std" }
      /<memberdef / {
        member = attribute("kind"); hidden = attribute("prot") == "private"
        text = missing = name = arguments = ""; parameters = 0
      }
      member != "" && name == "" && /^ *<name>/ { name = plain(content()) }
      /<argsstring>/ { arguments = content() }
      /<templateparamlist>/ { template = 1 }
      /<\/templateparamlist>/ { template = 0 }
      /^ *<type>/ { type = $0; gsub(/<[^>]*>/, " ", type) }
      /<declname>/ && member != "" && !template { parameter[++parameters] = content(); types[parameters] = type }
      /<enumvalue / { value = 1; value_name = value_text = "" }
      value && /^ *<name>/ { value_name = content() }
      /<(brief|detailed)description>/ { described = 1 }
      described {
        if (value) value_text = value_text " " $0
        else if (member != "") text = text " " $0
        else compound_text = compound_text " " $0
      }
      /<\/(brief|detailed)description>/ { described = 0 }
      /<\/enumvalue>/ {
        value = 0
        if (lacks(value_text)) missing = missing " " value_name
      }
      /<location / && member != "" { where = place() }
      /<location / && member == "" { compound_place = place() }
      /<\/memberdef>/ {
        kind = member
        member = ""
        if (hidden || kind == "friend" || kind == "define" || name ~ /@/ || arguments ~ /=[ ]*delete/) next
        if (lacks(text)) print where kind " " compound "::" name " has no comment"
        else if (kind == "function") {
          gsub(/<[^>]*>/, " ", text)
          gsub(/[^A-Za-z0-9_]+/, " ", text)
          for (i = 1; i <= parameters; ++i) {
            if (parameter[i] in known || named_after(types[i], parameter[i])) continue
            if (index(" " text " ", " " parameter[i] " ") > 0) continue
            print where "the comment of " compound "::" name " does not say what " parameter[i] " is"
          }
        }
        count = split(missing, list, " ")
        for (i = 1; i <= count; ++i) print where "value " compound "::" name "::" list[i] " has no comment"
      }
      /<\/compounddef>/ && lacks(compound_text) && compound !~ /@/ {
        print compound_place compound_kind " " compound " has no comment"
      }' "$scratch"/xml/*.xml
  } | {
    if [ $# -eq 0 ]; then cat; else grep -E "^include/ssam/($(echo "$*" | tr ' ' '|'))/|^[^i]" || true; fi
  } | LC_ALL=C sort -t: -k1,1 -k2,2n | uniq
)
if [ -n "$complaints" ]; then
  printf '%s\n' "$complaints"
  exit 1
fi
echo "all is documented in ${*:-include/ssam}"
