#!/bin/bash
# The report of an experiment in a browser: at three widths no script errors, all pictures there, nothing wider than the
# window.
. "$(dirname "$0")/common.sh"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -z "$browser" ]; then
  echo "skipped: no chromium is found, so the page cannot be opened"
  exit 0
fi

expect 0 "$ssam" scenes --kind phantom --out us --train 6 --val 2 --test 5 --size 64 --seed 3
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out random.safetensors
expect 0 "$ssam" train --checkpoint random.safetensors --data us/manifest.json --recipe full_fine_tuning --out pre --epochs 1
expect 0 "$ssam" merge --checkpoint random.safetensors --adapter pre/last --out base.safetensors
cat >plan.json <<'END'
{"checkpoint": "base.safetensors",
 "data": [{"name": "ultrasound <drawn>", "data": "us/manifest.json"}, {"name": "again", "data": "us/manifest.json"}],
 "recipes": ["zero_shot", "ssam", {"name": "LoRA & a name that is as long as names can get", "recipe": "lora"},
             {"name": "without luck", "recipe": "ssam", "train": {"batch": 3}},
             {"name": "slow", "recipe": "ssam", "train": {"lr": 1e-5}, "group": "ablation"}],
 "seeds": [0, 1], "train": {"epochs": 2, "labels-together": true, "batch": 16}}
END
expect 1 "$ssam" experiment plan.json --out out --jobs 2
complains "4 of 18 runs failed"
expect 0 "$ssam" report out --out report.html --against ssam
[ "$(grep -c '<h4>' report.html)" = 6 ] || fail "not three cases of each data set"

opens() { bash "$here/open_page.sh" "$browser" "$1" >page.txt 2>&1; }
opens report.html || { cat page.txt >&2; fail "the page is not in order"; }
grep -q '"pictures":36' page.txt || fail "not six pictures of each case"

# The check itself can fail.
for harm in 's#</main>#<script>nothing()</script></main>#' 's#base64,iVBOR#base64,AAAAA#' \
  's#</main>#<div style="width: 2000px">wide</div></main>#'; do
  sed "$harm" report.html >harmed.html
  opens harmed.html && fail "not noticed: $harm"
done
exit 0
