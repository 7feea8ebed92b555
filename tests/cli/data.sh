#!/bin/bash
# What data sets and pictures do to the program: the right numbers, or one refusal that says what to do.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out base.safetensors
mkdir data
for name in a b c; do "$files" picture noise 128 data/$name.png; done
for kind in square blurred alpha lesion values blank; do "$files" picture $kind 128 data/$kind.png; done
"$files" picture square 128 data/square.jpg
"$files" picture noise 128 data/photo.jpg
"$files" picture deep 128 data/deep.png

# manifest HEAD TRAIN-IMAGE TRAIN-MASK VAL-IMAGE VAL-MASK: one training and one validation picture.
manifest() {
  local mask='"masks": {"Liver": "%s"}'
  [[ $1 == *values* ]] && mask='"mask": "%s"'
  # shellcheck disable=SC2059
  printf "{$1, \"items\": [{\"image\": \"%s\", \"split\": \"train\", $mask}, {\"image\": \"%s\", \"split\": \"val\", $mask}]}" \
    "$2" "$3" "$4" "$5" >data/manifest.json
}
train() { rm -rf run && "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 --out run "$@"; }
# refused WORDS...: train refuses the data before it makes anything; each of WORDS stands in its error.
refused() {
  expect 1 train
  complains "ssam: error: "
  for words in "$@"; do complains "$words"; done
  [ ! -e run/last ] || fail "something was trained: $*"
}
labels='"labels": ["Liver"]'

manifest "$labels" a.png square.png b.png square.png
expect 0 train
! grep -v "note: without CLIP" err.txt || { cat err.txt >&2; fail "a sound data set is warned of"; }
says "prepared as sam, intensity auto"

# Masks that are none.
for kind in alpha blurred; do
  manifest "$labels" a.png $kind.png b.png square.png
  refused "$kind.png" "convert in.png"
done
manifest "$labels" a.png square.jpg b.png square.png
refused "JPEG" "-threshold 50%"
manifest "$labels" a.png blank.png b.png square.png
refused "nothing to learn"
manifest '"labels": ["Liver", "Fat"], "values": {"Liver": 10, "Fat": 21}' a.png values.png b.png values.png
refused "pixels of value 20"
manifest '"labels": ["Liver", "Fat"], "values": {"Liver": 10, "Fat": 20}' a.png values.png b.png values.png
expect 0 train
cp -r run whole
# ... also where only scores are wanted.
manifest '"labels": ["Liver", "Fat"], "values": {"Liver": 10, "Fat": 21}' a.png values.png b.png values.png
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/manifest.json
complains "pixels of value 20"

# Pictures: copies in two splits, EXIF, damage.
cp data/a.png data/copy.png
ln -s a.png data/link.png
manifest "$labels" a.png square.png copy.png square.png
expect 0 train
complains "copy.png (val) is the same picture as"
manifest "$labels" a.png square.png link.png square.png
refused "is the same picture as"
printf '\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00\x00\x00\x00\x00' >exif
{ head -c 2 data/photo.jpg; cat exif; tail -c +3 data/photo.jpg; } >data/turned.jpg
manifest "$labels" turned.jpg square.png b.png square.png
refused "EXIF" "exiftran"
{ head -c $(($(stat -c %s data/photo.jpg) * 2 / 3)) data/photo.jpg; printf '\xff\xd9'; } >data/cut.jpg
manifest "$labels" cut.jpg square.png b.png square.png
refused "cut.jpg" "damaged"

# What vanishes at the model's size is said, with a size that keeps it.
manifest "$labels" a.png lesion.png b.png lesion.png
expect 0 train
complains "vanishes from 2 of 2 masks at 64 px"
keeps=$(sed -n 's/.*an image size of \([0-9]*\) keeps all.*/\1/p' err.txt)
expect 0 train --image-size "$keeps"
! grep -v "note: without CLIP" err.txt || { cat err.txt >&2; fail "the advice does not hold"; }

# More than 8 bits: mapped on purpose, said, stored with the adapter, and with merged weights.
manifest "$labels" deep.png square.png b.png square.png
expect 0 train
complains "1 pictures are mapped to 0..255"
expect 0 train --intensity window:0,4095 --preparation release_range
says "prepared as release_range, intensity window:0,4095"
ask=(segment --checkpoint base.safetensors --image data/deep.png --label Liver)
expect 0 "$ssam" "${ask[@]}" --adapter run/last --out m.png --overlay o.png --logits a.npy
complains "stored values 0..4095 (window) became 0..255"
expect 1 "$ssam" "${ask[@]}" --adapter run/last --out never.png --intensity percentile
one_clear_line
complains "window:0,4095"
expect 1 "$ssam" "${ask[@]}" --adapter run/last --out never.png --preparation sam
complains "release_range"
expect 0 "$ssam" merge --checkpoint base.safetensors --adapter run/last --out merged.safetensors
expect 0 "$ssam" segment --checkpoint merged.safetensors --image data/deep.png --label Liver --out m.png --logits b.npy
complains "window"
expect 0 "$files" close b.npy a.npy 1e-4
expect 2 "$ssam" "${ask[@]}" --out never.png --intensity liverr
complains "did you mean 'liver'?"
expect 2 "$ssam" "${ask[@]}" --out never.png --preparation release
complains "release_window"
[ ! -e never.png ] || fail "a failed segmentation left a file"

# Soft masks train; a run is not resumed with another preparation.
manifest "$labels" a.png square.png b.png square.png
expect 0 train --soft-masks
expect 1 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 2 --out run --resume
complains "preparation"
