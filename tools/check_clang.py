#!/usr/bin/env python3
"""check_clang.py BUILD [--only TEXT]: does clang compile, without a warning, each C++ file that gcc compiles in BUILD?

Runs each command of BUILD's compile_commands.json, except those for CUDA, with the newest clang++ that is installed. No
code is generated, and warnings are errors. Prints the files that fail with their first errors. --only takes the files
whose path contains TEXT. Exit status 77 where there is no clang++ from version 14 on: older ones lack parts of C++20.
"""
import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OLDEST, NEWEST = 14, 40  # versions that are looked for by name
SKIPPED = 77
STRICT = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-warning-option", "-ferror-limit=5",
          "-fno-caret-diagnostics", "-fdiagnostics-color=never"]
LINES = 12  # of a file's errors


def version_of(compiler):
    answer = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True)
    number = re.match(r"\d+", answer.stdout)
    return int(number[0]) if number else 0


def find_clang():
    """The newest clang++; None where there is none."""
    names = ["clang++", *(f"clang++-{version}" for version in range(OLDEST, NEWEST + 1))]
    found = [(version_of(path), path) for path in map(shutil.which, names) if path]
    version, path = max(found, default=(0, None))
    return path if version >= OLDEST else None


def is_cxx(words, file):
    """Whether the command compiles C++: not another language, and not a precompiled header."""
    return words[words.index("-x") + 1] == "c++" if "-x" in words else file.endswith(".cpp")


def options_of(words, file):
    """The options of a compiler's command: without its name, its output, the file itself, and its precompiled header."""
    options, i = [], next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    while i < len(words):
        taken = 2 if words[i] in ("-o", "-include", "-Xclang") else 1
        header = words[i] == "-include" and not words[i + 1].endswith("cmake_pch.hxx")
        if header or (taken == 1 and words[i] not in ("-c", "-Winvalid-pch", file)):
            options += words[i:i + taken]
        i += taken
    return options


def jobs_in(build, only=""):
    """{(file, its options): folder to compile in}. A file that two targets compile alike is there once."""
    jobs = {}
    for entry in json.loads(Path(build, "compile_commands.json").read_text(encoding="utf-8")):
        words, file = shlex.split(entry["command"]), entry["file"]
        if only in file and is_cxx(words, file):
            jobs[file, tuple(options_of(words, file))] = entry["directory"]
    return jobs


def compile_one(clang, job):
    (file, options), folder = job
    answer = subprocess.run([clang, *options, *STRICT, file], cwd=folder, text=True, errors="replace",
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return file, answer.returncode == 0, answer.stdout.splitlines()


def check(clang, build, only=""):
    """The number of commands, and the files that fail with what clang says of them."""
    jobs = jobs_in(build, only)
    failed = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for file, good, lines in pool.map(lambda job: compile_one(clang, job), jobs.items()):
            if not good and file not in failed:  # an instruction set's variants fail alike
                failed[file] = lines
                print("\n".join([f"{file}:", *(f"  {line}" for line in lines[:LINES])]), flush=True)
    return len(jobs), failed


PLANTED = {  # name: text, and words of clang's error
    "good.cpp": ("int twice(int n) { return 2 * n; }\n", None),
    # gcc has no warning for it.
    "unused.cpp": ("int none() { int n = 1; auto f = [n] { return 0; }; return f(); }\n", "lambda capture 'n' is not used"),
    "broken.cpp": ("int wrong() { return missing; }\n", "undeclared identifier 'missing'"),
}


def self_test(clang):
    with tempfile.TemporaryDirectory() as folder:
        entries = []
        for name, (text, _) in PLANTED.items():
            Path(folder, name).write_text(text, encoding="utf-8")
            flags = "-std=c++20 -Winvalid-pch -include gone/cmake_pch.hxx -Wno-only-gcc-knows"
            entries.append({"directory": folder, "file": f"{folder}/{name}",
                            "command": f"ccache g++ {flags} -o gone/a.o -c {folder}/{name}"})
        entries.append({"directory": folder, "file": f"{folder}/a.cu", "command": f"nvcc -x cu -c {folder}/a.cu"})
        Path(folder, "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")
        count, failed = check(clang, folder)
        expected = {f"{folder}/{name}": words for name, (_, words) in PLANTED.items() if words}
        if count != len(PLANTED) or failed.keys() != expected.keys() or not all(
                any(words in line for line in failed[file]) for file, words in expected.items()):
            sys.exit(f"self-test: expected {expected}, got {failed} of {count}")
    print(f"self-test: {len(PLANTED)} files judged as they should be")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=Path)
    parser.add_argument("--only", default="", metavar="TEXT")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    clang = find_clang()
    if clang is None:
        print(f"skipped: there is no clang++ from version {OLDEST} on")
        sys.exit(SKIPPED)
    if arguments.self_test:
        return self_test(clang)
    if arguments.build is None:
        parser.error("which build?")
    count, failed = check(clang, arguments.build, arguments.only)
    print(f"{clang} ({version_of(clang)}): {count} commands, {len(failed)} files fail")
    sys.exit(1 if failed or count == 0 else 0)


if __name__ == "__main__":
    main()
