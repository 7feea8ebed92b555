#!/bin/bash
# Volumes: NIfTI and DICOM in, a volume of labels or the picture of a slice out.
. "$(dirname "$0")/common.sh"
config=$here/tiny_config.json

expect 0 "$ssam" scenes --kind phantom --out data --train 4 --val 0 --test 1 --size 64 --seed 5
expect 0 "$ssam" init --config "$config" --seed 1 --out base.safetensors
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 --out run
for name in ct.nii ct.nii.gz; do expect 0 "$files" nifti $name; done
mkdir series
for height in 30 20 25; do expect 0 "$files" dicom series/slice$((100 - height)) $height 1.2.3; done
expect 0 "$files" dicom one.dcm 5 1.2.4
segment() { "$ssam" segment --checkpoint base.safetensors "$@"; }
adapted() { segment --adapter run/last "$@"; }

# A volume: its mask lies where it lies, and every slice is what the slice's own picture gives.
for name in ct.nii ct.nii.gz; do
  expect 0 adapted --image $name --label liver --out m.$name --json
  says '"extents": [    14,    10,    3  ]'
  complains "note: $name: stored values"
  expect 0 "$files" same_place $name m.$name
done
for axis in axial coronal sagittal 0 1 2; do
  expect 0 adapted --image ct.nii --label liver --axis $axis --out m.nii.gz
  expect 0 "$files" same_place ct.nii m.nii.gz
  for slice in 0 2; do
    expect 0 adapted --image ct.nii --label liver --axis $axis --slice $slice --out slice.png
    expect 0 "$files" same_slice m.nii.gz $axis $slice 1 slice.png
  done
done
expect 0 adapted --image ct.nii --label liver --label kidney --out two.nii --json
says '"value": 2'
expect 0 segment --image ct.nii --point 3,3 --slice 1 --out point.nii
expect 0 segment --image ct.nii --point 3,3 --slice 1 --out point.png
expect 0 "$files" same_slice point.nii axial 1 1 point.png
expect 1 "$files" same_slice point.nii axial 0 1 point.png
expect 0 adapted --image ct.nii --label liver --slice 1:3 --intensity level:200,400 --out m.nii --json
says '"slices": [    1,    3  ]'
complains "stored values 0..400 (window) became 0..255"

# DICOM: one file is a picture as it is stored, a folder a volume.
expect 0 segment --image one.dcm --point 3,3 --out one.png
expect 0 segment --image one.dcm --point 3,3 --slice 0 --out one.nii
expect 0 "$files" same_slice one.nii 2 0 1 one.png
expect 0 adapted --image series --label liver --out s.nii.gz
expect 0 adapted --image series --label liver --slice 2 --out s.png
expect 0 "$files" same_slice s.nii.gz axial 2 1 s.png
expect 0 "$ssam" embed --checkpoint base.safetensors --image series --slice 1 --out e.npy
expect 0 "$files" dicom series/other 5 1.2.4
expect 1 adapted --image series --label liver --out never.nii
one_clear_line
complains "found 1.2.3 (CT, 3 files), 1.2.4 (CT, 1 file); choose one"
expect 0 adapted --image series --series 1.2.3 --label liver --out again.nii.gz
expect 0 "$files" same_place s.nii.gz again.nii.gz

# What does not go together says so before any work.
expect 2 segment --image ct.nii --point 3,3 --out never.nii
complains "choose it with --slice N"
expect 2 segment --image data/images/test_00000.png --point 3,3 --out never.nii
complains "is a picture: name a .png"
expect 2 segment --image data/images/test_00000.png --point 3,3 --slice 0 --out never.png
complains "are for volumes"
expect 2 segment --image ct.nii --point 3,3 --slice 1 --overlay o.png --out never.nii
complains "are for one picture"
for slice in -1 2:1 1:1 x 1:2:3 1.5; do
  expect 2 segment --image ct.nii --point 3,3 --slice=$slice --out never.png
  complains "is neither a number nor A:B"
done
expect 2 segment --image ct.nii --point 3,3 --slice 0:2 --out never.png
complains "names several slices"
expect 2 segment --image ct.nii --point 3,3 --axis upright --out never.png
expect 2 adapted --image ct.nii --label liver --out never.img
complains "of a volume: .nii or .nii.gz"
expect 1 segment --image ct.nii --point 3,3 --slice 3 --out never.nii
complains "no such slice: expected 0..2, found 3"
expect 1 segment --image ct.nii --point 3,3 --out never.png
one_clear_line
complains "expected the number of a slice, 0..2"
head -c 700 ct.nii >cut.nii
expect 1 adapted --image cut.nii --label liver --out never.nii
one_clear_line
complains "1192 bytes, by its header, found 700 bytes"
expect 1 adapted --image ct.nii --label liver --out ct.nii
complains "would replace a file"
[ ! -e never.nii ] && [ ! -e never.png ] || fail "a failure left a file"

# Volumes as a data set: trained on, scored in millimetres, turned into pictures that say the same.
mkdir lits
for number in 0 9; do
  expect 0 "$files" nifti lits/volume-$number.nii.gz
  expect 0 adapted --image lits/volume-$number.nii.gz --label liver --label kidney --out lits/segmentation-$number.nii.gz
done
expect 0 "$ssam" data check --data lits:lits
says "images"
expect 0 "$ssam" data stats --data lits:lits --json
says '"images": 3'
expect 0 "$ssam" train --checkpoint base.safetensors --data lits:lits --recipe ssam --intensity level:200,400 --epochs 1 --out lits_run
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter lits_run/last --data lits:lits --split val --distances --out scores_volumes
says "mm"
grep -q 'hd95_mm' scores_volumes/scores.csv || fail "the scores of volumes are not in millimetres"
grep -q 'volume-9.nii.gz, slice 2' scores_volumes/scores.csv || fail "the scores do not name the slices"
expect 0 "$ssam" data convert --data lits:lits --pictures lits_png --intensity level:200,400 --out lits_png.json
expect 0 "$ssam" data check --data lits_png.json
expect 0 "$ssam" train --checkpoint base.safetensors --data lits_png.json --recipe ssam --epochs 1 --out png_run
losses() { grep -o '"train_loss":[^,]*\|"val_loss":[^,]*\|"val_dsc_mean":[^,]*' "$1"/metrics.jsonl; }
[ -n "$(losses lits_run)" ] && [ "$(losses lits_run)" = "$(losses png_run)" ] ||
  fail "pictures of slices train otherwise than the volumes"
expect 1 "$ssam" data convert --data lits:lits --pictures lits_png --out again.json
complains "is not empty"
expect 2 "$ssam" data convert --data lits:lits --pictures other --intensity level:1 --out again.json
rm lits/segmentation-9.nii.gz
expect 1 "$ssam" data check --data lits:lits
one_clear_line
complains "have no segmentation"
