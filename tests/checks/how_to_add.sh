#!/bin/bash
# how_to_add.sh ROOT: include/ssam/README.md and CONTRIBUTING.md say what is true; exit 1 where they do not.
# - Every path in backticks is there, from the root or from include/ssam; a part in angle brackets stands for any name.
# - The table of floors is the one that floors.sh enforces.
# - The lists of "How to add": what is there already is followed through the tree (see the end of this file), and each
#   file that names it stands in the list. A new place to touch fails until the list names it.
set -eu
shopt -s extglob
export LC_ALL=C
cd "$1"
page=include/ssam/README.md
searched=(benchmarks cmake examples include scripts tests README.md third_party_notes.md CMakeLists.txt CMakePresets.json)
floors=$(cd include/ssam && printf '%s|' */ | tr -d /)
floors=${floors%|}
complaints=0
complain() {
  printf '%s\n' "$1"
  complaints=$((complaints + 1))
}

# The paths in backticks of what is read, one a line, without blocks of code. A path has a slash and begins with a folder
# of ours or ends as a source does; or it is a file of the root.
paths() {
  local inside="^([.]ci|benchmarks|cmake|examples|include|scripts|tests|$floors)/"
  local source='/.*[.](hpp|cuh|cpp|cu|sh|cmake|md|txt|py)$'
  local root='^([A-Za-z_]+[.]md|CMakeLists[.]txt|CMakePresets[.]json)$'
  awk '/^ *```/ { code = !code; next } !code' | grep -o '`[^`]*`' | tr -d '`' | grep -E '^[A-Za-z0-9_.<>/-]+$' |
    grep -E "$inside|$source|$root" | sort -u || true
}

# found PATH: what it stands for, one a line.
found() {
  local pattern=${1//<*([!>])>/*}
  compgen -G "$pattern" || compgen -G "include/ssam/$pattern" || true
}

# follow SECTION PLACEHOLDER=NAME WORD...: the list of SECTION, with NAME for <PLACEHOLDER>, has every file with a WORD.
follow() {
  local section=$1 placeholder=${2%%=*} name=${2#*=} there listed files word file
  shift 2
  mapfile -t there < <(
    awk -v title="### $section" '/^#/ { inside = $0 == title; next } inside' "$page" | paths |
      sed "s/<$placeholder>/$name/g" | while read -r path; do found "$path"; done
  )
  listed=$([ ${#there[@]} -eq 0 ] || find -L "${there[@]}" -type f)
  for word; do
    files=$(grep -RIlwF --exclude-dir=golden -e "$word" "${searched[@]}" |
      grep -vxE "$page|tests/checks/how_to_add.*" | sort || true)
    [ -n "$files" ] || complain "how_to_add.sh: nothing names '$word' any more; follow something else"
    for file in $files; do
      grep -qxF "$file" <<<"$listed" || complain "$file names '$word' and is not in the list '$section' of $page"
    done
  done
}

for text in "$page" CONTRIBUTING.md; do
  [ -f "$text" ] || continue
  for path in $(paths <"$text"); do
    [ -n "$(found "$path")" ] || complain "$text: there is no $path"
  done
  # Else what stands between two spans would be taken for one.
  broken=$(awk -F'`' '/^ *```/ { code = !code; next } !code && NF > 0 && NF % 2 == 0 { print FNR; exit }' "$text")
  [ -z "$broken" ] || complain "$text:$broken: a backtick without another in its line"
done

enforced=$(sed -n 's/^ *split("\([a-z0-9: ]*\)", pairs.*/\1/p' tests/checks/floors.sh | tr ' ' '\n' | sort)
written=$(awk -F'|' '$2 ~ /^ [0-9] $/ { n = split($3, names, "`"); for (i = 2; i <= n; i += 2) print names[i] ":" $2 }' \
  "$page" | tr -d ' /' | sort)
[ "$enforced" = "$written" ] || complain "$page: its floors are not those of floors.sh (<): $(
  diff <(printf '%s\n' "$enforced") <(printf '%s\n' "$written") | grep '^[<>]' | tr '\n' ' ')"

follow 'A recipe' recipe=med_sa MedSA med_sa
follow 'A recipe' recipe=samed SAMed samed
follow 'A recipe' recipe=lora recipes::LoRA lora_recipe lora_on
follow 'A recipe' recipe=bias_tuning BiasTuning bias_tuning bias_tuning_recipe bias_tuning_on
follow 'A layer' layer=qv_lora_linear QvLoRALinear qv_lora_linear.hpp
follow 'A layer' layer=bottleneck Bottleneck bottleneck.hpp
follow 'An op' kind=pool max_pool_forward max_pool_backward pool.hpp pool.cuh
follow 'An op' kind=singular_values singular_values_backward singular_values.cuh
follow 'A device' device=cuda Cuda CudaTf32 CudaBf16 SSAM_WITH_CUDA
follow 'A layout of a data set' layout=glas load_glas layouts/glas.hpp
follow 'A segmentation model' model=u_net UNet u_net
follow 'A variant of SAM' variant=svdsam_release SamVariant svdsam_release
follow 'An example' idea=your_own_op 07_your_own_op
follow 'A count group' layer=bottleneck Group::bottleneck CountGroup::bottleneck

if [ "$complaints" -gt 0 ]; then
  echo "$complaints complaints: correct the page, or name the new place in its list"
  exit 1
fi
echo "the paths, the floors and the lists of $page are true"
