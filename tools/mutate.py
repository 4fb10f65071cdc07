#!/usr/bin/env python3
"""Plants small bugs, one at a time, and sees whether the tests notice.

    tools/mutate.py [--room ROOM] [--only TEXT] [--jobs N]    plant, build, test; status 1 where a bug survives
    tools/mutate.py --check                                   only check that the list still fits the sources

The list is tools/mutants.txt. Work is done in build/mutants, in a copy of the tree with a build of its
own (-O1, no CUDA); the tree itself is only read.
"""
import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from project_tree import copy_project

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tools" / "mutants.txt"
COPY = ROOT / "build" / "mutants" / "tree"
BUILD = ROOT / "build" / "mutants" / "build"
ROOMS = ("tensor", "autograd", "distributed", "nn", "data", "ssl", "eval", "transfer", "capi", "cli", "chaos", "dist")
LIMIT_S = 600  # for one run of a room's tests; a bug that makes them hang is noticed too
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "passive"}  # threads that wait leave the processor to others


@dataclass
class Mutant:
    line: int  # in the list
    room: str  # whose tests should notice
    file: str
    what: str
    first: str  # test file that is run before all others, or ""
    old: str = ""
    new: str = ""


def parse(text):
    """Entries are `@ ROOM FILE [TEST]: what it is`, then old lines after `- ` and new ones after `+ `."""
    mutants = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("@ "):
            head = re.fullmatch(r"@ (\w+) (\S+?)(?: (\w+))?: (.+)", line)
            if not head or head[1] not in ROOMS:
                raise ValueError(f"line {number}: no entry: {line}")
            mutants.append(Mutant(number, head[1], head[2], head[4], head[3] or ""))
        elif line.startswith(("- ", "+ ")) and mutants:
            name = "old" if line[0] == "-" else "new"
            before = getattr(mutants[-1], name)
            setattr(mutants[-1], name, before + ("\n" if before else "") + line[2:])
        elif line and not line.startswith("#"):
            raise ValueError(f"line {number}: neither an entry nor a part of one: {line}")
    return mutants


def faults(mutants, root):
    """What is wrong with the list: an entry whose old text no longer stands exactly once in its file."""
    found = []
    for m in mutants:
        path = root / m.file
        count = path.read_text().count(m.old) if path.is_file() and m.old else 0
        if count != 1:
            found.append(f"line {m.line}: {m.file} has the old text {count} times, not once: {m.old!r}")
        if m.old == m.new:
            found.append(f"line {m.line}: the new text is the old one: {m.old!r}")
        if m.first and not (root / "tests" / m.room / f"{m.first}.cpp").is_file():
            found.append(f"line {m.line}: there is no tests/{m.room}/{m.first}.cpp")
    return found


def command(*words):
    return subprocess.run(words, cwd=COPY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def configure():
    copy_project(ROOT, COPY)
    configured = command("cmake", "-S", ".", "-B", str(BUILD), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                         "-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DMEC_CUDA=OFF")
    if configured.returncode:
        sys.exit(f"the copy cannot be configured:\n{configured.stdout}")


def build(room, jobs):
    return command("cmake", "--build", str(BUILD), "-j", str(jobs), "--target", f"test_{room}")


def passes(room, first):
    """Whether the room's tests pass; those of the file `first` run before all others."""
    program = str(BUILD / "tests" / f"test_{room}")
    runs = [[f"--source-file=*/{room}/{first}.cpp"], [f"--source-file-exclude=*/{room}/{first}.cpp"]] if first else [[]]
    for filters in runs:
        try:
            done = subprocess.run([program, "--abort-after=1", "--test-suite-exclude=*slow*", *filters], cwd=COPY,
                                  env=ENVIRONMENT, timeout=LIMIT_S, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode:
            return False
    return True


def run(mutants, jobs):
    configure()
    for room in dict.fromkeys(m.room for m in mutants):
        print(f"{room}: building, and running its tests without a bug", flush=True)
        built = build(room, jobs)
        if built.returncode:
            sys.exit(built.stdout)
        if not passes(room, ""):
            sys.exit(f"{room}: the tests fail as it is; nothing can be learnt from them")
    survivors = []
    for m in mutants:
        begun = time.monotonic()
        path = COPY / m.file
        whole = path.read_text()
        path.write_text(whole.replace(m.old, m.new))
        built = build(m.room, jobs)
        verdict = "does not compile" if built.returncode else "SURVIVED" if passes(m.room, m.first) else "noticed"
        path.write_text(whole)
        if verdict != "noticed":
            survivors.append(m)
        print(f"{verdict:16} {time.monotonic() - begun:4.0f} s  {m.room}: {m.file}: {m.what}", flush=True)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} bugs were noticed")
    for m in survivors:
        print(f"tools/mutants.txt:{m.line}: not noticed: {m.file}: {m.what}")
    return 1 if survivors else 0


def self_test():
    entries = parse("# comment\n@ ssl a.cpp: one\n- x = 1\n+ x = 2\n\n@ cli b.cpp settings: two\n- y\n- z\n+ y\n")
    assert [(m.room, m.file, m.first, m.old, m.new) for m in entries] == [
        ("ssl", "a.cpp", "", "x = 1", "x = 2"), ("cli", "b.cpp", "settings", "y\nz", "y")]
    for wrong in ("@ attic a.cpp: one", "@ ssl a.cpp", "x = 1"):
        try:
            parse(wrong)
        except ValueError:
            continue
        raise AssertionError(f"accepted: {wrong}")
    here = Mutant(1, "ssl", "tools/mutate.py", "", "", "a text that is" + " nowhere", "b")
    assert "0 times" in faults([here], ROOT)[0]
    here.old = "import "
    assert "not once" in faults([here], ROOT)[0]
    print("mutate.py: the list is read, and a stale entry is found")


def main():
    parser = argparse.ArgumentParser(description="plant small bugs and see whether the tests notice")
    parser.add_argument("--room", choices=ROOMS, help="only the bugs that this room's tests should notice")
    parser.add_argument("--only", default="", help="only entries with this text in file or description")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--check", action="store_true", help="check that the list fits the sources, no more")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    mutants = parse(LIST.read_text())
    stale = faults(mutants, ROOT)
    if stale:
        sys.exit("tools/mutants.txt does not fit the sources:\n" + "\n".join(stale))
    if options.check:
        print(f"{len(mutants)} entries, each fits its file")
        return 0
    return run([m for m in mutants if (not options.room or m.room == options.room) and
                (options.only in m.file or options.only in m.what)], options.jobs)


if __name__ == "__main__":
    sys.exit(main())
