#!/bin/sh
# static.sh SOURCE BUILD DATA PROGRAM [OPTION...]: builds the preset `static` in BUILD with CMake's
# options, and runs it where there is nothing else: in an empty root, and in an older Debian. DATA is
# a folder of images of every format, PROGRAM this build's mec, whose bits are expected. Status 77,
# which ctest calls skipped, where no root of one's own is to be had.
set -eu
source=$1
build=$2
images=$3
program=$4
shift 4
# shellcheck source=/dev/null
. "$source/tests/packages/bare.sh"
unshare --user --map-root-user true 2>/dev/null || skip "this system gives no namespaces"
cd "$source"
cmake --preset static -B "$build" "$@" >/dev/null
cmake --build "$build" --target mec_cli
file=$build/mec
readelf -d "$file" >"$build/dynamic.txt"
if grep NEEDED "$build/dynamic.txt"; then
  echo "it asks for shared libraries"
  exit 1
fi

# The README says its size.
said=$(sed -n 's/.*one file of \([0-9]*\) MB.*/\1/p' README.md)
size=$(($(stat -c %s "$file") / 1000000))
if [ "$size" -lt $((said - 2)) ] || [ "$size" -gt $((said + 2)) ]; then
  echo "it has $size MB, and the README says $said"
  exit 1
fi

# What runs in an empty root is the program and the kernel: no libc, no shell, no /proc.
root=$build/root
rm -rf "$root" "$build/beside"
mkdir -p "$root" "$build/beside"
cp "$file" "$root/mec"
cp -r "$images" "$root/images"
cat >"$root/config.toml" <<'END'
method = "mec"
[model]
arch = "resnet10"
stem = "cifar"
width = 8
dim = 16
pred_hidden = 4
[mec]
eps2 = 16
lambda_warmup_epochs = 0
[train]
epochs = 2
batch = 4
lr = 0.1
warmup_epochs = 1
[data]
path = "images"
kind = "folder"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
[augment]
size = 8
END
cp -r "$root/images" "$root/config.toml" "$build/beside"

in_nothing() { unshare --user --map-root-user env -i "$(command -v chroot)" "$root" /mec "$@"; }
refused() {  # text, variable, words: no run, but this message
  text=$1
  variable=$2
  shift 2
  if unshare --user --map-root-user env -i "$variable" "$(command -v chroot)" "$root" /mec "$@" 2>"$build/refused.txt"; then
    echo "a run that cannot be was not refused"
    exit 1
  fi
  grep -q "$text" "$build/refused.txt" || { cat "$build/refused.txt"; exit 1; }
}

in_nothing info | tee "$build/info.txt"
for line in "linked statically" "CUDA: missing: no GPU backend" "MPI: missing: runs have one process" "no GPU: built without CUDA"; do
  grep -q "$line" "$build/info.txt" || { echo "mec info does not say: $line"; exit 1; }
done
refused "device cuda: built without CUDA" A=1 pretrain config.toml --device cuda --out run
refused "but this build cannot join them over MPI: it was built without" OMPI_COMM_WORLD_SIZE=2 pretrain config.toml --out run

# The same run beside: the same bits.
in_nothing pretrain config.toml --out run --threads 2
in_nothing embed run --data images --split train --out features.npy
(
  cd "$build/beside"
  "$program" pretrain config.toml --out run --threads 2 --kernels own
  "$program" embed run --data images --split train --out features.npy --kernels own
)
for made in run/encoder.safetensors run/metrics.jsonl features.npy; do
  cmp "$root/$made" "$build/beside/$made"
done

# A Debian of five years ago.
bare bullseye "$build/bullseye"
cp -r "$root"/* "$build/bullseye/"
rm -r "$build/bullseye/run"
inside "$build/bullseye" /mec pretrain config.toml --out run --threads 2
cmp "$build/bullseye/run/encoder.safetensors" "$root/run/encoder.safetensors"
rm -rf "$build/bullseye"
