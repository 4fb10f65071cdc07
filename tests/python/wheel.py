#!/usr/bin/env python3
"""wheel.py BUILD TESTS PROGRAM: makes the wheel, unpacks it as pip would, checks its record, and runs TESTS on it.

Nothing but the wheel is on the path, and LD_LIBRARY_PATH is empty: the library is the wheel's.
"""
import base64
import csv
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    build, tests, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, ROOT / "tools/make_wheel.py", "--build", build, "--out", folder / "wheel"], check=True)
        [wheel] = (folder / "wheel").glob("mec-*-py3-none-linux_*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "site")
            names = set(archive.namelist())
        [record] = (folder / "site").glob("mec-*.dist-info/RECORD")
        rows = list(csv.reader(record.read_text().splitlines()))
        assert {row[0] for row in rows} == names, "the record lists other files than the wheel has"
        for file, digest, size in rows:
            content = (folder / "site" / file).read_bytes()
            expected = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert file.endswith("RECORD") or (digest, size) == (expected, str(len(content))), f"{file}: not as in the record"
        environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "LD_LIBRARY_PATH": ""}
        return subprocess.run([sys.executable, tests, program], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
