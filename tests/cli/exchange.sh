#!/bin/bash
# Adapters and checkpoints of others: PEFT's, Hugging Face's, segment-anything's, those of S-SAM's authors.
. "$(dirname "$0")/common.sh"
config=$here/tiny_config.json

expect 0 "$ssam" scenes --kind phantom --out data --train 4 --val 1 --test 1 --size 64 --seed 5
expect 0 "$ssam" init --config "$config" --seed 1 --out base.safetensors
train() { "$ssam" train --checkpoint base.safetensors --data data/manifest.json --epochs 1 --lr 1e-2 "$@"; }
segment() { "$ssam" segment --image data/images/test_00000.png --out m.png "$@"; }

# A LoRA goes to PEFT and comes back: as an adapter, in a score, merged.
expect 0 train --recipe lora --rule release --out run
expect 0 "$ssam" convert run/last peft --to peft
expect 0 "$ssam" info peft
says "LoRA of PEFT, rank up to 4, of 10 layers"
says '["'
expect 0 "$ssam" info peft --json
says '"image_encoder.blocks.1.mlp.lin2"'
grep -q '"peft_type": "LORA"' peft/adapter_config.json || fail "no description of PEFT's"
expect 0 segment --checkpoint base.safetensors --adapter run/last --label liver --logits own.npy
expect 0 segment --checkpoint base.safetensors --adapter peft --label liver --logits peft.npy
expect 0 "$files" close own.npy peft.npy 1e-4
expect 0 segment --checkpoint base.safetensors --adapter peft --label livr --logits other.npy
complains "did you mean 'liver'?"
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter peft --data data/manifest.json --split val --json
says '"dice"'
expect 0 "$ssam" merge --checkpoint base.safetensors --adapter peft --out merged.safetensors
expect 0 segment --checkpoint merged.safetensors --label liver --logits merged.npy
expect 0 "$files" close own.npy merged.npy 1e-4
expect 1 segment --checkpoint base.safetensors --adapter peft --image-size 32 --label liver
one_clear_line
complains "image size"
expect 1 segment --checkpoint peft/adapter_model.safetensors --point 4,4
complains "their folder as the adapter"
sed -i 's/"LORA"/"IA3"/' peft/adapter_config.json
expect 1 segment --checkpoint base.safetensors --adapter peft --label liver
one_clear_line
complains "no LoRA"

# What PEFT itself wrote brings no text affine layer: merged, it is a SAM that nobody can ask for a label.
cat >peft_config.json <<'END'
{"image_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "heads": 2, "global_blocks": [1], "window": 3,
 "out_channels": 16, "decoder_heads": 2, "decoder_mlp": 24, "iou_hidden": 16, "mask_channels": 8, "text_dim": 512}
END
expect 0 "$ssam" merge --checkpoint "$golden/peft/model.safetensors" --config peft_config.json --adapter "$golden/peft/lora" --out plain.safetensors
expect 0 segment --checkpoint plain.safetensors --point 20,20
expect 1 segment --checkpoint plain.safetensors --label liver
one_clear_line
complains "nothing has trained its text affine"

# A merged model goes to segment-anything and to Hugging Face, and is read back under their names.
expect 0 segment --checkpoint merged.safetensors --point 20,20 --logits point.npy
expect 0 "$ssam" convert merged.safetensors sam.pth --to segment_anything
says "the text affine layer"
expect 0 "$ssam" convert merged.safetensors hf --to hugging_face
for file in config.json preprocessor_config.json model.safetensors; do
  [ -s hf/$file ] || fail "hf/$file was not written"
done
for file in sam.pth hf/model.safetensors; do
  expect 0 segment --checkpoint $file --config "$config" --point 20,20 --logits again.npy
  expect 0 "$files" close point.npy again.npy 0
done
expect 0 "$ssam" info sam.pth
says "PyTorch (zip)"

# S-SAM in the published network goes to its authors' code and comes back.
"$files" features text.safetensors 24 liver kidney vessel gallbladder
expect 0 train --model svdsam_release --recipe ssam --rule release --features text.safetensors --out theirs
expect 0 "$ssam" convert theirs/last theirs.pth --to svdsam --checkpoint base.safetensors
complains "strict=False"
expect 0 segment --checkpoint base.safetensors --adapter theirs/last --label liver --logits own.npy
expect 0 "$ssam" info theirs.pth
says "20 tensors of adapters, as S-SAM's authors name them"
for base in base.safetensors theirs.pth; do
  expect 0 segment --checkpoint $base --config "$config" --adapter theirs.pth --features text.safetensors --label liver --logits again.npy
  expect 0 "$files" close own.npy again.npy 1e-5
done
expect 1 segment --checkpoint base.safetensors --adapter theirs.pth --label liver
complains "CLIP ViT-B/32"
expect 1 segment --checkpoint theirs.pth --config "$config" --model svdsam_release --point 4,4
complains "give the same file as the adapter, too"
expect 1 segment --checkpoint base.safetensors --model sam --adapter theirs.pth --features text.safetensors --label liver
complains "[--model]"
expect 0 "$ssam" init --config "$config" --seed 2 --out other.safetensors
expect 1 segment --checkpoint other.safetensors --adapter theirs.pth --features text.safetensors --label liver
one_clear_line
complains "another base checkpoint"
expect 1 "$ssam" convert theirs/last never.pth --to svdsam --checkpoint other.safetensors
complains "another base checkpoint"

# What does not go together.
expect 1 "$ssam" convert theirs/last never --to peft
one_clear_line
complains "svdsam_release"
expect 1 "$ssam" convert run/last never.pth --to svdsam --checkpoint base.safetensors
complains "SAM's own network"
expect 1 "$ssam" convert base.safetensors never --to peft
complains "not an adapter's folder"
expect 1 "$ssam" convert run/last never --to hugging_face
complains "this is a folder"
expect 1 "$ssam" convert run/last run/last --to peft
complains "the same folder"
expect 1 "$ssam" convert run/last run/best --to peft
complains "would be overwritten"
expect 2 "$ssam" convert base.safetensors never.safetensors --to segment_anything
complains ".pth"
expect 2 "$ssam" convert theirs/last never.pth --to svdsam
complains "--checkpoint"
for option in "--keep-names" "--strict-finite" "--checkpoint base.safetensors" "--clip clip.pt"; do
  # shellcheck disable=SC2086
  expect 2 "$ssam" convert base.safetensors never --to hugging_face $option
  complains "is for --to"
done
for name in never never.pth never.safetensors; do [ ! -e $name ] || fail "$name was written"; done
exit 0
