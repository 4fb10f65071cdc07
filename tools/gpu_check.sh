#!/usr/bin/env bash
# Tests and measures the GPU backend on a machine that has the CUDA toolkit or PyTorch with NVIDIA's
# libraries, and needs nothing from a network. Results are left under $OUT (default:
# build/gpu-results).
#
#   tools/gpu_check.sh pack      here, beforehand: programs for compute capability 9.0, header-only
#                                libraries and Fashion-MNIST into .gpu/ (ignored by git, under
#                                64 MiB)
#   tools/gpu_check.sh first     there, on a borrowed GPU: tests, then the speed of a step beside
#                                PyTorch's, in five minutes
#   tools/gpu_check.sh second    and then: profiles, sanitizers, further speeds, in five minutes
#   tools/gpu_check.sh [STAGE]   there, on a GPU of one's own, with a compiler and CMake: build,
#                                test, sanitize, bench, peer or train; each takes under ten
#                                minutes; without a name all of them in this order
#
# Where no GPU is found it says so and exits with 77.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"  # nvcc, compute-sanitizer

STAGES="build test sanitize bench peer train"
BUILD=build/gpu
PACK="${MEC_GPU_PACK:-.gpu}"
OUT="${OUT:-build/gpu-results}"
MEC="$BUILD/mec"
DATA="$PACK/fashion-mnist"
# One step of the recipe on ImageNet's images, and of the demo's kind.
R50="--arch resnet50 --stem imagenet --width 64 --channels 3 --size 224 --dim 2048 --pred-hidden 512"

say() { printf '\n== %s\n' "$*"; }

# --- pack -----------------------------------------------------------------------------------------
header() {  # $1: the header, $2...: where it may lie; the folder that it is included from is copied as it is
  local name="$1" root
  shift
  for root in "$@"; do
    if [ -e "$root/$name" ]; then
      mkdir -p "$PACK/include/$(dirname "$name")"
      cp -r "$root/$name" "$PACK/include/$(dirname "$name")/"
      return
    fi
  done
  echo "gpu_check: $name is not in any of: $*; tools/setup.sh installs it" >&2
  exit 1
}

