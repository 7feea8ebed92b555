#!/bin/sh
# Installs what ssam's build needs on Debian 12 and its relatives, from the distribution only. What is there already is
# left alone; when nothing is missing nothing is asked of the network. Works as root or through sudo.
set -eu

packages="g++ cmake ninja-build git pkg-config
libeigen3-dev nlohmann-json3-dev libxxhash-dev zlib1g-dev libdnnl-dev
libopencv-core-dev libopencv-imgproc-dev libopencv-imgcodecs-dev libjpeg62-turbo-dev
libnifti2-dev libgdcm-dev
libcli11-dev doctest-dev libbenchmark-dev libxtensor-dev
doxygen"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install_dependencies: this system has no apt; please install the equivalents of: $packages" >&2
  exit 1
fi

missing=""
for package in $packages; do
  case $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true) in
    *"installed "*) ;;
    *) missing="$missing $package" ;;
  esac
done
if [ -z "$missing" ]; then
  echo "install_dependencies: everything is there"
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install_dependencies: missing$missing; run this script as root (there is no sudo here)" >&2
    exit 1
  fi
  as_root="sudo"
fi
echo "install_dependencies: installing$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
