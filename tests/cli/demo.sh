#!/bin/bash
# The demonstration, shortened, on a small SAM made the way the built-in one was: init, train, merge.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" scenes --out scenes --train 8 --val 2 --test 0 --size 64
expect 0 "$ssam" init --config "$here/tiny_config.json" --out random.safetensors
expect 0 "$ssam" train --checkpoint random.safetensors --data scenes/manifest.json --recipe full_fine_tuning --out pre --epochs 1
expect 0 "$ssam" merge --checkpoint random.safetensors --adapter pre/last --out small.safetensors
expect 0 "$ssam" demo --checkpoint small.safetensors --out demo --epochs 1
for recipe in zero_shot layer_norm_tuning ssam lora bias_tuning full_fine_tuning; do says "$recipe"; done
says "mean DSC"
for file in results.json contact_sheet.png runs/ssam/last/adapter_config.json; do
  [ -s demo/$file ] || fail "$file was not written"
done
expect 1 "$ssam" demo --checkpoint random.safetensors --out demo2
complains "text affine"
