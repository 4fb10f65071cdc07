#!/usr/bin/env python3
"""The README's lines in C, Fortran and Python, run as they stand: languages.py PREFIX

PREFIX is where mec was installed. A run is made, and each language's lines must give the features that `mec embed`
writes. Those in C++ must compile with the installed headers (tests/install runs their like). Languages without a
compiler, and Python without NumPy, are named and left out.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
N, SIDE, WIDTH = 5, 12, 64  # images, pixels on a side, features
PIXELS = bytes(i * 37 % 251 for i in range(N * SIDE * SIDE))
SETTINGS = """method = "mec"
[model]
arch = "resnet10"
stem = "cifar"
width = 8
dim = 8
pred_hidden = 4
[mec]
eps2 = 8
lambda_warmup_epochs = 0
[train]
epochs = 1
batch = 4
lr = 0.1
warmup_epochs = 0
[data]
mean = [0.25]
std = [0.5]
kind = "mnist"
path = "data"
[augment]
size = 8
"""

C = """#include <mec.h>
#include <stdio.h>
enum { n = %d, height = %d, width = %d, channels = 1, d = %d };
static unsigned char pixels[n * height * width];
static float features[n * d];
static int embed(void) {
%s
  return 0;
}
int main(void) {
  FILE* file = fopen("pixels", "rb");
  if (fread(pixels, sizeof pixels, 1, file) != 1 || embed() != 0) return 1;
  fclose(file);
  file = fopen("features", "wb");
  return fwrite(features, sizeof features, 1, file) == 1 && fclose(file) == 0 ? 0 : 1;
}
"""
FORTRAN = """program lines
  use, intrinsic :: iso_fortran_env
%s
  integer(int8) :: images(1, %d, %d, %d)
  real(real32) :: features(%d, %d)
  integer :: unit
  open (newunit=unit, file="pixels", access="stream", form="unformatted", status="old")
  read (unit) images
  close (unit)
%s
  open (newunit=unit, file="features", access="stream", form="unformatted", status="replace")
  write (unit) features
end program
"""
PYTHON = """import numpy as np
images = np.fromfile("pixels", np.uint8).reshape(%d, %d, %d, 1)
p, z = np.random.default_rng(1).standard_normal((2, 8, 4))
settings = {"train": {"batch": 8, "epochs": 20}, "model": {"arch": "resnet10", "width": 4}, "data": {"mean": [0.5] * 3, "std": [0.5] * 3},
            "augment": {"size": 8}}
batch = np.arange(8 * 8 * 8 * 3, dtype=np.uint32).astype(np.uint8).reshape(8, 8, 8, 3)
%s
assert features.shape == (%d, %d) and np.isfinite(coding.value) and np.isfinite(figures["loss"])
features.tofile("features")
"""


def lines_of(language):
    """The block that follows "Once it is installed"."""
    text = README.read_text("utf-8").split("Once it is installed:")[1]
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL).group(1)


def run(*command, **environment):
    done = subprocess.run([str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def c(prefix):
    Path("mine.c").write_text(C % (N, SIDE, SIDE, WIDTH, lines_of("c")))
    flags = run("pkg-config", "--cflags", "--libs", "mec", PKG_CONFIG_PATH=next(prefix.glob("lib*/**/pkgconfig"))).split()
    run("cc", "-std=c99", "-Wall", "-pedantic", "-Werror", "mine.c", *flags, "-o", "by_c")
    run("./by_c")


def fortran(prefix):
    declared, calls = [], []
    for line in lines_of("fortran").splitlines():
        (calls if line.startswith("call") else declared).append("  " + line)
    assert declared and calls
    Path("mine.f90").write_text(FORTRAN % ("\n".join(declared), SIDE, SIDE, N, WIDTH, N, "\n".join(calls)))
    module = prefix / "share/mec/fortran"
    run("gfortran", module / "mec_c.f90", module / "mec.f90", "mine.f90", "-lmec", "-o", "by_fortran")
    run("./by_fortran")


def python(prefix):
    Path("mine.py").write_text(PYTHON % (N, SIDE, SIDE, lines_of("python"), N, WIDTH))
    run(sys.executable, "mine.py", PYTHONPATH=README.parent / "python", PYTHONDONTWRITEBYTECODE="1")


def cpp(prefix):
    """Each block that includes headers, in a function of its own."""
    blocks = [block for block in re.findall(r"```cpp\n(.*?)```", README.read_text("utf-8"), re.DOTALL) if "#include" in block]
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        lines = block.splitlines()
        Path(f"mine{number}.cpp").write_text("\n".join(
            [line for line in lines if line.startswith("#")] + ["void mine(const std::vector<float>& student, const "
            "std::vector<float>& teacher, std::int64_t m, std::int64_t d) {"] + [line for line in lines if not line.startswith("#")] + ["}\n"]))
        run("c++", "-std=c++20", "-fsyntax-only", f"-I{prefix}/include", f"mine{number}.cpp")


def make_run(prefix):
    Path("config.toml").write_text(SETTINGS)
    Path("data").mkdir()
    sizes = b"".join(number.to_bytes(4, "big") for number in (N, SIDE, SIDE))
    Path("data/train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + PIXELS)
    Path("data/train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + N.to_bytes(4, "big") + bytes(N))
    Path("pixels").write_bytes(PIXELS)
    run(prefix / "bin/mec", "pretrain", "config.toml", "--out", "run")
    run(prefix / "bin/mec", "embed", "run", "--data", "data", "--split", "train", "--out", "expected.npy")
    return Path("expected.npy").read_bytes()[-4 * N * WIDTH:]


def has_numpy():
    return subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True, check=False).returncode == 0


def main():
    prefix = Path(sys.argv[1]).resolve()
    library = str(next(prefix.glob("lib*/**/libmec.so")).parent)
    os.environ.update(LD_LIBRARY_PATH=library, LIBRARY_PATH=library)
    languages = {c: shutil.which("cc") and shutil.which("pkg-config"), fortran: shutil.which("gfortran"), python: has_numpy()}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        expected = make_run(prefix)
        for language, there in languages.items():
            if not there:
                print(f"{language.__name__}: left out, what it needs is not installed")
                continue
            Path("features").unlink(missing_ok=True)
            language(prefix)
            assert Path("features").read_bytes() == expected, f"{language.__name__}: other features than mec embed's"
            print(f"{language.__name__}: as mec embed")
        if shutil.which("c++"):
            cpp(prefix)
            print("c++: compiles")
        os.chdir("/")


if __name__ == "__main__":
    main()
