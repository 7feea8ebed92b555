#!/bin/bash
# Matrix products of bfloat16 on the host: emulated where the processor has none, and never slow in silence.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" --version
says "devices          cpu, cpu_bf16"
says "bfloat16 products"
expect 0 "$ssam" scenes --kind phantom --out data --train 4 --val 2 --test 2 --size 80 --seed 5
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out base.safetensors
train=(train --checkpoint base.safetensors --data data/manifest.json --epochs 2 --lr 1e-3 --device cpu_bf16 --json)

if "$ssam" --version | grep -q 'products by the processor'; then
  expect 0 "$ssam" "${train[@]}" --recipe ssam --out here
else
  for verb in "${train[*]} --recipe ssam --out never" \
    "embed --checkpoint base.safetensors --image data/images/test_00000.png --out never.npy --device cpu_bf16"; do
    # shellcheck disable=SC2086
    expect 1 "$ssam" $verb
    [ "$(grep -c "^ssam: error: " err.txt)" = 1 ] || fail "not one error"
    complains "AVX512_BF16"
    complains "SSAM_BF16=emulated"
  done
  ls -d never* 2>/dev/null && fail "a refused verb left a file"
fi
SSAM_BF16=slow expect 1 "$ssam" "${train[@]}" --recipe ssam --out never
complains "SSAM_BF16"
expect 2 "$ssam" merge --checkpoint base.safetensors --adapter run --out never.safetensors --device cpu_bf16

# Recipes are trained, resumed to the same bits on another number of threads, and evaluated near single precision.
export SSAM_BF16=emulated
for recipe in ssam lora full_fine_tuning; do
  expect 0 "$ssam" "${train[@]}" --recipe $recipe --out $recipe --threads 2
  says '"device": "cpu_bf16"'
  expect 0 "$ssam" "${train[@]}" --recipe $recipe --out ${recipe}_alone --threads 1
  cmp $recipe/last/adapter_model.safetensors ${recipe}_alone/last/adapter_model.safetensors ||
    fail "the number of threads changes what $recipe learns"
  for device in cpu cpu_bf16; do
    expect 0 "$ssam" eval --checkpoint base.safetensors --adapter $recipe/last --data data/manifest.json --device $device --json
    sed -n 's/.*"loss": \([0-9.]*\).*/\1/p' out.txt | head -1 | cut -c1-4 >$device.loss
  done
  [ -s cpu.loss ] && cmp cpu.loss cpu_bf16.loss || fail "$recipe is evaluated differently"
done
# What is kept beside the checkpoint serves both devices.
unset SSAM_BF16
before=$(cksum <base.safetensors.svd.safetensors)
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter ssam/last --data data/manifest.json
[ "$(cksum <base.safetensors.svd.safetensors)" = "$before" ] || fail "the factors were computed anew"
