#!/bin/bash
# From a checkpoint to masks on a small model: train, kill, resume, eval, segment, merge.
. "$(dirname "$0")/common.sh"
last=last/adapter_model.safetensors

expect 0 "$ssam" scenes --kind phantom --out data --train 10 --val 3 --test 3 --size 80 --seed 5
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out base.safetensors
settings=(--checkpoint base.safetensors --data data/manifest.json --seed 2 --lr 1e-3)
train() {  # recipe, folder, more
  local recipe=$1 out=$2
  shift 2
  "$ssam" train "${settings[@]}" --recipe "$recipe" --out "$out" "$@"
}

# A run that is killed and resumed ends as one that was not, bit for bit, on another number of threads too.
long=(--epochs 30 --batch 4 --schedule cosine --warmup 3 --clip 1 --checkpoint-every 2)
expect 0 train ssam whole "${long[@]}"
says "trainable params:"
says "hashed label names"
"$ssam" train "${settings[@]}" --recipe ssam --out killed "${long[@]}" >killed.txt 2>&1 &
run=$!
until [ -s killed/metrics.jsonl ]; do
  kill -0 $run 2>/dev/null || { cat killed.txt >&2; fail "the run ended before it could be killed"; }
  sleep 0.02
done
kill -9 $run
wait $run 2>/dev/null
[ "$(wc -l <killed/metrics.jsonl)" -lt 30 ] || fail "the run was complete before it was killed"
expect 1 train ssam killed "${long[@]}"
complains "--resume"
expect 0 train ssam killed "${long[@]}" --resume --threads 1
says "resumed"
for file in $last best/adapter_model.safetensors; do
  cmp "whole/$file" "killed/$file" || fail "the resumed run ended differently: $file"
done
[ "$(wc -l <killed/metrics.jsonl)" = 30 ] || fail "metrics.jsonl has not a line per epoch"
expect 1 train ssam killed "${long[@]}" --weight-decay 0 --resume
one_clear_line

# Every other recipe trains; JSON describes the run.
for recipe in layer_norm_tuning lora bias_tuning full_fine_tuning; do
  expect 0 train $recipe "run_$recipe" --epochs 1 --json
  says "\"recipe\": \"$recipe\""
done

expect 0 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/manifest.json
says "split test, 3 images"
says "gallbladder"
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/manifest.json --split val --json
says '"split": "val"'
expect 1 "$ssam" eval --checkpoint base.safetensors --data data/manifest.json
complains "text affine"

# Segment: files, legend, original size, refusals.
image=data/images/test_00000.png
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter whole/best --image $image --label liver --label kidney \
  --point 40,40 --point 10,10,0 --out m.png --overlay o.png --logits l.npy --json
says '"name": "prompt"'
says '"name": "kidney"'
says '"height": 80'
for file in m.png o.png l.npy; do [ -s $file ] || fail "$file was not written"; done
grep -aq "(3, 1, 80, 80)" l.npy || fail "the logits have another shape"
expect 0 "$ssam" segment --checkpoint base.safetensors --image $image --box 10,10,60,60 --multimask --out b.png --logits l.npy
grep -aq "(1, 3, 80, 80)" l.npy || fail "--multimask gives not three masks"
expect 1 "$ssam" segment --checkpoint base.safetensors --image $image --label liver --out never.png
complains "text affine"
expect 1 "$ssam" segment --checkpoint base.safetensors --image $image --point 81,5 --out never.png
complains "outside the image"
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter whole/best --image $image --label livr --out w.png
complains "did you mean 'liver'?"
[ ! -e never.png ] || fail "a failed segmentation left a file"

# Merged weights answer like the adapter, and are a plain checkpoint.
expect 0 "$ssam" merge --checkpoint base.safetensors --adapter whole/best --out merged.safetensors
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter whole/best --image $image --label liver --out a.png --logits a.npy
expect 0 "$ssam" segment --checkpoint merged.safetensors --image $image --label liver --out b.png --logits b.npy
expect 0 "$files" close b.npy a.npy 1e-4
expect 1 "$ssam" eval --checkpoint merged.safetensors --adapter whole/best --data data/manifest.json
complains "another base checkpoint"

# Text features from a file are remembered.
expect 0 "$files" features text.safetensors 24 liver kidney vessel gallbladder
expect 0 train ssam texts --epochs 1 --features text.safetensors
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter texts/last --data data/manifest.json --features text.safetensors
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter texts/last --data data/manifest.json
complains "--features"

# A damaged data set is refused before the first epoch.
echo broken >data/images/val_00001.png
expect 1 train ssam damaged --epochs 1
complains "val_00001.png"
[ ! -e damaged ] || fail "a refused run left a folder"
