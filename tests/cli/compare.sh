#!/bin/bash
# Evaluations on disk, and two of them compared.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" scenes --kind phantom --out data --train 6 --val 2 --test 5 --size 64 --seed 3
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out base.safetensors
for run in one two; do
  expect 0 "$ssam" train --checkpoint base.safetensors --data data/manifest.json --recipe ssam --epochs 1 \
    --lr "$([ $run = one ] && echo 0.01 || echo 0.05)" --out $run
done

evaluate() { "$ssam" eval --checkpoint base.safetensors --data data/manifest.json "$@"; }

# What an evaluation writes.
expect 0 evaluate --adapter one/best --out scores_one --worst 3
says "95 % intervals of the mean: percentile bootstrap, 10000 resamples of the 5 images"
says "in scores_one: scores.csv"
head -n 1 scores_one/scores.csv | grep -q '^image,split,group,label,blank_truth,.*,dice,published_dice,iou,precision,recall$' ||
  fail "other columns"
labels=$(grep -c . <<<"$(cut -d, -f4 scores_one/scores.csv | tail -n +2 | sort -u)")
[ "$(wc -l <scores_one/scores.csv)" = $((1 + 5 * labels)) ] || fail "not one line per image and label"
grep -q '^images/test_00000.png,test,,' scores_one/scores.csv || fail "images are not named by their place in the data set"
[ "$(find scores_one/worst -name '0*_*.png' | wc -l)" = 3 ] || fail "not 3 pictures"
grep -q '"dice_intervals"' scores_one/report.json || fail "the report has no intervals"
[ ! -e scores_one/.ssam.lock ] || fail "the lock is left behind"

# The same numbers in the report as of the file: the mean of a label.
label=$(sed -n 2p scores_one/scores.csv | cut -d, -f4)
awk -F, -v label="$label" '$4 == label { sum += $10; n++ } END { printf "%.4f\n", sum / n }' scores_one/scores.csv >mean.txt
expect 0 evaluate --adapter one/best
grep "^$label " out.txt | head -n 1 | grep -q " $(cat mean.txt) " || fail "the table has another mean than the scores"

# An earlier evaluation is replaced, with its pictures; nothing else is.
expect 0 evaluate --adapter one/best --out scores_one --worst 1 --distances --tolerance 2 --centerlines
says "NSD 2px"
[ "$(find scores_one/worst -name '*.png' | wc -l)" = 1 ] || fail "old pictures are left"
head -n 1 scores_one/scores.csv | grep -q 'recall,hd_px,hd95_px,nsd_2px,centerline_dice$' || fail "no distances"
mkdir other
echo mine >other/scores.csv
expect 1 evaluate --adapter one/best --out other
one_clear_line
complains "would replace what it did not write"
[ "$(cat other/scores.csv)" = mine ] || fail "a strange file was replaced"
expect 2 evaluate --adapter one/best --worst 3
complains "--out"
expect 2 evaluate --adapter one/best --tolerance 3
complains "--distances"

# Two evaluations compared.
expect 0 evaluate --adapter one/best --out scores_a
expect 0 evaluate --adapter two/best --out scores_b
expect 0 "$ssam" compare scores_a scores_b
says "A: scores_a"
says "Over the images that have the label:"
says "Wilcoxon signed-rank p = "
expect 0 "$ssam" compare scores_a/scores.csv scores_b --metric iou --json
says '"metric": "iou"'
says '"wilcoxon_p_holm":'
says '"cases": "nonblank"'
expect 0 "$ssam" compare scores_a scores_a
says "there is no difference."
grep -qi 'nan' out.txt && fail "a number that is none"
expect 0 "$ssam" compare scores_one scores_one --metric hd95
expect 0 "$ssam" compare scores_one scores_one --metric nsd
expect 1 "$ssam" compare scores_a scores_b --metric hd95
one_clear_line
complains "evaluate with --distances"
expect 2 "$ssam" compare scores_a scores_b --metric accuracy
expect 2 "$ssam" compare scores_a
expect 1 "$ssam" compare scores_a nowhere
one_clear_line

# What differs is said.
grep -v '^images/test_00001.png' scores_b/scores.csv >fewer.csv
expect 1 "$ssam" compare scores_a fewer.csv
one_clear_line
complains "run B lacks 'images/test_00001.png'"
sed 's/,test,/,val,/; 2{p;}' scores_b/scores.csv >twice.csv
expect 1 "$ssam" compare scores_a twice.csv
one_clear_line
complains "line 3, column 'image'"
expect 0 evaluate --adapter one/best --out scores_wide --distances --tolerance 3
expect 1 "$ssam" compare scores_one scores_wide --metric nsd
one_clear_line
complains "expected nsd_2px as in run A, found nsd_3px in run B"
