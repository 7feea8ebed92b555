#!/bin/bash
# Prompts and labels together, answers as prompts, what a merged checkpoint remembers, inputs that are not finite.
. "$(dirname "$0")/common.sh"
config=$here/tiny_config.json

expect 0 "$ssam" scenes --kind phantom --out data --train 4 --val 0 --test 1 --size 64 --seed 5
expect 0 "$ssam" init --config "$config" --seed 1 --out base.safetensors
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 --out run
image=data/images/test_00000.png
segment() { "$ssam" segment --checkpoint base.safetensors --image $image --out m.png "$@"; }
adapted() { segment --adapter run/last "$@"; }
best_of() { tr -d '\n' <out.txt | sed 's/.*"best": \([0-9]*\).*/\1/'; }

# A label is answered by the mask that labels are trained on, whatever the points ask for.
expect 0 adapted --label liver --logits alone.npy
expect 0 adapted --label liver --low-res alone_low.npy
expect 2 adapted --label liver --multimask
complains "one mask of their own"
expect 0 adapted --label liver --point 20,20 --multimask --json
says '"name": "liver",      "iou"'
[ "$(tr -d ' \n' <out.txt | grep -o '"scores":\[[^]]*\]' | sed -n 1p | tr -cd , | wc -c)" = 2 ] || fail "points have not three masks"
[ "$(tr -d ' \n' <out.txt | grep -o '"scores":\[[^]]*\]' | sed -n 2p | tr -cd , | wc -c)" = 0 ] || fail "a label has several masks"
pixels() { tr -d ' \n' <out.txt | sed 's/.*"name":"liver"[^}]*"pixels":\([0-9]*\).*/\1/'; }
both=$(pixels)
expect 0 adapted --label liver --json
[ "$both" = "$(pixels)" ] || fail "--multimask changes the answer to a label"
expect 2 adapted --label liver --point 20,20 --multimask --logits never.npy
complains "in a second call"

# An answer becomes the next prompt: the best mask as the decoder gave it.
for more in "" --multimask; do
  # shellcheck disable=SC2086
  expect 0 segment --point 20,20 $more --logits l.npy --low-res low.npy --json
  grep -aq "(1, 16, 16)" low.npy || fail "the logits of low resolution have another shape"
  expect 0 "$files" enlarged low.npy l.npy "$(best_of)" 1e-5
done
expect 0 segment --point 20,20 --mask-input low.npy --logits again.npy --low-res low_again.npy
expect 0 segment --point 20,20 --logits once.npy
expect 1 "$files" close again.npy once.npy 1e-3
expect 0 segment --mask-input low_again.npy --low-res low.npy
expect 0 "$files" enlarged alone_low.npy alone.npy 0 1e-5
expect 2 adapted --label liver --label kidney --low-res never.npy
complains "one --label"

# A merged checkpoint remembers what it was trained on.
expect 0 "$ssam" merge --checkpoint base.safetensors --adapter run/last --out merged.safetensors
for labels in "liver" "livr"; do
  expect 0 "$ssam" segment --checkpoint merged.safetensors --image $image --label $labels --out m.png
done
complains "warning: the model was not trained on 'livr'; did you mean 'liver'?"
expect 0 "$ssam" convert merged.safetensors half.safetensors --dtype f16
expect 0 "$ssam" segment --checkpoint half.safetensors --image $image --label livr --out m.png
complains "did you mean 'liver'?"

# Folders in the wrong place: the advice works.
expect 1 "$ssam" segment --checkpoint run/last --image $image --label liver --out never.png
complains "found an adapter"
expect 1 segment --adapter run --label liver
one_clear_line
complains "give run/best"
expect 1 segment --adapter base.safetensors --label liver
complains "this is a file, not an adapter"
expect 1 "$ssam" segment --checkpoint run --image $image --point 4,4 --out never.png
complains "run/best as the adapter"
for file in run/last/adapter_model.safetensors run/run_state.safetensors base.safetensors.svd.safetensors; do
  expect 1 "$ssam" segment --checkpoint $file --image $image --point 4,4 --out never.png
  one_clear_line
  complains "give the checkpoint"
done

# What is not finite gives no mask.
for value in nan inf -inf; do
  expect 0 "$files" fill $value bad.npy 1 16 16
  expect 1 "$ssam" segment --checkpoint base.safetensors --image $image --mask-input bad.npy --out never.png
  one_clear_line
  complains "[bad.npy]"
  expect 0 "$files" scale base.safetensors mask_decoder.iou_token.weight $value bad.safetensors
  for call in "segment --image $image --point 4,4 --out never.png" "embed --image $image --out never.npy" \
    "train --recipe lora --data data/manifest.json --epochs 1 --out never.png"; do
    # shellcheck disable=SC2086
    expect 1 "$ssam" $call --checkpoint bad.safetensors
    complains "bad.safetensors, tensor 'mask_decoder.iou_token.weight'"
  done
done
expect 0 "$files" scale base.safetensors image_encoder.neck.3.weight 3e38 large.safetensors
expect 1 "$ssam" segment --checkpoint large.safetensors --image $image --point 4,4 --out never.png
one_clear_line
complains "the image embedding is not finite"
[ ! -e never.png ] || fail "a failure left a file"