pack() {
  local roots=(.deps/usr/include /usr/local/include /usr/include)
  rm -rf "$PACK"
  mkdir -p "$DATA"
  header doctest "${roots[@]}"
  header nlohmann "${roots[@]}"
  header CLI "${roots[@]}"
  header toml++ "${roots[@]}"
  header stb/stb_image.h "${roots[@]}"
  python3 - "$DATA" .deps/usr/share/datasets/fashion-mnist /usr/share/datasets/fashion-mnist <<'END'
import gzip, os, struct, sys
out, folders = sys.argv[1], [f for f in sys.argv[2:] if os.path.isdir(f)]
if not folders:
    sys.exit("gpu_check: no Fashion-MNIST; tools/setup.sh installs it")
def cut(name, count):  # the first `count` of an IDX file, plain: the machine may have no zlib
    data = gzip.open(f"{folders[0]}/{name}.gz").read()
    dims = data[3]
    sizes = struct.unpack(f">{dims}I", data[4:4 + 4 * dims])
    each = len(data[4 + 4 * dims:]) // sizes[0]
    with open(f"{out}/{name}", "wb") as f:
        f.write(data[:4] + struct.pack(f">{dims}I", count, *sizes[1:]) + data[4 + 4 * dims:][:count * each])
for split, count in (("train", 10000), ("t10k", 2000)):
    cut(f"{split}-images-idx3-ubyte", count)
    cut(f"{split}-labels-idx1-ubyte", count)
END
  pack_programs
  local size
  size="$(du -sm "$PACK" | cut -f1)"
  du -sh "$PACK" "$PACK"/bin/*
  [ "$size" -lt 64 ] || { echo "gpu_check: $PACK has $size MiB, and 64 travel" >&2; exit 1; }
}

# For one architecture, with as little as possible that the other machine may lack: no library but
# those of C and C++, as Ubuntu 22.04 has them. (Debian 12's static C++ library would ask for a C
# library of 2.36.)
pack_programs() {
  local build=build/gpu-pack oldest newest off=()
  for dependency in OPENMP ONEDNN BLAS ZLIB JPEG PNG WEBP TIFF GIF; do off+=("-DMEC_$dependency=OFF"); done
  command -v ninja >/dev/null && off+=(-G Ninja)
  cmake -S . -B "$build" "${off[@]}" -DCMAKE_BUILD_TYPE=Release -DMEC_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=90-real -DMEC_EXAMPLES=OFF \
    -DCMAKE_EXE_LINKER_FLAGS=-static-libgcc -DCMAKE_PREFIX_PATH="$PWD/.deps/usr"
  cmake --build "$build" -j "${JOBS:-$(nproc)}" --target mec_cli test_gpu
  mkdir -p "$PACK/bin"
  strip -o "$PACK/bin/mec" "$build/mec"
  strip -o "$PACK/bin/test_gpu" "$build/tests/test_gpu"
  for oldest in GLIBC_2.35 GLIBCXX_3.4.30; do
    newest="$(objdump -T "$PACK"/bin/* | grep -oE "${oldest%%_*}_[0-9.]+" | sort -Vu | tail -n 1)"
    [ "$(printf '%s\n' "$newest" "$oldest" | sort -V | tail -n 1)" = "$oldest" ] ||
      { echo "gpu_check: the packed programs ask for $newest, newer than $oldest" >&2; exit 1; }
  done
}

# --- what the stages share ------------------------------------------------------------------------
need_gpu() {
  if ! nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null | grep .; then
    echo "gpu_check: no GPU here (nvidia-smi lists none)"
    exit 77
  fi
}
need_build() {
  [ -x "$MEC" ] || { echo "gpu_check: $MEC is not there; run tools/gpu_check.sh build first" >&2; exit 1; }
}

# What the toolkit lacks may come with Python packages, without the links that linkers look for.
# Prints a folder with include/ and lib/, or nothing where nothing is lacking.
wheels_root() {
  local root="$PWD/$BUILD/wheels" toolkit="${CUDA_HOME:-/usr/local/cuda}/include" packages library
  local headers=() libraries=()
  packages="$(python3 -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null)" || return 0
  if [ ! -e /usr/include/cudnn.h ] && [ ! -e "$toolkit/cudnn.h" ]; then
    headers+=("$packages"/cudnn/include/*) libraries+=("$packages"/cudnn/lib/libcudnn*.so.*)
  fi
  if [ ! -e "$toolkit/cublasLt.h" ] || [ ! -e "$toolkit/cusolverDn.h" ]; then
    headers+=("$packages"/cu13/include/{cublas,cusolver,cusparse}*)
    libraries+=("$packages"/cu13/lib/lib{cublas,cublasLt,cusolver,cusparse,nvJitLink}.so.*)
  fi
  if [ ! -e "$toolkit/nvtx3/nvToolsExt.h" ]; then headers+=("$packages"/cu13/include/nvtx3); fi
  [ "${#headers[@]}" -gt 0 ] || return 0
  mkdir -p "$root/lib" "$root/include"
  ln -sfn "$packages/cu13" "$PWD/$BUILD/cu13"  # where cuDNN, seen from $root/lib, looks for NVRTC
  ln -sfn "${headers[@]}" "$root/include/"
  for library in "${libraries[@]}"; do
    ln -sf "$library" "$root/lib/"
    ln -sf "$library" "$root/lib/$(basename "$library" | sed 's/\.so\..*/.so/')"
  done
  echo "$root"
}

# --- stages ---------------------------------------------------------------------------------------
build() {
  local wheels generator=()
  wheels="$(wheels_root)"
  if [ -n "$wheels" ]; then export CPATH="$wheels/include${CPATH:+:$CPATH}"; fi
  command -v ninja >/dev/null && generator=(-G Ninja)
  cmake -S . -B "$BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DMEC_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=90-real \
    -DCMAKE_PREFIX_PATH="$PWD/$PACK;$wheels" -DMEC_EXAMPLES=OFF -DMEC_CUDA_WERROR=OFF  # another compiler has other warnings
  cmake --build "$BUILD" -j "$(nproc)" --target mec_cli test_gpu
  "$MEC" info | tee "$OUT/info.txt"
}

test_() {
  need_build
  MEC_CUDNN_DEVICE="$OUT/cudnn_device.json" "$BUILD/tests/test_gpu" | tee "$OUT/test.txt"
}

