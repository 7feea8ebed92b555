#!/bin/bash
# Data sets as they lie on a disk: looked through, counted, drawn, written as manifests, trained on and scored.
. "$(dirname "$0")/common.sh"

for name in a b c d; do
  mkdir -p set/images/p_$name set/masks/Liver/p_$name set/masks/Fat/p_$name
  "$files" picture noise 64 set/images/p_$name/$name.png
  "$files" picture square 64 set/masks/Liver/p_$name/$name.png
done
"$files" picture square 64 set/masks/Fat/p_a/a.png

expect 0 "$ssam" data check --data folders:set
says "images      4"
says "can be used"
complains_not() { ! grep -qF -- "$1" err.txt || { cat err.txt >&2; fail "the error says: $1"; }; }
complains_not "error"
expect 0 "$ssam" data stats --data folders:set
says "Liver  train       4        4"
says "75.00 %"
says "64 x 64"
expect 0 "$ssam" data stats --data folders:set --json
says '"blank_share": 0.75'
says '"groups": 4'
expect 0 "$ssam" data preview --data folders:set --out sheet.png --images 3
says "3 of 4 images"
head -c 4 sheet.png | grep -q PNG || fail "no PNG"

# A manifest of it, in folds; anything reads it as it reads the folders.
for fold in 1 2; do
  expect 0 "$ssam" data convert --data folders:set --split-by patient --folds 2 --fold $fold --out fold_$fold.json
  says "2 train, 2 val, 0 test images"
  complains "fold $fold of 2 validates"
done
cmp -s fold_1.json fold_2.json && fail "two folds are one"
grep -q '"image":"set/images/p_a/a.png"' fold_1.json || fail "paths are not relative to the manifest"
expect 0 "$ssam" data check --data fold_1.json --json
says '"train": 2'
says '"usable": true'
mkdir -p deep/down
expect 0 "$ssam" data convert --data fold_1.json --out deep/down/copy.json
expect 0 "$ssam" data check --data deep/down/copy.json

# Trained on and scored as it is.
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out base.safetensors
expect 0 "$ssam" train --checkpoint base.safetensors --data folders:set --split-by patient --folds 2 --fold 2 --recipe ssam --epochs 1 --out run
says "folders:set: 2 train, 2 val"
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter run/best --data folders:set --split-by patient --folds 2 --fold 2 --json
says '"split": "val"'
expect 1 "$ssam" train --checkpoint base.safetensors --data folders:set --split-by patient --folds 2 --fold 1 --recipe ssam --epochs 2 --out run --resume
one_clear_line

# Broken: everything is said, and the exit code is 1.
"$files" picture square 32 set/masks/Liver/p_b/b.png
rm set/masks/Liver/p_c/c.png
"$files" picture square 64 set/masks/Liver/p_c/c.jpg
cp set/images/p_a/a.png set/images/p_d/d.png
expect 1 "$ssam" data check --data folders:set
one_clear_line
complains "2 problems, listed above"
says "2 broken:"
says "expected 64 x 64, found 32 x 32"
says "a JPEG cannot be a mask"
says "is the same picture as"
expect 1 "$ssam" data check --data folders:set --json
says '"usable": false'
expect 1 "$ssam" data stats --data folders:set
one_clear_line
complains "ssam data check lists them all"
"$files" picture square 64 set/masks/Liver/stray.png
expect 1 "$ssam" data check --data folders:set
one_clear_line
complains "1 masks have no image"

# Usage.
expect 1 "$ssam" data check --data folder:set
one_clear_line
complains "did you mean 'folders'?"
expect 1 "$ssam" data check --data set
complains "NAME:set"
expect 2 "$ssam" data check --data folders:set --fold 1
complains "--split-by"
expect 2 "$ssam" data check --data folders:set --split-by patient --folds 2 --fold 3
complains "--fold 3"
expect 2 "$ssam" data check --data folders:set --split-by patents
expect 2 "$ssam" data preview --data fold_1.json --out sheet.jpg
complains "ends in .png"
expect 1 "$ssam" data preview --data fold_1.json --out set/images/p_a/a.png
complains "a picture of --data"
expect 1 "$ssam" data convert --data fold_1.json --out fold_1.json
complains "same file"
"$files" picture noise 64 plain.png
printf '{"labels": ["L"], "items": [{"image": "plain.png", "split": "train", "masks": {}}]}' >plain.json
expect 1 "$ssam" data check --data plain.json --split-by patient
complains "which images belong to one patient"
