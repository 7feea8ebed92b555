#!/bin/bash
# From label names to CLIP's features in a file, and from there into training.
. "$(dirname "$0")/common.sh"

"$files" clip clip || fail "no CLIP"
clip="--clip clip/clip.safetensors --vocab clip/vocab.json"

# shellcheck disable=SC2086
{
expect 0 "$ssam" text $clip --label disc --label square --out features.safetensors
says "disc"
says "2 features of 24 values"
expect 0 "$ssam" text --clip clip/clip.safetensors --vocab clip --label square --label disc --out again.safetensors
cmp -s features.safetensors again.safetensors || fail "the order of labels, or the form of the vocabulary, changes features"
expect 0 "$ssam" text $clip --label disc --label square --template "a {}" --json --out other.safetensors
says '"prompt": "a disc"'
says '"tokens": 7'
cmp -s features.safetensors other.safetensors && fail "the template changes nothing"
expect 0 "$ssam" text $clip --label "a name that is much too long" --out long.safetensors
complains "is too long: its last 8 tokens are not seen"

expect 1 "$ssam" text $clip --label disc --template "no place" --out never.safetensors
one_clear_line
complains "{}"
expect 2 "$ssam" text $clip --label disc --label disc --out never.safetensors
complains "twice"
expect 2 "$ssam" text $clip --label disc --clip-heads 0x1 --out never.safetensors
expect 1 "$ssam" text --clip "$golden/sam.safetensors" --vocab clip/vocab.json --label disc --out never.safetensors
one_clear_line
complains "no CLIP text encoder"
expect 1 "$ssam" text --clip clip/clip.safetensors --vocab clip/clip.safetensors --label disc --out never.safetensors
one_clear_line
expect 2 "$ssam" text $clip --label disc --out never.npy
expect 2 "$ssam" text $clip --out never.safetensors
expect 1 "$ssam" text --clip clip/clip.safetensors --vocab clip/vocab.json --label disc --out clip/clip.safetensors
complains "same file"
[ ! -e never.safetensors ] || fail "a refused command left a file"
}

# A run with the features, which keeps what they were.
expect 0 "$ssam" scenes --kind phantom --out data --train 4 --val 2 --test 0 --size 64
labels=$(tr -d '\n' <data/manifest.json | sed 's/.*"labels": *\[\([^]]*\)\].*/\1/; s/" *, */"\n/g')
[ -n "$labels" ] || fail "the manifest has no labels"
arguments=()
while IFS= read -r label; do
  label=${label#*\"}
  arguments+=(--label "${label%\"*}")
done <<<"$labels"
# shellcheck disable=SC2086
expect 0 "$ssam" text $clip "${arguments[@]}" --out labels.safetensors
expect 0 "$ssam" init --config "$here/tiny_config.json" --out base.safetensors
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --features labels.safetensors --epochs 1 --out run
grep -q 'labels.safetensors' run/best/adapter_config.json || fail "the adapter does not say which features it was trained with"

# The run needs neither the file nor CLIP any more. A label that it was not trained on: said, and done where CLIP is.
image=$(find data/images -type f | sort | head -n 1)
first=${arguments[1]}
mkdir away && mv clip labels.safetensors away
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter run/best --image "$image" --label "$first" --logits kept.npy --out kept.png
expect 1 "$ssam" segment --checkpoint base.safetensors --adapter run/best --image "$image" --label tumour --out never.png
one_clear_line
complains "was not trained on the label 'tumour'"
complains "$first"
mv away/clip away/labels.safetensors .
# shellcheck disable=SC2086
{
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter run/best --image "$image" --label "$first" --label tumour $clip --out two.png
complains "was not trained on 'tumour'"
expect 1 "$ssam" segment --checkpoint base.safetensors --adapter run/best --image "$image" --label tumour $clip --template "other words: {}" --out never.png
one_clear_line
complains "other text features"
expect 2 "$ssam" segment --checkpoint base.safetensors --adapter run/best --image "$image" --label tumour --clip clip/clip.safetensors --out never.png
complains "--vocab"

# CLIP in training gives what its features from a file give, and the template goes with the adapter.
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam $clip --epochs 1 --out direct
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter direct/best --image "$image" --label "$first" --logits direct.npy --out direct.png
cmp -s kept.npy direct.npy || fail "--clip and --features train differently"
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam $clip --template "a photo of a {}" --epochs 1 --out photo
grep -q 'a photo of a {}' photo/best/adapter_config.json || fail "the adapter does not say its template"
expect 0 "$ssam" segment --checkpoint base.safetensors --adapter photo/best --image "$image" --label tumour $clip --out photo.png
expect 2 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam $clip --features labels.safetensors --out never
expect 2 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --template "a {}" --out never
}
expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 --out hashed
complains "without CLIP"
expect 0 "$ssam" eval --checkpoint base.safetensors --adapter run/best --data data/manifest.json --split val --json
[ ! -e never.png ] && [ ! -e never ] || fail "a refused command left a file"
