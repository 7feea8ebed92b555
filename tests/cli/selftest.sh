#!/bin/bash
# The replay passes on the recordings, fails on a changed weight, and says what is not there.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" selftest --golden "$golden"
says "ssam_paper gradients"
says "lora_release"
expect 0 "$ssam" selftest --golden "$golden" --json
says '"passed": true'

mkdir changed
cp "$golden"/train_inputs.safetensors "$golden"/ssam_paper_*.safetensors changed
expect 0 "$ssam" selftest --golden changed
says "not in this folder: sam"
says "not in this folder: lora_paper"
expect 0 "$files" scale "$golden/ssam_paper_weights.safetensors" image_encoder.blocks.0.mlp.lin1.weight 3 \
  changed/ssam_paper_weights.safetensors
expect 1 "$ssam" selftest --golden changed
says "FAILED"
head -c 5000 "$golden/ssam_paper_train.safetensors" >changed/ssam_paper_train.safetensors
expect 1 "$ssam" selftest --golden changed --json
says '"passed": false'

# CLIP: its text encoder always, its tokenizer where somebody has the vocabulary.
mkdir clip_only
cp "$golden"/clip_text.safetensors "$golden"/clip_tokens.json clip_only
expect 0 "$ssam" selftest --golden clip_only
says "clip text encoder"
says "CLIP's vocabulary (--vocab)"
expect 0 "$files" clip clip
expect 1 "$ssam" selftest --golden clip_only --vocab clip/vocab.json
says "clip tokenizer"
expect 0 "$files" scale "$golden/clip_text.safetensors" transformer.resblocks.1.mlp.c_fc.weight 3 clip_only/clip_text.safetensors
expect 1 "$ssam" selftest --golden clip_only
says "FAILED"
if [ -n "${SSAM_CLIP_VOCABULARY:-}" ]; then
  cp "$golden"/clip_text.safetensors clip_only
  expect 0 "$ssam" selftest --golden clip_only --vocab "$SSAM_CLIP_VOCABULARY"
fi
