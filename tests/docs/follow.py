#!/usr/bin/env python3
"""Follows a page of docs/ that says how something is added, step by step, in a copy of the tree.

Three kinds of line are orders, each followed by a block of code where it has one:

    Make `file`:
    In `file`, before `a whole line of it`:       (or after, or in place of)
    Now `file` compiles.                          (or: does not compile: `words of the compiler`.)
    Now `test_room arguments` passes.             (or: fails: `words of the test`.)

Without --build all steps are applied in memory, and what cannot be is reported: a file that is not there, a line that the
file has not exactly once. With --build FOLDER they are applied to a copy of the tree in that folder, which is configured
with the arguments behind "--", and what "Now" says is tried. A second call compiles only what changed.
"""
import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from project_tree import copy_project  # noqa: E402

MAKE = re.compile(r"^Make `([^`]+)`:$")
INSERT = re.compile(r"^In `([^`]+)`, (before|after|in place of) `(.+)`:$")
NOW = re.compile(r"^Now `([^`]+)` (compiles|does not compile|passes|fails)(?:: `([^`]+)`)?\.")


class Problem(Exception):
    pass


class Tree:
    """Files of a folder as a page leaves them; nothing is written."""

    def __init__(self, root):
        self.root, self.changed = Path(root), {}

    def read(self, name):
        if name not in self.changed and not Path(self.root, name).is_file():
            raise Problem(f"there is no file {name}")
        return self.changed.get(name) or Path(self.root, name).read_text(encoding="utf-8")

    def make(self, name, code):
        if Path(self.root, name).exists():
            raise Problem(f"{name} is there already")
        self.changed[name] = code

    def insert(self, name, where, anchor, code):
        lines = self.read(name).splitlines(keepends=True)
        found = [i for i, line in enumerate(lines) if line.split() == anchor.split()]  # however it is spaced
        if len(found) != 1:
            raise Problem(f"{name} has the line `{anchor}` {len(found)} times, not once")
        before, behind = found[0] + (where == "after"), found[0] + (where != "before")
        self.changed[name] = "".join(lines[:before]) + code + "".join(lines[behind:])


def code_behind(lines, i):
    """The block of code that begins at line i or behind an empty line."""
    if i < len(lines) and not lines[i]:
        i += 1
    if i >= len(lines) or not lines[i].startswith("```"):
        raise Problem("no block of code follows")
    end = next((j for j in range(i + 1, len(lines)) if lines[j] == "```"), None)
    if end is None:
        raise Problem("the block of code has no end")
    return "".join(line + "\n" for line in lines[i + 1:end])


def follow(page, tree, now):
    """Applies the page's steps to the tree, and calls now(target, outcome, words) where it claims something."""
    lines, orders = Path(page).read_text(encoding="utf-8").splitlines(), 0
    for number, line in enumerate(lines, 1):
        try:
            if match := MAKE.match(line):
                tree.make(match[1], code_behind(lines, number))
            elif match := INSERT.match(line):
                tree.insert(*match.groups(), code_behind(lines, number))
            elif match := NOW.match(line):
                now(*match.groups())
            elif line.startswith(("Make `", "In `", "Now `")):
                raise Problem(f"this is no order that {Path(__file__).name} knows: {line}")
            else:
                continue
        except Problem as problem:
            raise Problem(f"{page}:{number}: {problem}") from None
        orders += 1
    if orders == 0:
        raise Problem(f"{page}: no steps were found")


