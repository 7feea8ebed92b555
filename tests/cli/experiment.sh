#!/bin/bash
# A small experiment: run, killed and gone on with, extended, with a failure; its tables.
. "$(dirname "$0")/common.sh"

expect 0 "$ssam" scenes --kind phantom --out us --train 6 --val 2 --test 5 --size 64 --seed 3
expect 0 "$ssam" scenes --out scenes --train 4 --val 2 --test 4 --size 64 --seed 4
expect 0 "$ssam" init --config "$here/tiny_config.json" --seed 1 --out random.safetensors
expect 0 "$ssam" train --checkpoint random.safetensors --data us/manifest.json --recipe full_fine_tuning --out pre --epochs 1
expect 0 "$ssam" merge --checkpoint random.safetensors --adapter pre/last --out base.safetensors
cat >plan.json <<'END'
{"checkpoint": "base.safetensors",
 "data": [{"name": "ultrasound", "data": "us/manifest.json"}, {"name": "scenes", "data": "scenes/manifest.json"}],
 "recipes": ["ssam", {"name": "LoRA & co", "recipe": "lora", "train": {"lr": 0.02}}],
 "seeds": [0, 1], "against": "ssam",
 "train": {"epochs": 3, "lr": 0.01, "labels-together": true, "batch": 16, "checkpoint-every": 1}}
END
tables() { "$ssam" report "$1" --csv "$1.csv" --markdown "$1.md" --latex "$1.tex"; }

# Without a break.
expect 0 "$ssam" experiment plan.json --out whole --jobs 2 --threads 2
says "8 runs, 0 of them done before"
says "ultrasound, LoRA & co, seed 1: mean DSC"
says "ssam report whole --out report.html"
expect 0 tables whole
says "scenes: DSC by object, over the images that have it"
[ "$(head -n 1 whole.csv)" = data,group,cases,method,object,seeds,mean,deviation,against,t_p,wilcoxon_p ] || fail "other columns"
[ ! -e whole/.ssam.lock ] || fail "the lock is left behind"
grep -q '"versions"' whole/cells/scenes/ssam/seed_0/cell.json || fail "the record has no versions"

# The same figure as the evaluation's own.
mean=$(grep -o '"mean": {[^}]*' <(tr -d '\n' <whole/cells/ultrasound/ssam/seed_0/scores/report.json) |
  grep -o '"dice": [0-9.]*' | cut -c9-16)
grep -q "\"seed\": 0" whole/cells/ultrasound/ssam/seed_0/cell.json || fail "the record has no seed"
cat >one.json <<'END'
{"checkpoint": "base.safetensors", "data": [{"name": "ultrasound", "data": "us/manifest.json"}], "recipes": ["ssam"],
 "train": {"epochs": 3, "lr": 0.01, "labels-together": true, "batch": 16, "checkpoint-every": 1}}
END
expect 0 "$ssam" experiment one.json --out one
expect 0 tables one
grep -q "^ultrasound,,all,ssam,mean,1,$mean" one.csv || fail "the table has another mean than the evaluation: $mean"

# Killed again and again, and gone on with: the same tables, byte by byte, and nothing is left running.
kills=0
while :; do
  "$ssam" experiment plan.json --out broken --jobs 2 --threads 2 >out.txt 2>err.txt &
  parent=$!
  sleep "0.$((3 + kills * 3 % 7))"
  sleep $((kills / 4))
  if kill -9 $parent 2>/dev/null; then
    kills=$((kills + 1))
    wait $parent 2>/dev/null
    [ $kills -lt 60 ] || fail "it does not come to an end"
  else
    wait $parent || { cat out.txt err.txt >&2; fail "the run that was gone on with failed"; }
    break
  fi
done
[ $kills -gt 1 ] || fail "it was never interrupted"
expect 0 tables broken
for kind in csv md tex; do cmp whole.$kind broken.$kind || fail "an interrupted experiment has other tables"; done
for cell in $(cd whole && find cells -name scores.csv); do
  cmp "whole/$cell" "broken/$cell" || fail "an interrupted run has other scores"
done

# What is done is not done again; a larger plan goes on; a changed one is refused.
expect 0 "$ssam" experiment plan.json --out whole
says "8 of them done before"
sed 's/"recipes": \["ssam", /"recipes": ["ssam", {"recipe": "zero_shot", "eval": {"unseen-labels": true}}, /' plan.json >larger.json
expect 0 "$ssam" experiment larger.json --out whole
says "10 runs, 8 of them done before"
expect 0 "$ssam" report whole --against zero_shot --json
says '"against": "zero_shot"'
says '"unfinished": []'
sed 's/"epochs": 3/"epochs": 4/' plan.json >changed.json
expect 1 "$ssam" experiment changed.json --out whole
one_clear_line
complains "other settings for a cell"

# Refused before anything is run.
sed 's/"epochs": 3/"epoch": 3/' plan.json >wrong.json
expect 1 "$ssam" experiment wrong.json --out wrong
one_clear_line
complains "did you mean --epochs?"
sed 's/"lora"/"lorra"/' plan.json >wrong.json
expect 1 "$ssam" experiment wrong.json --out wrong
one_clear_line
complains "did you mean 'lora'?"
sed 's#us/manifest#su/manifest#' plan.json >wrong.json
expect 1 "$ssam" experiment wrong.json --out wrong
one_clear_line
complains "the data set 'ultrasound' of the plan is not there"
[ ! -e wrong ] || fail "a refused plan has left something"
expect 1 "$ssam" report us
complains "no folder of an experiment"
expect 2 "$ssam" report whole --out report.txt
expect 1 "$ssam" report whole --against ssan --csv a.csv
complains "did you mean 'ssam'?"

# A failure is recorded, the rest goes on, and the same command tries again.
sed 's/"train": {"lr": 0.02}/"train": {"batch": 3}/' one.json |
  sed 's/"recipes": \["ssam"\]/"recipes": [{"name": "wrong batch", "recipe": "lora", "train": {"batch": 3}}, "ssam"]/' >failing.json
expect 1 "$ssam" experiment failing.json --out failing
complains "1 of 2 runs failed"
complains "wrong batch"
says "ultrasound, ssam, seed 0: mean DSC"
says "ultrasound, wrong batch, seed 0: failed: train: "
expect 1 "$ssam" experiment failing.json --out failing
says "1 of them done before"
expect 0 "$ssam" report failing --out failing.html
says "1 of 2 runs are not finished"
grep -q "wrong batch, seed 0" failing.html || fail "the page does not show the failure"
