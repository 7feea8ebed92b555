#!/bin/sh
# compare_pytorch.sh BENCH_CUDA [STEPS]: ssam's table and PyTorch's, one after the other on the same card. PyTorch (of
# PYTHON, by default python3) is only compared with; without it ssam's table stands alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=$1 steps=${2:-20}
python=${PYTHON:-python3}

"$bench" "$steps"
echo
if ! command -v "$python" >/dev/null || ! "$python" -c 'import torch' 2>/dev/null; then
  echo "PyTorch was not found: nothing to compare with"
  exit 0
fi
exec "$python" "$here/pytorch_reference.py" "$steps"
