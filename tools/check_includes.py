#!/usr/bin/env python3
"""Keeps the doors between rooms one-way, and vendors' headers out of the public ones.

The rules are the table "room | may include | what lives there" of docs/architecture.md. "the above" and "all above"
are the rooms of the rows before; a row inside a room (tensor/cpu/) may include what the room may. PRIVATE_ROOMS are
nobody else's business: no other room and no public header includes them, and their headers are not installed.
"""
import re

from check_common import main, project_files

TABLE = "docs/architecture.md"
PRIVATE_ROOMS = ("tensor/cpu", "tensor/reference", "tensor/cuda", "cli")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# Headers of the language have no dot, but for C's.
C_HEADERS = {f"{name}.h" for name in "assert ctype errno fenv float inttypes limits locale math setjmp signal stdarg "
             "stddef stdint stdio stdlib string time".split()}


def read_table(root):
    """{room: rooms it may include} from the architecture's table, in its order."""
    path = root / TABLE
    rows = re.findall(r"^\|([^|\n]*)\|([^|\n]*)\|", path.read_text(), re.MULTILINE) if path.exists() else []
    rooms = {}
    for cell, may in rows:
        names = [name.strip("/") for name in re.findall(r"`([\w./]+)`", cell)]
        if may.strip() in ("the above", "all above"):
            allowed = [room for room in rooms if "/" not in room]
        else:
            allowed = [word.strip(" `/") for word in may.split(",") if re.search(r"\w", word)]
        for name in names:
            outer = name.split("/")[0]
            rooms[name] = set(allowed) | ({outer} | rooms.get(outer, set()) if outer != name else set())
    return rooms


def room_of(path, rooms):
    """The innermost room that holds src/<path>; a file's own row (tensor/backend.h) counts with its folder."""
    inside = [room for room in rooms if path.startswith(room + "/")]
    return max(inside, key=len, default=None)


def private_room(path):
    return next((room for room in PRIVATE_ROOMS if path.startswith(room + "/")), None)


def is_language(header):
    return header in C_HEADERS or ("." not in header and "/" not in header)


def check_source(path, includes, rooms):
    """Findings for src/<path>."""
    room = room_of(path, rooms)
    if room is None:
        yield f"src/{path}: its room has no row in {TABLE}"
        return
    public = path.endswith(".h") and not private_room(path)
    for bracket, header in includes:
        if not header.startswith("mec/"):
            if public and not is_language(header):
                yield f"src/{path}: a public header includes {header}, which is a vendor's"
            continue
        target = header.removeprefix("mec/")
        other = room_of(target, rooms)
        outer, other_outer = room.split("/")[0], (other or target).split("/")[0]
        if other_outer != outer and other_outer not in rooms[room]:
            yield f"src/{path}: {room} may not include {header}"
        elif private_room(target) not in (None, private_room(path)) and (public or other_outer != outer):
            yield f"src/{path}: {header} is private to its room"


def check(root):
    rooms = read_table(root)
    if not rooms:
        return [f"{TABLE}: no table of rooms"]
    findings = []
    for path in project_files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix not in (".h", ".cpp", ".cu", ".cuh"):
            continue
        includes = INCLUDE.findall(path.read_text())
        if name.startswith("src/"):
            findings += check_source(name.removeprefix("src/"), includes, rooms)
        elif name.startswith("examples/"):
            findings += [f"{name}: {header} is private to its room" for _, header in includes
                         if private_room(header.removeprefix("mec/"))]
    return findings


ROOMS = """
| room | may include | what lives there |
|---|---|---|
| `tensor/` | – | tensors |
| `tensor/backend.h` | | one class |
| `tensor/cpu/` | | fast |
| `autograd/` | tensor | gradients |
| `data/` | tensor | files |
| `nn/` | the above | layers |
| `cli/` | all above | the program |
| `tests/`, `examples/` | all above | tests |
"""


def tree(**files):
    """Keyword a_b_h stands for src/a/b.h."""
    planted = {"src/" + name.replace("__", "/").replace("_h", ".h").replace("_cpp", ".cpp"): text
               for name, text in files.items()}
    return {TABLE: ROOMS, **planted}


CASES = [
    ({}, "no table"),
    (tree(tensor__a_h="#include <vector>\n#include <stdint.h>\n", autograd__b_h='#include "mec/tensor/a.h"\n',
          nn__c_cpp='#include "mec/data/d.h"\n#include <dnnl.hpp>\n',
          tensor__d_cpp='#include "mec/tensor/cpu/e.h"\n', tensor__cpu__e_cpp='#include "mec/tensor/a.h"\n'), None),
    (tree(tensor__a_cpp='#include "mec/autograd/b.h"\n'), "src/tensor/a.cpp: tensor may not include mec/autograd/b.h"),
    (tree(tensor__cpu__a_cpp='#include "mec/nn/b.h"\n'), "tensor/cpu may not include mec/nn/b.h"),
    (tree(autograd__a_cpp='#include "mec/data/b.h"\n'), "autograd may not include mec/data/b.h"),
    (tree(nn__a_cpp='#  include "mec/cli/b.h"\n'), "nn may not include mec/cli/b.h"),
    (tree(nn__a_cpp='#include "mec/tensor/cpu/b.h"\n'), "private to its room"),
    (tree(tensor__a_h='#include "mec/tensor/cpu/b.h"\n'), "private to its room"),
    (tree(tensor__a_h='#include "mec/tensor/reference/b.h"\n'), "private to its room"),
    (tree(tensor__a_h="#include <cblas.h>\n"), "cblas.h, which is a vendor's"),
    (tree(nn__a_h="#include <nlohmann/json.hpp>\n"), "json.hpp, which is a vendor's"),
    (tree(data__a_h='#include "stb_image.h"\n'), "stb_image.h, which is a vendor's"),
    (tree(gossip__a_h=""), "its room has no row"),
    ({**tree(), "examples/01.cpp": '#include "mec/tensor/cpu/a.h"\n'}, "private to its room"),
]

if __name__ == "__main__":
    main(check, CASES)
