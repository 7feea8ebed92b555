#!/bin/sh
# How small_sam.safetensors was made: a random SAM of small_sam.json learns to segment 16 shapes and materials by name in
# drawn scenes. A quarter of an hour on two cores. Usage: examples/demo/pretrain.sh PATH/TO/ssam WORKDIR
set -eu
ssam=$1
work=$2
here=$(dirname "$0")
mkdir -p "$work"

"$ssam" init --config "$here/small_sam.json" --seed 1 --out "$work/random.safetensors"
"$ssam" scenes --kind scenes --out "$work/scenes" --train 2500 --val 60 --test 0 --size 128 --seed 1
# A higher learning rate lets the encoder collapse: it then gives every image the same embedding.
"$ssam" train --checkpoint "$work/random.safetensors" --data "$work/scenes/manifest.json" --recipe full_fine_tuning \
  --labels-together --batch 64 --epochs 6 --lr 3e-4 --schedule cosine --warmup 100 --clip 1 --validate-every 3 \
  --out "$work/run"
"$ssam" merge --checkpoint "$work/random.safetensors" --adapter "$work/run/best" --out "$work/merged.safetensors"
"$ssam" convert "$work/merged.safetensors" "$here/small_sam.safetensors" --dtype f16
