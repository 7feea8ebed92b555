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
long=(--epochs 30 --batch 4 --schedule cosine --warmup 3 --clip-norm 1 --checkpoint-every 2)
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

# What is no run is not resumed; results without a state are not overwritten; damage is named as such.
expect 1 train ssam kiled "${long[@]}" --resume
one_clear_line
complains "did you mean 'killed'?"
[ ! -e kiled ] || fail "a mistyped folder was made"
cp killed/run_state.safetensors state.copy
head -c 1000 state.copy >killed/run_state.safetensors
expect 1 train ssam killed "${long[@]}" --resume
one_clear_line
complains "the state of the run is damaged"
grep -q "fetch it again" err.txt && fail "a local state cannot be fetched again"
rm killed/run_state.safetensors
for more in --resume --validate-every=1; do
  expect 1 train ssam killed "${long[@]}" $more
  one_clear_line
done
cmp whole/best/adapter_model.safetensors killed/best/adapter_model.safetensors || fail "results were overwritten"

# Blocks that are computed once more train the same, dropout included; a run may go on in the other way.
expect 0 train lora kept --epochs 2
expect 0 train lora again --epochs 1 --recompute
says "memory    activations"
expect 0 train lora again --epochs 2 --resume --recompute --json
says '"recompute": true'
says '"activation_bytes"'
says '"peak_memory_bytes"'
says '"seconds_per_step"'
cmp kept/$last again/$last || fail "recomputed blocks train otherwise"
expect 0 train lora again --epochs 2 --resume
says "; - s a step"

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

# No number of an evaluation depends on the batch.
for batch in 1 3 8 64 4096; do
  expect 0 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/manifest.json --batch $batch --json
  says '"false_blank"'
  says '"nonblank_dice"'
  grep -v '"batch"' out.txt >scores_$batch.json
  cmp scores_1.json scores_$batch.json || fail "the scores depend on the batch"
done

# Labels that were not trained, splits that are not there.
sed 's/liver/Liver/g' data/manifest.json >data/capital.json
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/capital.json
one_clear_line
complains "'Liver'"
complains "did you mean 'liver'?"
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/capital.json --unseen-labels
sed 's/"test"/"train"/g; s/"val"/"train"/g' data/manifest.json >data/train_only.json
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/train_only.json
one_clear_line
complains "16 train, 0 val, 0 test images"
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/train_only.json --split val
complains 'no split "val"'
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter whole/best --data data/train_only.json --split train

# An adapter's description is believed as it was saved only.
cp -r whole/best changed
sed -i 's/"liver"/"lever"/' changed/adapter_config.json
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter changed --data data/manifest.json
one_clear_line
complains "adapter_config.json"

# A run that diverges ends with 1; what it advises works. Nothing that is not finite is kept.
diverge() {
  local out=$1
  shift
  expect 1 train ssam "$out" --epochs 3 --batch 4 "$@"
  complains "not a finite number: training stops"
  tail -n 1 err.txt | grep -q "^ssam: error: " || fail "the error is not the last line"
  local advice
  advice=$(sed -n 's/.*(\(--resume --lr [^)]*\)).*/\1/p' err.txt)
  [ -n "$advice" ] || fail "no advice: $(cat err.txt)"
  # shellcheck disable=SC2086
  expect 0 train ssam "$out" --epochs 3 --batch 4 "$@" $advice
  says "resumed with another lr"
  expect 0 "$ssam" eval --checkpoint base.safetensors --adapter "$out/best" --data data/manifest.json
  grep -q "null" <(grep -v val_dsc_nonblank "$out/metrics.jsonl") && fail "a loss that is no number"
  return 0
}
diverge diverged --lr 1e30
diverge exploded --schedule step --step-epochs 2 --step-factor 1e32
expect 0 train ssam by_dsc --epochs 2 --best-by dsc --batch 1000000
says "(by DSC)"

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

# Text features from a file are kept with the adapter.
expect 0 "$files" features text.safetensors 24 liver kidney vessel gallbladder
expect 0 train ssam texts --epochs 1 --features text.safetensors
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter texts/last --data data/manifest.json --features text.safetensors
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter texts/last --data data/manifest.json

# ... known by their content, not by their name.
cp text.safetensors copy.safetensors
expect 0 train ssam texts --epochs 2 --features ./copy.safetensors --resume
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter texts/last --data data/manifest.json --features copy.safetensors
expect 0 "$files" features text.safetensors 24 kidney liver vessel gallbladder
expect 1 train ssam texts --epochs 3 --features text.safetensors --resume
complains "'text_features'"
expect 1 "$ssam" eval --checkpoint base.safetensors --adapter texts/last --data data/manifest.json --features text.safetensors
one_clear_line
complains "other text features of the label"
expect 1 "$ssam" segment --checkpoint base.safetensors --adapter texts/last --image $image --label liver --features text.safetensors --out never.png
complains "other text features of the label"

# ... also by merged weights.
expect 0 "$ssam" merge --checkpoint base.safetensors --adapter texts/last --out with_texts.safetensors
expect 0 "$ssam" segment --checkpoint with_texts.safetensors --image $image --label liver --logits merged.npy --out merged.png
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter texts/last --image $image --label liver --logits apart.npy --out apart.png
expect 0 "$files" close merged.npy apart.npy 1e-4
expect 0 "$ssam" eval --checkpoint with_texts.safetensors --data data/manifest.json --features copy.safetensors
expect 1 "$ssam" eval --checkpoint with_texts.safetensors --data data/manifest.json --features text.safetensors
complains "other text features of the label"

# A label that the adapter does not know, and that nothing at hand has a feature for.
expect 1 "$ssam" segment --checkpoint base.safetensors --adapter texts/last --image $image --label livr --out never.png
one_clear_line
complains "did you mean 'liver'"
complains "--clip and --vocab"

# The data, too: a mask that was drawn anew, values that were exchanged, another order.
expect 0 train ssam data_run --epochs 1
mask=$(ls data/masks/*train_00001* | head -n 1)
cp "$mask" mask.copy
cp "$(ls data/masks/*train_00002* | head -n 1)" "$mask"
expect 1 train ssam data_run --epochs 2 --resume
one_clear_line
complains "$(basename "$mask")"
cp mask.copy "$mask"
expect 0 train ssam data_run --epochs 2 --resume
expect 1 train ssam data_run --epochs 1 --resume
complains "more epochs already"

# A damaged data set is refused before the first epoch.
echo broken >data/images/val_00001.png
expect 1 train ssam damaged --epochs 1
complains "val_00001.png"
[ ! -e damaged ] || fail "a refused run left a folder"