class Build:
    """A copy of the tree that is built, and what the page claims of it."""

    def __init__(self, folder, tree, configure):
        self.copy, self.build, self.tree = folder / "tree", folder / "build", tree
        copy_project(self.tree.root, self.copy, self.tree.changed)
        self.must(["cmake", "-S", self.copy, "-B", self.build, *configure])

    def run(self, command):
        print("+", *command, flush=True)
        answer = subprocess.run(list(map(str, command)), cwd=self.build if self.build.is_dir() else self.copy,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        return answer.returncode == 0, answer.stdout

    def must(self, command):
        good, output = self.run(command)
        if not good:
            raise Problem(f"{' '.join(map(str, command))} failed:\n{output[-4000:]}")

    def compile(self, name):
        """As the build does it, without code: the flags are those of the file, or of a neighbour where it is new."""
        entries = json.loads((self.build / "compile_commands.json").read_text())
        near = [e for e in entries if Path(e["file"]).parent == (self.copy / name).parent]
        entry = next((e for e in near if Path(e["file"]) == self.copy / name), near[0] if near else None)
        if entry is None:
            raise Problem(f"nothing beside {name} is compiled")
        words = shlex.split(entry["command"])
        at = words.index("-o")
        kept = [w for w in words[:at] + words[at + 2:] if w not in ("-c", entry["file"])]
        return self.run([*kept, "-fsyntax-only", self.copy / name])

    def now(self, target, outcome, words):
        copy_project(self.tree.root, self.copy, self.tree.changed)
        if "compile" in outcome:
            good, output = self.compile(target)
        else:
            program, *arguments = target.split()
            self.must(["cmake", "--build", self.build, "--target", program])
            good, output = self.run([self.build / "tests" / program, *arguments])
        if good != (outcome in ("compiles", "passes")) or (words or "") not in output:
            raise Problem(f"{target} {'succeeds' if good else 'fails'}, but should be: {outcome}"
                          f"{': ' + words if words else ''}\n{output[-4000:]}")


PAGE = "Make `new.h`:\n\n```cpp\nint f();\n```\n\nIn `a.cpp`, after `int a;`:\n\n```cpp\nint b;\n```\n\nNow `a.cpp` compiles.\n"
CASES = [
    ({"a.cpp": "int a;\nint c;\n"}, PAGE, None),
    ({"a.cpp": "  int  a;\nint c;\n"}, PAGE, None),
    ({"a.cpp": "int a; // more\n"}, PAGE, "p.md:7: a.cpp has the line `int a;` 0 times"),
    ({"a.cpp": "int a;\nint a;\n"}, PAGE, "p.md:7: a.cpp has the line `int a;` 2 times"),
    ({"b.cpp": "int a;\n"}, PAGE, "p.md:7: there is no file a.cpp"),
    ({"a.cpp": "int a;\n", "new.h": ""}, PAGE, "p.md:1: new.h is there already"),
    ({"a.cpp": "int a;\n"}, "In `a.cpp`, after `int a;`:\n\ntext\n", "p.md:1: no block of code follows"),
    ({"a.cpp": "int a;\n"}, "In `a.cpp`, behind `int a;`:\n", "p.md:1: this is no order"),
    ({"a.cpp": "int a;\n"}, "# Adding\n", "p.md: no steps were found"),
]


def self_test():
    for files, page, expected in CASES:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**files, "p.md": page}.items():
                Path(folder, name).write_text(text)
            tree, claims = Tree(folder), []
            try:
                follow(Path(folder, "p.md"), tree, lambda *claim: claims.append(claim))
                finding = None
            except Problem as problem:
                finding = str(problem)
        if (expected is None) != (finding is None) or (expected and expected not in finding):
            sys.exit(f"self-test: expected {expected!r} from {page!r}, got {finding!r}")
        if expected is None:
            assert tree.changed["new.h"] == "int f();\n" and "a;\nint b;\nint c;\n" in tree.changed["a.cpp"]
            assert claims == [("a.cpp", "compiles", None)]
    print(f"self-test: {len(CASES)} pages judged as they should be")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--build", type=Path, metavar="FOLDER")
    parser.add_argument("--self-test", action="store_true")
    own = sys.argv[1:sys.argv.index("--")] if "--" in sys.argv else sys.argv[1:]
    configure = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else []
    arguments = parser.parse_args(own)
    if arguments.self_test:
        return self_test()
    try:
        for page in arguments.pages:
            tree = Tree(ROOT)
            now = Build(arguments.build.resolve(), tree, configure).now if arguments.build else lambda *claim: None
            follow(page, tree, now)
    except Problem as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
