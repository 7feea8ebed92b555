#!/bin/sh
# The check itself can fail: a small tree is in order, and each way to break it is reported.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

fresh() {
  rm -rf "$tree/include"
  for folder in core ops/cpu ops/cuda nn data attic; do mkdir -p "$tree/include/ssam/$folder"; done
  echo '#include <ssam/nn/b.hpp>' >"$tree/include/ssam/ssam.hpp"
  echo '// cuda, in words' >"$tree/include/ssam/core/a.hpp"
  printf '#include <Eigen/Core>\n#include <ssam/core/a.hpp>\n#include <ssam/core/device.hpp>\n' >"$tree/include/ssam/ops/o.hpp"
  printf '#include <ssam/ops/o.hpp>\n#include <ssam/ops/cuda/k.cuh>\n' >"$tree/include/ssam/ops/ops.hpp"
  printf '#include <cuda_runtime.h>\n__global__ void k();\n' >"$tree/include/ssam/ops/cuda/k.cuh"
  echo 'struct Cuda {};' >"$tree/include/ssam/core/device.hpp"
  printf '#include <ssam/ops/ops.hpp>\n// CUDA is only named in a comment\n' >"$tree/include/ssam/nn/b.hpp"
}
# catches WORDS FILE LINE: with LINE added to FILE the check fails and its answer contains WORDS.
catches() {
  fresh
  echo "$3" >>"$tree/include/ssam/$2"
  if answer=$(sh "$here/floors.sh" "$tree"); then
    echo "not caught: '$3' in $2"
    failures=$((failures + 1))
  elif ! printf '%s' "$answer" | grep -q "$1"; then
    echo "'$3' in $2 was answered by: $answer"
    failures=$((failures + 1))
  fi
}

fresh
sh "$here/floors.sh" "$tree" >/dev/null || { echo "a tree in order is refused"; failures=1; }
catches 'higher floor' core/a.hpp '#include <ssam/nn/b.hpp>'
catches 'whole library' nn/b.hpp '#include <ssam/ssam.hpp>'
catches 'write <ssam' nn/b.hpp '#include "c.hpp"'
catches 'includes Eigen' nn/b.hpp '#include <Eigen/SVD>'
catches 'includes oneDNN' nn/b.hpp '# include <oneapi/dnnl/dnnl.h>'
catches 'includes OpenMP' nn/b.hpp '#include <omp.h>'
catches 'names OpenMP' nn/b.hpp '#pragma omp parallel for'
catches 'names OpenMP' nn/b.hpp 'int n = omp_get_num_threads();'
catches 'includes OpenCV' nn/b.hpp '#include <opencv2/core.hpp>'
catches 'library of NIfTI or DICOM' nn/b.hpp '#include <gdcmImage.h>'
catches 'library of NIfTI or DICOM' core/a.hpp '#include <nifti2_io.h>'
catches 'includes xtensor' nn/b.hpp '#include <xtensor/xadapt.hpp>'
catches 'names CUDA' nn/b.hpp 'void f(Context<Cuda>&);'
catches 'below ops' core/a.hpp 'void f(Context<Cuda>&);'
catches 'includes CUDA' ops/o.hpp '#include <cublas_v2.h>'
catches 'includes CUDA' core/a.hpp '#include <cuda_runtime.h>'
catches 'includes a .cuh' ops/o.hpp '#include <ssam/ops/cuda/k.cuh>'
catches 'holds the .cuh' ops/cuda/h.hpp ''
catches 'holds the .cuh' ops/cpu/h.cuh ''
catches 'code for GPUs' ops/o.hpp '__global__ void k();'
catches 'dynamic shared memory' ops/cuda/k.cuh '__shared__ float scratch[32];'
catches 'starts kernels' ops/cuda/k.cuh 'k<<<1, 32>>>();'
catches 'not reached' ops/cuda/d.cuh ''
catches 'not reached' data/d.hpp '#include <ssam/core/a.hpp>'
catches 'more than 450' nn/b.hpp "$(yes '//' | head -n 451)"
catches 'inline SSAM_ABI' nn/b.hpp 'namespace ssam {'
catches 'which defines SSAM_ABI' core/device.hpp 'namespace ssam::inline SSAM_ABI {'
catches 'not on any floor' attic/x.hpp ''
[ "$failures" -eq 0 ] && echo "each of the 28 ways to break the order is reported"
