#!/bin/sh
# How small_sam.safetensors was made: a random SAM of small_sam.json learns to segment 16 shapes and materials by name in
# drawn scenes. Half an hour on two cores. Usage: examples/demo/pretrain.sh PATH/TO/ssam WORKDIR
set -eu
ssam=$1
work=$2
here=$(dirname "$0")
mkdir -p "$work"

"$ssam" init --config "$here/small_sam.json" --seed 1 --out "$work/random.safetensors"
"$ssam" scenes --kind scenes --out "$work/scenes" --train 2500 --val 60 --test 0 --size 128 --seed 1
"$ssam" train --checkpoint "$work/random.safetensors" --data "$work/scenes/manifest.json" --recipe full_fine_tuning \
  --labels-together --batch 128 --epochs 9 --lr 1e-3 --schedule cosine --warmup 100 --clip 1 --validate-every 3 \
  --out "$work/first"
"$ssam" merge --checkpoint "$work/random.safetensors" --adapter "$work/first/best" --out "$work/first.safetensors"
"$ssam" train --checkpoint "$work/first.safetensors" --data "$work/scenes/manifest.json" --recipe full_fine_tuning \
  --labels-together --batch 64 --epochs 6 --lr 1e-3 --schedule cosine --warmup 50 --clip 1 --validate-every 3 --seed 1 \
  --out "$work/second"
"$ssam" merge --checkpoint "$work/first.safetensors" --adapter "$work/second/best" --out "$work/second.safetensors"
"$ssam" convert "$work/second.safetensors" "$here/small_sam.safetensors" --dtype f16
