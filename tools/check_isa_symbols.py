#!/usr/bin/env python3
"""check_isa_symbols.py --nm NM OBJECT...: no shared inline function compiled for AVX-512 may leak into the program.

A weak symbol (an inline function, a template) exists once in a program; the linker keeps whichever copy it meets
first. If an object built for a newer processor holds one whose name is not its own, an older machine may run it and
die of an illegal instruction. Every weak symbol must have the instruction set in its name: ::avx2:: or ::avx512::.
"""
import re
import subprocess
import sys

HARMLESS = re.compile(r"DW\.ref\.|__gxx_personality")


def leaks(nm_output):
    weak = re.findall(r"^[0-9a-f]* *([WVu]) (.+)$", nm_output, re.MULTILINE)
    return sorted({name for _, name in weak if not re.search(r"\bavx(2|512)::", name) and not HARMLESS.search(name)})


if __name__ == "__main__":
    assert leaks("0000 W std::vector<float>::size() const\n") and not leaks("00 W void mec::avx2::f<float>()\n0 T g\n")
    nm, objects = sys.argv[2], sys.argv[3:]
    if sys.argv[1] != "--nm" or not objects:
        sys.exit(__doc__)
    found = 0
    for path in objects:
        output = subprocess.run([nm, "-C", "--defined-only", path], capture_output=True, text=True, check=True).stdout
        for name in leaks(output):
            found += 1
            print(f"{path}: {name}")
    sys.exit(1 if found else 0)
