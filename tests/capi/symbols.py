#!/usr/bin/env python3
"""Fails where a library exports something else than the functions of its header.

    symbols.py --nm NM HEADER LIBRARY
    symbols.py --self-test
"""
import re
import subprocess
import sys
from pathlib import Path


def declared(header):
    return set(re.findall(r"^MEC_API\s[^;]*?\b(mec_\w+)\(", header, re.MULTILINE))


def exported(listing):
    """Names of `nm -D --defined-only`, without the version itself, which is absolute."""
    rows = [line.split() for line in listing.splitlines() if line.strip()]
    return {row[-1].split("@")[0] for row in rows if row[-2] != "A"}


def findings(header, listing):
    wanted, found = declared(header), exported(listing)
    yield from (f"{name} is in the header, but not exported" for name in sorted(wanted - found))
    yield from (f"{name} is exported, but not in the header" for name in sorted(found - wanted))
    if not wanted:
        yield "the header declares no function"


def self_test():
    header = "MEC_API const char* mec_a(void);\nMEC_API int mec_b(int x,\n    int y);\n"
    good = "00 A MEC_1\n10 T mec_a@@MEC_1\n20 T mec_b@@MEC_1\n"
    assert list(findings(header, good)) == []
    assert list(findings(header, good + "30 W _ZN3mec6TensorD1Ev\n")) == ["_ZN3mec6TensorD1Ev is exported, but not in the header"]
    assert list(findings(header, "10 T mec_a\n")) == ["mec_b is in the header, but not exported"]
    assert list(findings("", "")) == ["the header declares no function"]


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    _, nm, header, library = sys.argv[1:]
    listing = subprocess.run([nm, "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    found = list(findings(Path(header).read_text("utf-8"), listing))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
