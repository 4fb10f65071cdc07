#!/bin/sh
# deb.sh SOURCE BUILD WORK: makes the Debian packages of the build, installs them in a bare Debian
# of this system's version, and uses them there from C, C++, Fortran and Python. Status 77, which
# ctest calls skipped, where there is no root, debootstrap or network.
set -eu
source=$1
build=$2
work=$3
# shellcheck source=/dev/null
. "$source/tests/packages/bare.sh"
for program in cpack dpkg-shlibdeps; do
  command -v $program >/dev/null || skip "there is no $program (Debian's cmake and dpkg-dev)"
done
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)

rm -rf "$work"
mkdir -p "$work"
root=$work/root
bare "${suite:-none}" "$root"
(cd "$build" && cpack -B "$work/packages") >"$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; exit 1; }
mkdir "$root/debs" "$root/tests"
cp "$work"/packages/*.deb "$root/debs"
for folder in capi fortran install python; do cp -r "$source/tests/$folder" "$root/tests"; done
cp -r "$source/examples" "$root/"

cat >"$root/use.sh" <<'END'
set -eux
install() { apt-get install -y --no-install-recommends "$@"; }
apt-get update
# The program needs none of the other packages.
install /debs/mec_*.deb
mec info
mec bench step --width 4 --batch 4 --steps 1

install /debs/mec-mpi_*.deb
mec info | grep 'MPI: Open MPI'

# Python, without a compiler.
install /debs/python3-mec_*.deb /debs/libmec[0-9]*.deb
python3 /tests/python/interface.py mec

# C, in nothing but the library and a C compiler.
install /debs/libmec-dev_*.deb gcc libc6-dev pkg-config
cd /tests
cc -std=c99 -Wall -pedantic -Werror capi/program.c -o program $(pkg-config --cflags --libs mec) -lm
./program run_c
install /debs/mec-onnx_*.deb
mec export run_c/encoder.safetensors --onnx run_c.onnx

install gfortran
gfortran /usr/share/mec/fortran/mec_c.f90 /usr/share/mec/fortran/mec.f90 fortran/calls.f90 -o calls -lmec
./calls

# C++, with what the package recommends for it.
install $(apt-cache depends libmec-dev | sed -n 's/.*Recommends: //p') g++ cmake make
configure() { cmake -S install -B consumer -DC_PROGRAM=/tests/capi/program.c -DEXAMPLES=/examples; }
if mec info | grep 'built without CUDA'; then
  configure
  cmake --build consumer
  consumer/consumer
  consumer/pretrain run_cpp
  consumer/c_static_program run_static
else  # NVIDIA's toolkit is no package of Debian's main archive
  if configure 2>said.txt; then exit 1; fi
  tr '\n' ' ' <said.txt | grep 'needs the CUDA *toolkit'
fi

# Nothing is left behind.
apt-get purge -y mec mec-mpi mec-onnx libmec-dev libmec1 python3-mec
if find / -xdev \( -path /proc -o -path /tests -o -path /debs -o -path /examples \) -prune -o -name '*mec[._]*' -print -o -name mec -print | grep .; then exit 1; fi
END
inside "$root" sh /use.sh >"$work/use.log" 2>&1 || {
  tail -n 40 "$work/use.log"
  exit 1
}
rm -rf "$root"
