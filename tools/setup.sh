#!/usr/bin/env bash
# Installs what mec is built with, from Debian's (or Ubuntu's) packages.
#
#   tools/setup.sh               as root, or through sudo where that works; otherwise prints the
#                                line to run
#   tools/setup.sh --prefix DIR  unpacks the libraries' packages into DIR instead; needs no root
#                                (make finds them by itself in .deps; else cmake
#                                -DCMAKE_PREFIX_PATH=DIR/usr)
#   tools/setup.sh --check       says what is missing; exit status 0 when nothing is. Never uses the
#                                network.
set -euo pipefail
cd "$(dirname "$0")/.."

# package, and what shows it to be there: !command, or a file below /usr or a prefix. Those with
# ?command are welcome but not missed: ninja is faster than make, python3 runs the checks of style,
# gnuplot draws pictures, MPI trains in several processes; NumPy (which has f2py), gfortran and
# pkg-config serve mec in other languages; dpkg-dev makes packages.
needed="
g++                     !c++
make                    !make
cmake                   !cmake
ninja-build             ?ninja
python3                 ?python3
python3-numpy           ?f2py
pkg-config              ?pkg-config
gfortran                ?gfortran
dpkg-dev                ?dpkg-shlibdeps
gnuplot-nox             ?gnuplot
zlib1g-dev              include/zlib.h
libjpeg62-turbo-dev     include/jpeglib.h
libpng-dev              include/png.h
libwebp-dev             include/webp/demux.h
libtiff-dev             include/@/tiffio.h
libgif-dev              include/gif_lib.h
libopenmpi-dev          ?mpicxx
openmpi-bin             ?mpirun
libonnx-dev             include/onnx/checker.h
libprotobuf-dev         include/google/protobuf/message.h
libdnnl-dev             include/oneapi/dnnl/dnnl.hpp
libopenblas-openmp-dev  include/@/openblas-openmp/cblas.h
liblapacke-dev          include/lapacke.h
doctest-dev             include/doctest/doctest.h
libstb-dev              include/stb/stb_image.h
nlohmann-json3-dev      include/nlohmann/json.hpp
libcli11-dev            include/CLI/CLI.hpp
libtomlplusplus-dev     include/toml++/toml.h
libjs-dygraphs          share/javascript/dygraphs/dygraph.min.js
dataset-fashion-mnist   share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
"
# What these need at run time and a --prefix folder must hold as well; a Debian system has it
# through apt.
runtime="libdnnl2 libopenblas0-openmp liblapacke libtmglib3 libgfortran5 libquadmath0 ocl-icd-libopencl1 libstb0
libjpeg62-turbo libpng16-16 libwebp7 libwebpdemux2 libtiff6 liblerc4 libdeflate0 libjbig0 liblzma5 libzstd1 libgif7
libonnx1 libprotobuf32"

usage() { sed -n '4,10s/^# \{0,1\}//p' "$0"; exit "$1"; }

prefix=.deps check=no
while [ $# -gt 0 ]; do
  case "$1" in
    --check) check=yes; shift ;;
    --prefix) [ $# -ge 2 ] || usage 2; prefix="$2"; unpack=yes; shift 2 ;;
    -h | --help) usage 0 ;;
    *) usage 2 ;;
  esac
done

present() {  # $1: as in the table above
  local root
  case "$1" in [?!]*) command -v "${1:1}" >/dev/null; return ;; esac
  for root in "$prefix/usr" /usr /usr/local ${CMAKE_PREFIX_PATH:+${CMAKE_PREFIX_PATH//[:;]/ }}; do
    compgen -G "$root/${1/@/*}" >/dev/null && return
  done
  return 1
}

missing="" welcome=""
while read -r package probe; do
  [ -n "$package" ] || continue
  present "$probe" || case "$probe" in
    [?]*) welcome="$welcome $package" ;;
    *) missing="$missing $package" ;;
  esac
done <<<"$needed"
if [ "$check" = yes ]; then
  [ -z "$missing" ] || echo "missing:$missing"
  [ -z "$missing" ]; exit
fi
if [ -z "$missing$welcome" ]; then echo "Nothing is missing."; exit 0; fi
missing="$missing$welcome"

if [ "${unpack:-no}" = yes ]; then
  mkdir -p "$prefix/archives/partial"
  prefix="$(cd "$prefix" && pwd)"
  packages="$runtime" commands=""
  for package in $missing; do
    case "$package" in
      g++ | make | cmake | ninja-build | python3 | gnuplot-nox | python3-numpy | pkg-config | gfortran | dpkg-dev) commands="$commands $package" ;;
      *) packages="$packages $package" ;;
    esac
  done
  # Programs do not work from an unpacked folder without more ado: those the machine must have.
  [ -z "$commands" ] || echo "Not unpacked, ask for them on this machine:$commands" >&2
  (cd "$prefix/archives" && apt-get download $packages && for deb in *.deb; do dpkg -x "$deb" "$prefix"; done)
  rm -rf "$prefix/archives"
  echo "Unpacked into $prefix. Configure with -DCMAKE_PREFIX_PATH=$prefix/usr (make does so for .deps)."
  exit 0
fi

as_root=""
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo"
  else
    echo "Run this, or try tools/setup.sh --prefix .deps:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
  fi
fi
command -v apt-get >/dev/null || { echo "No apt-get here. Install what Debian calls:$missing" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update
$as_root apt-get install -y --no-install-recommends $missing
