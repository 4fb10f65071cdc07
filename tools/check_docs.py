#!/usr/bin/env python3
"""Fails on a page that names a file or a test that is not there.

In backticks: a path from the top (`tensor/ops.h`, `examples/configs/`), and in the last column of a table that is
headed "test", a test (`tensor/threads`, `cli/options_of_*`). Words such as `…/NAME.h` or `tests/<room>` stand for many,
and are not checked. tests/docs/follow.py checks the pages that add files, docs/add_*.md.
"""
import re

from check_common import main
from project_tree import project_files

FOLDERS = ("bench", "cmake", "docs", "examples", "packaging", "tests", "tools",
           "tensor", "autograd", "nn", "data", "ssl", "eval", "capi", "cli")
QUOTED = re.compile(r"`([^`\n]+)`")
STANDS_FOR_MANY = re.compile(r"[<>{}…$*]|\b[A-Z]{2,}\b(?!\.md)")


def is_path(word):
    return (word.split("/")[0] in FOLDERS and re.fullmatch(r"\S+(\.\w+(:\d+)?|/)", word) and
            not STANDS_FOR_MANY.search(word))


def has_path(root, word):
    path = word.split(":")[0].rstrip("/")  # file:line
    return (root / path).exists()


def has_test(root, name):
    room, _, file = name.partition("/")
    if any((root / "tests" / room).glob(file + ".cpp")):
        return True
    lists = [root / "tests" / "CMakeLists.txt", root / "examples" / "CMakeLists.txt", *(root / "tests").glob("*/*.cmake")]
    return any(path.is_file() and re.search(rf'NAME "?{re.escape(name)}[" )]', path.read_text()) for path in lists)


def check_page(root, path):
    tests_in_last_column = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        where = f"{path.relative_to(root)}:{number}"
        for word in QUOTED.findall(line):
            if is_path(word) and not has_path(root, word):
                yield f"{where}: there is no {word}"
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) < 3:
            tests_in_last_column = False
        elif cells[-2] == "test":
            tests_in_last_column = True
        elif tests_in_last_column and not set(cells[-2]) <= set("-:"):
            names = [name for name in QUOTED.findall(cells[-2]) if "/" in name and "…" not in name]
            for name in names:
                if not has_test(root, name):
                    yield f"{where}: there is no test {name}"
            if not QUOTED.search(cells[-2]):
                yield f"{where}: no test is named"


def check(root):
    pages = [path for path in project_files(root) if path.suffix == ".md" and not path.name.startswith("add_")]
    return [finding for page in pages for finding in check_page(root, page)]


TABLE = "| what | test |\n|---|---|\n"
CASES = [
    ({"README.md": "see `docs/a.md`, `nn/NAME.h`, `tests/<room>/` and `tests/cpp/`\n", "docs/a.md": "", "tests/cpp/x": ""}, None),
    ({"docs/a.md": "\nsee `nn/b.h`\n"}, "docs/a.md:2: there is no nn/b.h"),
    ({"a.md": TABLE + "| x | `nn/a`, `nn/b_*` (slow) |\n", "tests/nn/a.cpp": "", "tests/nn/b_c.cpp": ""}, None),
    ({"a.md": TABLE + "| x | `nn/a` |\n", "tests/ssl/a.cpp": ""}, "a.md:3: there is no test nn/a"),
    ({"a.md": TABLE + "| x | by hand |\n"}, "a.md:3: no test is named"),
    ({"a.md": TABLE + "| x | `docs/steps` |\n", "tests/CMakeLists.txt": "add_test(NAME docs/steps COMMAND x)\n"}, None),
]

if __name__ == "__main__":
    main(check, CASES)
