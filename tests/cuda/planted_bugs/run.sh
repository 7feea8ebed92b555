#!/bin/sh
# run.sh ROOT PARITY_TEST COMPILER FLAGS... -- OBJECTS AND LIBRARIES...
# The emulated GPU and the parity tests can fail: bugs that are easily made are planted in copies of the kernels, one at a
# time; the parity test of the op must compile, run and fail, and on the kernels as they are (PARITY_TEST) it must pass.
set -eu
root=$1 parity_test=$2
shift 2
newline='
'
IFS=$newline  # arguments may hold spaces
compile=
while [ "$1" != -- ]; do
  compile=$compile$newline$1
  shift
done
shift
link="$*"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bugs=0 missed=0

# plant SOURCE TEST_CASE HEADER WHAT AWK: with AWK's change in ops/cuda/HEADER the tests TEST_CASE of parity_SOURCE.cpp
# fail. AWK replaces $0 of exactly one line.
plant() {
  source=$1 tests=$2 header=ssam/ops/cuda/$3 what=$4 change=$5
  bugs=$((bugs + 1))
  overlay=$folder/$bugs
  mkdir -p "$overlay/ssam/ops/cuda"
  awk "$change { print }" "$root/include/$header" >"$overlay/$header"
  if [ "$(diff "$root/include/$header" "$overlay/$header" | grep -c '^<')" -ne 1 ]; then
    echo "$header no longer has the line for '$what': please plant it anew"
    missed=$((missed + 1))
    return
  fi
  if ! timeout 120 "$parity_test" "--source-file=*parity_$source*" "--test-case=$tests" >"$folder/log" 2>&1 ||
    grep -q 'test cases: *0 ' "$folder/log"; then
    echo "'$tests' of parity_$source.cpp does not pass before anything is planted"
    tail -n 20 "$folder/log"
    missed=$((missed + 1))
    return
  fi
  # shellcheck disable=SC2086
  $compile "-I$overlay" "-I$root/include" -c "$root/tests/cuda/parity_$source.cpp" -o "$overlay/parity.o"
  # shellcheck disable=SC2086
  $compile "$overlay/parity.o" $link -o "$overlay/parity"
  code=0
  timeout 120 "$overlay/parity" --abort-after=1 "--test-case=$tests" >"$folder/log" 2>&1 || code=$?
  if grep -q '^ssam_emulation: ' "$folder/log"; then
    echo "refused by the emulated GPU: $what ($(sed -n 's/^ssam_emulation: //p' "$folder/log" | head -n 1))"
  elif [ "$code" -eq 1 ]; then
    echo "failed a test: $what"
  elif [ "$code" -eq 132 ]; then
    echo "trapped: $what"
  else
    echo "NOT CAUGHT (exit code $code): $what"
    tail -n 20 "$folder/log"
    missed=$((missed + 1))
  fi
}

plant loss 'mask loss and its gradient*' kernel.cuh 'sums of a block without the barrier after its warps have written' \
  '/^  __syncthreads\(\);$/ && ++seen == 2 { $0 = "" }'
plant attention 'CUDA attention of tokens*' attention_forward.cuh 'a tile of keys overwritten while it is read' \
  '/__syncthreads\(\);  \/\/ the last tile/ { $0 = "" }'
plant attention 'CUDA attention of tokens*' attention_forward.cuh 'the last key of a tile left out' \
  '/scores\[i\]\[j\] = key < length \?/ { sub(/key < length/, "key + 1 < length") }'
plant attention_tensor 'CUDA attention on tensor cores*' attention_tensor_tile.cuh 'weights of the next eight rows taken for these' \
  '/detail::bf16_pair\(weights\[1\]\[j\], weights\[1\]\[j \+ 1\]\)/ { sub(/weights\[1\]\[j\], weights\[1\]\[j \+ 1\]/, "weights[0][j], weights[0][j + 1]") }'
plant attention_tensor 'CUDA attention on tensor cores*' attention_backward.cuh 'terms of keys read while they are written' \
  '/^      __syncthreads\(\);$/ { $0 = "" }'
plant gemm 'matrix products agree*' gemm.cuh 'leading dimensions of a product swapped' \
  '/right\.data, Types::operand, right\.stride, &beta, c\.data/ { sub(/right\.stride/, "left.stride") }'
plant gemm 'products with a bias agree*' linear_plan.cuh 'strides of the weight and the input of a product with a bias swapped' \
  '/layout\(problem\.operand, problem\.in, problem\.out, problem\.w_stride\)/ { sub(/w_stride/, "x_stride") }'
plant gemm 'a product with a bias is asked about once*' linear.cuh 'an algorithm for aligned operands used for others' \
  '/\.x_alignment = / { sub(/ssam::detail::alignment_of\(input\.data\)/, "256") }'
plant resize 'interpolation of tensors that do not begin*' kernel.cuh '16-byte accesses without a look at the alignment' \
  '/reinterpret_cast<std::uintptr_t>\(data\) % 16 == 0 &&/ { sub(/reinterpret_cast<std::uintptr_t>\(data\) % 16 == 0 &&/, "data != nullptr \\&\\&") }'
plant resize 'bilinear interpolation*' resize.cuh 'the last reader of a pixel left out of its gradient' \
  '/i < readers\.end/ { sub(/i < readers\.end/, "i + 1 < readers.end") }'
plant convolution 'patches and their adjoint*' convolution.cuh 'patches written one after the other whatever their stride' \
  '/cols \+ patch \* stride \+ kh \* run/ { sub(/patch \* stride/, "patch * at.kernel * run") }'
plant norm 'layer norm forward*' column_sums.cuh 'sums of columns without a barrier between the warps' \
  '/^  __syncthreads\(\);$/ { $0 = "" }'
plant optimizer 'one launch steps*' optimizer.cuh 'elements after the last whole access of 16 bytes left out' \
  '/Index i = vectors \* Vector::size \+ threadIdx\.x/ && ++seen == 1 { sub(/vectors \* Vector::size/, "(vectors + 1) * Vector::size") }'

echo "$bugs bugs planted, $missed missed"
[ "$missed" -eq 0 ]
