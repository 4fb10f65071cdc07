#!/usr/bin/env python3
"""Makes a wheel of the package in python/ with the library in it.

    make_wheel.py --build build/release --out build/wheel

The library is the one that `make install` would install, which knows nothing of the build's folders. It is linked to
the system's oneDNN, OpenBLAS and decoders of images where mec was built with them: the wheel is for machines that have
these, hence its tag linux_<machine>. Nothing is compiled, and no package is needed to make it.
"""
import argparse
import base64
import ctypes
import hashlib
import platform
import subprocess
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "mec"
EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the same content makes the same file


def installed(build, prefix):
    """The library of the build, as it is installed."""
    subprocess.run(["cmake", "--install", build, "--component", "c", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    return next(Path(prefix).rglob(f"libmec.so.{abi_of_header()}"))


def version_of(library):
    opened = ctypes.CDLL(str(library.resolve()))
    opened.mec_version.restype = ctypes.c_char_p
    return opened.mec_version().decode()


def abi_of_header():
    lines = (ROOT / "include" / "mec.h").read_text("utf-8").splitlines()
    return next(line.split()[2] for line in lines if line.startswith("#define MEC_ABI "))


def files_of(library, version, tag):
    """{name in the wheel: its bytes}, but for RECORD."""
    info = f"mec-{version}.dist-info"
    files = {f"mec/{path.name}": path.read_bytes() for path in sorted(PACKAGE.iterdir()) if path.suffix == ".py" or path.name == "py.typed"}
    files[f"mec/libmec.so.{abi_of_header()}"] = library.resolve().read_bytes()
    files[f"{info}/METADATA"] = (f"Metadata-Version: 2.1\nName: mec\nVersion: {version}\nSummary: Training image encoders without labels\n"
                                 "License: MIT\nRequires-Python: >=3.9\nRequires-Dist: numpy>=1.23\n").encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: make_wheel\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    files[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    return files, f"{info}/RECORD"


def record_of(files, own):
    def line(name, content):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        return f"{name},sha256={digest},{len(content)}\n"
    return ("".join(line(name, content) for name, content in files.items()) + f"{own},,\n").encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as prefix:
        make(installed(options.build, prefix), options.out)


def make(library, out):
    version = version_of(library)
    tag = f"py3-none-linux_{platform.machine()}"
    files, record = files_of(library, version, tag)
    files[record] = record_of(files, record)
    out.mkdir(parents=True, exist_ok=True)
    wheel = out / f"mec-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
