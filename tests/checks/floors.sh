#!/bin/sh
# floors.sh ROOT: prints every place where the sources break the order of the house, exit 1 if there is one.
# - A header includes only what stands on its own floor or a lower one.
# - Only ops/ (and core/context.hpp, which owns the pool) names OpenMP; only ops/ includes Eigen and oneDNN, only data/
#   OpenCV and the libraries of NIfTI and DICOM, only core/xtensor.hpp xtensor.
# - Only ops/cuda/ includes a CUDA header or one of its own, but for ops/ops.hpp, where a program that asked for CUDA
#   gets it. Nothing above ops/ names CUDA; below, only the tags in core/device.hpp do. Kernels have dynamic shared memory
#   only, and are started by ops/cuda/launch.cuh only: the tests fence and shuffle what passes there.
# - Everything lives in the inline namespace that core/version.hpp names.
# - Includes of the library are written <ssam/...>. ssam.hpp reaches every header. A file has at most 450 lines.
set -eu
cd "$1"
headers=$(find include/ssam -name '*.hpp' -o -name '*.cuh' | LC_ALL=C sort)
sources=$(for folder in include examples tests benchmarks; do
  if [ -d "$folder" ]; then find "$folder" -name '*.[hc]pp' -o -name '*.cu' -o -name '*.cuh'; fi
done | LC_ALL=C sort)

# shellcheck disable=SC2086
complaints=$(
  awk '
    BEGIN {
      split("core:0 eval:0 testing:1 io:1 data:2 ops:3 nn:4 adapt:5 text:5 sam:6 nets:6 train:7 experiment:8", pairs, " ")
      for (i in pairs) { split(pairs[i], pair, ":"); floor[pair[1]] = pair[2] }
    }
    function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text }
    FNR == 1 {
      header = substr(FILENAME, length("include/") + 1)
      place = header
      sub("^ssam/", "", place)
      top = place == "ssam.hpp"
      sub("/.*", "", place)
      cuda = header ~ /^ssam\/ops\/cuda\//
      if (cuda != (header ~ /[.]cuh$/)) complain("ops/cuda/ holds the .cuh files, and nothing else")
      if (!top && !(place in floor)) complain("not on any floor")
      known[header] = 1
    }
    {
      code = $0
      sub("//.*", "", code)
    }
    code ~ /^[ \t]*#[ \t]*include/ {
      name = code
      gsub(/^[ \t]*#[ \t]*include[ \t]*[<"]|[>"].*$/, "", name)
      if (code ~ /"/) complain("include \"" name "\": write <ssam/...>")
      if (name ~ /^ssam\//) {
        included[header] = included[header] " " name
        target = name
        sub("^ssam/", "", target)
        sub("/.*", "", target)
        if (!top && floor[target] > floor[place]) complain(place "/ includes " name ", which stands on a higher floor")
        if (name == "ssam/ssam.hpp") complain("includes the whole library")
      }
      if (name ~ /^(Eigen|unsupported)\// && place != "ops") complain("only ops/ includes Eigen")
      if (name ~ /dnnl/ && place != "ops") complain("only ops/ includes oneDNN")
      if (name == "omp.h" && place != "ops" && header != "ssam/core/context.hpp") complain("only ops/ includes OpenMP")
      if (name ~ /^opencv/ && place != "data") complain("only data/ includes OpenCV")
      if (name ~ /^(nifti[0-9]|gdcm)/ && place != "data") complain("only data/ includes a library of NIfTI or DICOM")
      if (name ~ /^(cuda|cublas|cusolver|curand|cudnn|nccl|thrust|cub|cooperative_groups|mma)[A-Za-z0-9_]*[.\/]/ && !cuda) complain("only ops/cuda/ includes CUDA")
      if (name ~ /[.]cuh$/ && !cuda && header != "ssam/ops/ops.hpp") complain("only ops/cuda/ includes a .cuh")
      if (name ~ /^xt(ensor|l)\// && header != "ssam/core/xtensor.hpp") complain("only core/xtensor.hpp includes xtensor")
    }
    code ~ /#[ \t]*pragma[ \t]+omp|(^|[^a-z_])omp_[a-z]/ && place != "ops" && header != "ssam/core/context.hpp" {
      complain("only ops/ names OpenMP")
    }
    tolower(code) ~ /cuda/ && floor[place] > floor["ops"] { complain("nothing above ops/ names CUDA") }
    tolower(code) ~ /cuda/ && floor[place] < floor["ops"] && !top && header != "ssam/core/device.hpp" {
      complain("below ops/ only core/device.hpp names CUDA")
    }
    code ~ /^namespace ssam/ && code !~ /^namespace ssam::inline SSAM_ABI/ {
      complain("write namespace ssam::inline SSAM_ABI")
    }
    code ~ /^namespace ssam/ && included[header] == "" && header != "ssam/core/version.hpp" {
      complain("include <ssam/core/version.hpp>, which defines SSAM_ABI")
    }
    code ~ /__(global|device)__/ && !cuda && header != "ssam/core/device.hpp" { complain("only ops/cuda/ has code for GPUs") }
    code ~ /__shared__/ && header != "ssam/ops/cuda/kernel.cuh" { complain("kernels have dynamic shared memory only") }
    code ~ /<<<|cudaLaunch/ && header != "ssam/ops/cuda/launch.cuh" { complain("only launch.cuh starts kernels") }
    END {
      reached["ssam/ssam.hpp"] = 1
      do {
        grown = 0
        for (from in reached) {
          count = split(included[from], list, " ")
          for (i = 1; i <= count; ++i) if (!(list[i] in reached)) { reached[list[i]] = 1; grown = 1 }
        }
      } while (grown)
      for (header in known) if (!(header in reached)) print "include/" header ": not reached from ssam.hpp"
    }' $headers
  awk 'FNR == 451 { print FILENAME ": more than 450 lines" }' $sources
)
if [ -n "$complaints" ]; then
  printf '%s\n' "$complaints"
  exit 1
fi
echo "$(printf '%s\n' "$headers" | wc -l) headers, $(printf '%s\n' "$sources" | wc -l) sources: in order"
