#!/bin/bash
# The published figures.
. "$(dirname "$0")/common.sh"

trained() {  # recipe, backbone, image size, rule, figure
  expect 0 "$ssam" params --recipe "$1" --backbone "$2" --image-size "$3" --rule "$4" --json
  says "\"trained\": $5,"
}
trained ssam vit_b 256 release 444672
trained ssam vit_b 512 release 1034496
trained ssam vit_b 1024 release 3393792
trained lora vit_b 256 release 974080
trained 'lora<4>' vit_b 512 release 1563904
trained lora4 vit_b 1024 release 3923200
trained adaptivesam vit_b 256 release 4507876
trained bias_tuning vit_b 512 release 5097700
trained bias_tuning vit_b 1024 release 7456996
trained ssam vit_b 256 paper 441088
trained zero_shot vit_h 1024 paper 0

expect 0 "$ssam" params --recipe ssam --image-size 256 --rule release --json
for entry in '"recipe": "ssam"' '"backbone": "vit_b"' '"image_size": 256' '"rule": "release"' \
  '"singular_values": 74752' '"norms": 36864' '"positional": 196608' '"text_affine": 131840' '"decoder": 4608'; do
  says "$entry"
done
expect 0 "$ssam" params --recipe ssam --image-size 256 --rule release
says "trainable params: 444,672 || all params: "
expect 0 "$ssam" params --backbone vit_l
for recipe in zero_shot layer_norm_tuning ssam lora bias_tuning full_fine_tuning; do says "$recipe"; done
says "312,342,832"
