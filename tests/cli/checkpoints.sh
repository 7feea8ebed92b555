#!/bin/bash
# info, convert, init, embed.
. "$(dirname "$0")/common.sh"
config=$here/golden_config.json

expect 0 "$ssam" info "$golden/sam.pth"
says "PyTorch (zip)"
expect 0 "$ssam" info "$golden/sam_legacy.pth" --tensors
says "PyTorch (legacy)"
says "image_encoder.blocks.3.attn.qkv.weight"
expect 0 "$ssam" info "$golden/sam.safetensors" --json
says '"embed_dim": 32'

# One model in three containers has one content.
hash_of() { "$ssam" info "$1" | sed -n 's/.*content hash *//p'; }
hash=$(hash_of "$golden/sam.safetensors")
[ "$hash" = "$(hash_of "$golden/sam.pth")" ] || fail "sam.pth has another content"
expect 0 "$ssam" convert "$golden/sam_legacy.pth" converted.safetensors
[ "$hash" = "$(hash_of converted.safetensors)" ] || fail "convert changed the content"
expect 0 "$ssam" convert converted.safetensors half.safetensors --dtype f16
expect 0 "$ssam" info half.safetensors
says "F16"
head -c 1000 "$golden/sam.pth" >cut.pth
expect 1 "$ssam" convert cut.pth never.safetensors
one_clear_line
[ ! -e never.safetensors ] || fail "a failed conversion left a file"

# The recorded embedding, from every container and by image size of the array.
expect 0 "$files" tensor "$golden/sam_io.safetensors" image image.npy
expect 0 "$files" tensor "$golden/sam_io.safetensors" embedding recorded.npy
expect 0 "$ssam" embed --checkpoint "$golden/sam.safetensors" --config "$config" --image image.npy --out e.npy
expect 0 "$files" close e.npy recorded.npy 1e-5
expect 0 "$ssam" embed --checkpoint "$golden/sam.pth" --config "$config" --image image.npy --out p.npy --threads 1
cmp e.npy p.npy || fail "the container or the number of threads changes the embedding"
expect 0 "$files" tensor "$golden/sam_half_io.safetensors" image half.npy
expect 0 "$files" tensor "$golden/sam_half_io.safetensors" embedding recorded_half.npy
expect 0 "$ssam" embed --checkpoint "$golden/sam.pth" --config "$config" --image half.npy --out h.npy
expect 0 "$files" close h.npy recorded_half.npy 1e-5
expect 0 "$ssam" embed --checkpoint "$golden/sam.pth" --config "$config" --image image.npy --out r.npy --model svdsam_release
cmp -s e.npy r.npy && fail "svdsam_release embeds like sam"

# Refusals.
expect 1 "$ssam" embed --checkpoint "$golden/sam.safetensors" --image image.npy --out never.npy
complains "describe it with a configuration"
sed 's/"depth": 4/"depth": 5/' "$config" >deeper.json
expect 1 "$ssam" embed --checkpoint "$golden/sam.safetensors" --config deeper.json --image image.npy --out never.npy
one_clear_line
complains "depth"
sed 's/\[1, 3\]/[0, 3]/' "$config" >other_blocks.json
expect 1 "$ssam" embed --checkpoint "$golden/sam.safetensors" --config other_blocks.json --image image.npy --out never.npy
complains "global_blocks"
expect 1 "$ssam" embed --checkpoint "$golden/sam.safetensors" --config "$config" --image recorded.npy --out never.npy
complains "[B, 3, S, S]"
expect 1 "$ssam" embed --checkpoint image.npy --config "$config" --image image.npy --out never.npy
complains "a NumPy array"
[ ! -e never.npy ] || fail "a failed embedding left a file"

# Prefixes and what lies beside the weights: taken off, left out and said, the embedding stays the same.
for prefix in model. _orig_mod. module. sam. model.sam. net.module._orig_mod.; do
  expect 0 "$files" wrap "$golden/sam.safetensors" $prefix wrapped.safetensors loss criterion.weight
  expect 0 "$ssam" embed --checkpoint wrapped.safetensors --config "$config" --image image.npy --out w.npy
  cmp e.npy w.npy || fail "the prefix $prefix changes the embedding"
  complains "2 entries were left out: 'criterion.weight', 'loss'"
  complains "off 202 names"
  [ "$(grep -c '' err.txt)" = 1 ] || fail "more than one line about the names"
  [ "$hash" = "$(hash_of wrapped.safetensors)" ] || fail "the prefix $prefix changes the content"