sanitize() {
  local tool failed=0
  need_build
  for tool in memcheck racecheck initcheck synccheck; do
    say "$tool"
    timeout 140 compute-sanitizer --tool "$tool" --error-exitcode 1 "$BUILD/tests/test_gpu" --test-case='cuda small *' \
      2>&1 | tail -n 25 | tee "$OUT/sanitize-$tool.txt" || failed=1
  done
  return "$failed"
}

bench() {
  local batch precision graph
  need_build
  for precision in f32 bf16; do
    "$MEC" bench ops --device cuda --network resnet50 --precision "$precision" | tee "$OUT/ops-$precision.txt"
    for batch in 64 256; do
      for graph in "" --no-graph; do
        say "ResNet-50, $precision, batch $batch $graph"
        # shellcheck disable=SC2086
        "$MEC" bench step --device cuda $R50 --batch "$batch" --precision "$precision" --steps 20 --warmup 5 $graph |
          tee -a "$OUT/step.jsonl"
      done
    done
  done
  # shellcheck disable=SC2086
  "$MEC" bench step --device cuda $R50 --batch 256 --precision bf16 --steps 5 --warmup 3 --no-graph --profile | tee "$OUT/profile.txt"
}

# Compiling takes PyTorch a minute or two each time; reduce-overhead is its CUDA graphs.
peer() {
  local mode
  need_build
  for mode in default default reduce-overhead; do
    say "torch.compile, $mode"
    # shellcheck disable=SC2086
    "$MEC" bench step --device cuda $R50 --batch 256 --precision bf16 --steps 20 --warmup 5 | tee -a "$OUT/peer.jsonl"
    # shellcheck disable=SC2086
    timeout 170 python3 bench/peers/torch_mec_step.py --device cuda $R50 --batch 256 --dtype bf16 --channels-last --compile \
      --compile-mode "$mode" --steps 20 --warmup 5 | tee -a "$OUT/peer.jsonl" || echo "PyTorch, $mode: failed" | tee -a "$OUT/peer-failed.txt"
  done
}

train() {
  local device
  need_build
  for device in cuda cpu; do
    say "Fashion-MNIST, 10,000 images, 4 epochs, $device"
    rm -rf "$BUILD/run-$device"
    "$MEC" pretrain examples/configs/fashion_mnist.toml --set data.path="$DATA" --set train.epochs=4 --device "$device" \
      --out "$BUILD/run-$device" | tail -n 1
    "$MEC" eval linear "$BUILD/run-$device" --data "$DATA" --device cpu --json | tee "$OUT/train-$device.json"
  done
  # 2,000 test images give an accuracy to 0.8 points, and seeds differ by as much.
  python3 - "$OUT/train-cuda.json" "$OUT/train-cpu.json" <<'END'
import json, sys
gpu, cpu = (100 * json.load(open(path))["rows"][-1]["linear_accuracy"] for path in sys.argv[1:])
print(f"linear probe: {gpu:.2f} % from the GPU, {cpu:.2f} % from the CPU")
sys.exit(abs(gpu - cpu) > 2.5)
END
}

stage="${1:-all}"
case "$stage" in
  pack) pack; exit ;;
  first | second) exec python3 tools/gpu_borrowed.py "$stage" --pack "$PACK" --out "$OUT" ;;
  -h | --help) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit ;;
  all) ;;
  *) case " $STAGES " in *" $stage "*) ;; *) sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; exit 2 ;; esac ;;
esac
need_gpu
[ -d "$PACK" ] || { echo "gpu_check: $PACK is not there; run tools/gpu_check.sh pack where Debian's packages are" >&2; exit 1; }
mkdir -p "$OUT"
if [ "$stage" != all ]; then
  say "stage $stage"
  case "$stage" in test) test_ ;; *) "$stage" ;; esac
  exit
fi
# Each by itself, so that one that fails does not keep the others from being seen.
failed=""
for stage in $STAGES; do
  tools/gpu_check.sh "$stage" || { failed="$failed $stage"; [ "$stage" != build ] || break; }
done
[ -z "$failed" ] || { echo "gpu_check: failed:$failed" >&2; exit 1; }
