#!/bin/bash
# Exit codes, help and refusals before any work.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" --help
says "segment"
expect 0 "$ssam" --version
says "ssam "
says "matrix products"
says "PNG"
for verb in info convert params init embed text segment data "data check" train eval compare experiment report merge selftest scenes demo; do
  # shellcheck disable=SC2086
  expect 0 "$ssam" $verb --help
  says "xample"
done

expect 2 "$ssam"
expect 2 "$ssam" nonsense
expect 2 "$ssam" params --nonsense
expect 2 "$ssam" params --recipe sam_lora
complains "known are"
expect 2 "$ssam" params --recipe bias_tunning
complains "did you mean 'bias_tuning'?"
expect 2 "$ssam" params --rule published
expect 2 "$ssam" init --out a.safetensors
expect 2 "$ssam" segment --checkpoint a --image b --out c
complains "nothing to segment"
expect 2 "$ssam" segment --checkpoint a --image b --out c --point 1
expect 2 "$ssam" segment --checkpoint a --image b --out c --point 1,2,3
expect 2 "$ssam" segment --checkpoint a --image b --out c --box 4,4,2,2
for option in "--lr 0" "--lr -1" "--lr nan" "--lr inf" "--batch 0" "--epochs 0" "--weight-decay -1" "--accumulate 0" \
  "--clip-norm -1" "--warmup -1" "--recipe zero_shot" "--schedule linear" "--loss dice" "--image-size 0"; do
  # shellcheck disable=SC2086
  expect 2 "$ssam" train --checkpoint a --data b --out c --recipe ssam $option
done

expect 1 "$ssam" info no_such_file
one_clear_line
complains "no_such_file"
expect 1 "$ssam" params --image-size 250
one_clear_line
complains "a multiple of 16"
echo '{"embed_dimm": 32}' >config.json
expect 1 "$ssam" params --config config.json
complains "did you mean 'embed_dim'?"
expect 1 "$ssam" selftest --golden .
complains "nothing to replay"
