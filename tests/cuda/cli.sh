#!/bin/bash
# The command line on an (emulated) GPU: cli.sh PROGRAM CLI_FILES GOLDEN_FOLDER [PROGRAM_WITHOUT_CUDA].
. "$(dirname "$0")/../cli/common.sh"
config=$here/../cli/tiny_config.json without=${4:-}

# What the GPU computes is what was recorded.
expect 0 "$ssam" selftest --golden "$golden" --device cuda
says "50 cases on cuda, 0 failed"
says "lora_release"

# One adapter, trained there, on both devices.
expect 0 "$ssam" scenes --kind phantom --out data --train 4 --val 2 --test 2 --size 80 --seed 5
expect 0 "$ssam" init --config "$config" --seed 1 --out base.safetensors
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 --lr 1e-3 \
  --out run --device cuda --json
says '"device": "cuda"'
image=data/images/test_00000.png
for device in cuda cpu; do
  expect 0 "$ssam" eval --checkpoint base.safetensors --adapter run/last --data data/manifest.json --device $device --json
  says "\"device\": \"$device\""
  sed -n 's/.*"loss": \([0-9.]*\).*/\1/p' out.txt | cut -c1-6 >$device.loss
  expect 0 "$ssam" segment --checkpoint base.safetensors --adapter run/last --image $image --label liver --point 40,40 \
    --out $device.png --logits $device.npy --device $device --json
  says "\"device\": \"$device\""
  expect 0 "$ssam" embed --checkpoint base.safetensors --image $image --out embedding_$device.npy --device $device
  expect 0 "$ssam" merge --checkpoint base.safetensors --adapter run/last --out merged_$device.safetensors --device $device
  expect 0 "$files" tensor merged_$device.safetensors image_encoder.blocks.0.attn.qkv.weight weight_$device.npy
done
[ -s cuda.loss ] && cmp cuda.loss cpu.loss || fail "the two devices evaluate differently"
for tensor in '' embedding_ weight_; do expect 0 "$files" close ${tensor}cuda.npy ${tensor}cpu.npy 1e-4; done
expect 2 "$ssam" selftest --golden "$golden" --device cuda_bf16
expect 2 "$ssam" embed --checkpoint base.safetensors --image $image --out never.npy --device gpu

[ -n "$without" ] || exit 0

# A program that was built without CUDA never runs on the host instead.
for verb in "selftest --golden $golden" "demo --out never" "embed --checkpoint base.safetensors --image $image --out never.npy" \
  "segment --checkpoint base.safetensors --image $image --point 4,4 --out never.png" \
  "merge --checkpoint base.safetensors --adapter run/last --out never.safetensors" \
  "eval --checkpoint base.safetensors --adapter run/last --data data/manifest.json" \
  "train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --out never"; do
  # shellcheck disable=SC2086
  expect 1 "$without" $verb --device cuda
  one_clear_line
  complains "this program was built without CUDA"
  complains "-DSSAM_WITH_CUDA=ON"
done
ls -d never* 2>/dev/null && fail "a refused verb left a file"
expect 0 "$without" train --help
says "--device"