done
expect 0 "$ssam" info wrapped.safetensors
says "skipped 'loss': it lies beside"
says "off 202 names"
expect 0 "$ssam" convert wrapped.safetensors plain.safetensors
says "left out 'criterion.weight'"
[ "$hash" = "$(hash_of plain.safetensors)" ] || fail "convert kept something beside SAM"

# Other files and folders in the place of a checkpoint are named.
expect 0 "$files" features features.safetensors 24 liver kidney
expect 1 "$ssam" embed --checkpoint features.safetensors --image image.npy --out never.npy
one_clear_line
complains "these are text features"
expect 0 "$ssam" info features.safetensors
says "these are text features"
mkdir model
cp "$golden/sam.safetensors" model/model.safetensors
expect 1 "$ssam" embed --checkpoint model --image image.npy --out never.npy
complains "give its file model/model.safetensors"

# Weights, arrays and models that cannot be answered with.
weight=image_encoder.blocks.3.mlp.lin1.weight
for factor in nan inf; do
  expect 0 "$files" scale "$golden/sam.safetensors" $weight $factor bad.safetensors
  expect 1 "$ssam" embed --checkpoint bad.safetensors --config "$config" --image image.npy --out never.npy
  one_clear_line
  complains "bad.safetensors, tensor '$weight'"
  expect 0 "$ssam" info bad.safetensors
  says "WARNING: '$weight'"
  expect 0 "$ssam" convert bad.safetensors still_bad.safetensors
  complains "warning: 1 tensors"
  expect 0 "$files" fill $factor bad.npy 1 3 128 128
  expect 1 "$ssam" embed --checkpoint "$golden/sam.safetensors" --config "$config" --image bad.npy --out never.npy
  one_clear_line
  complains "[bad.npy]"
done
expect 0 "$files" fill 1e38 large.npy 1 3 128 128
expect 1 "$ssam" embed --checkpoint "$golden/sam.safetensors" --config "$config" --image large.npy --out never.npy
one_clear_line
complains "the image embedding is not finite"
[ ! -e never.npy ] || fail "a failed embedding left a file"

# A model of our own knows its configuration; the seed decides its weights; an image file is preprocessed.
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 3 --out tiny.safetensors
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 3 --out again.safetensors
cmp tiny.safetensors again.safetensors || fail "init does not repeat itself"
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 4 --out other.safetensors
cmp -s tiny.safetensors other.safetensors && fail "the seed changes nothing"
expect 0 "$ssam" scenes --out drawn --train 1 --val 0 --test 0 --size 70
expect 0 "$ssam" embed --checkpoint tiny.safetensors --image drawn/images/train_00000.png --out t.npy
says "float32 [1, 32, 4, 4]"
expect 0 "$ssam" embed --checkpoint tiny.safetensors --image drawn/images/train_00000.png --out t.npy --image-size 128
says "float32 [1, 32, 8, 8]"

# Its metadata is believed only where it makes sense.
expect 0 "$files" metadata tiny.safetensors ssam_model foo foo.safetensors
expect 1 "$ssam" embed --checkpoint foo.safetensors --image drawn/images/train_00000.png --out never.npy
one_clear_line
complains "expected sam or svdsam_release, found 'foo'"
expect 0 "$ssam" embed --checkpoint foo.safetensors --image drawn/images/train_00000.png --out t.npy --model sam
for broken in '{"depthh": 2}' '{"depth": "two"}' '{' '[1]'; do
  expect 0 "$files" metadata tiny.safetensors ssam_config "$broken" broken.safetensors
  expect 1 "$ssam" embed --checkpoint broken.safetensors --image drawn/images/train_00000.png --out never.npy
  one_clear_line
  complains "broken.safetensors, metadata ssam_config"
done
expect 0 "$files" metadata tiny.safetensors ssam_labels '{"a": 1}' broken.safetensors
expect 1 "$ssam" embed --checkpoint broken.safetensors --image drawn/images/train_00000.png --out never.npy
complains "metadata ssam_labels"
[ ! -e never.npy ] || fail "a failed embedding left a file"
