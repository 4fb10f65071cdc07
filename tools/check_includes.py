#!/usr/bin/env python3
"""Checks that includes between rooms, and between the folders of a room, go one way; and that public headers include no
header of a library other than C++'s.

The rules are the table "room | may include | what lives there" of docs/architecture.md. "the above" and "all above"
are the rooms of the rows before; a row inside a room (tensor/backends/cpu/) may include what the room may. PRIVATE_ROOMS
are private: no other room and no public header includes their headers, and these are not installed.
include/mec/ has links to the rooms, and headers that sum them up: these include headers of rooms alone, and no room
includes them.
include/mec.h is for C, and includes C's headers alone.
Folders of a room do not include each other in a circle, nor do folders and the headers beside them: such a header counts
by itself, or with the folder that it sums up (tensor/ops.h beside tensor/ops/).
"""
import re

from check_common import main
from project_tree import project_files

TABLE = "docs/architecture.md"
OUTSIDE = ("tests", "examples", "bench", "tools", "docs")  # no rooms
ABOVE_ROOMS = "include/mec/"
C_HEADER = "include/mec.h"
PRIVATE_ROOMS = ("tensor/backends/cpu", "tensor/backends/reference", "tensor/backends/cuda", "capi", "cli")
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
    """The innermost room that holds the file; a file's own row (tensor/backend.h) counts with its folder."""
    inside = [room for room in rooms if path.startswith(room + "/")]
    return max(inside, key=len, default=None)


def private_room(path):
    return next((room for room in PRIVATE_ROOMS if path.startswith(room + "/")), None)


def is_language(header):
    return header in C_HEADERS or ("." not in header and "/" not in header)


def check_source(path, includes, rooms):
    room = room_of(path, rooms)
    if room is None:
        yield f"{path}: its room has no row in {TABLE}"
        return
    public = path.endswith(".h") and not private_room(path)
    for bracket, header in includes:
        if not header.startswith("mec/"):
            if public and not is_language(header):
                yield f"{path}: a public header includes {header}, which is a vendor's"
            continue
        target = header.removeprefix("mec/")
        other = room_of(target, rooms)
        outer, other_outer = room.split("/")[0], (other or target).split("/")[0]
        if other_outer != outer and other_outer not in rooms[room]:
            yield f"{path}: {room} may not include {header}"
        elif private_room(target) not in (None, private_room(path)) and (public or other_outer != outer):
            yield f"{path}: {header} is private to its room"


def check_above_rooms(path, includes, rooms):
    for _, header in includes:
        target = header.removeprefix("mec/")
        if not header.startswith("mec/") or room_of(target, rooms) is None:
            yield f"{path}: {header} is no room's"
        elif private_room(target):
            yield f"{path}: {header} is private to its room"


def unit_of(path, folders):
    """The folder that counts for the file; of a header beside a room's folders, its own name without the suffix."""
    beside = path.rsplit(".", 1)[0]
    return beside if beside in folders or path.count("/") == 1 else path.rpartition("/")[0]


def circles(sources):
    """Findings for {file: files that it includes}: one for each folder, or header beside them, that reaches itself through others."""
    folders = {name.rpartition("/")[0] for name in sources}
    units = {unit_of(name, folders) for name in sources}
    doors = {}  # unit: {unit that it includes: by which include}
    for name, includes in sources.items():
        if name.count("/") == 1 and not name.endswith(".h"):
            continue  # a .cpp beside the folders may use folders that include its own header
        here = unit_of(name, folders)
        for header in includes:
            there = unit_of(header, folders)
            if there != here and there in units:
                doors.setdefault(here, {}).setdefault(there, f"{name} includes {header}")

    def way(start, here, seen):
        """The includes that lead from `here` back to `start`, or None."""
        for there, include in doors.get(here, {}).items():
            if there == start:
                return [include]
            if there not in seen:
                seen.add(there)
                rest = way(start, there, seen)
                if rest is not None:
                    return [include, *rest]
        return None

    found = {}
    for folder in sorted(doors):
        steps = way(folder, folder, {folder})
        if steps is not None:
            found.setdefault(frozenset(steps), f"{folder}: a circle: {', '.join(steps)}")
    return list(found.values())


def check(root):
    rooms = read_table(root)
    if not rooms:
        return [f"{TABLE}: no table of rooms"]
    findings, sources = [], {}
    for path in project_files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix not in (".h", ".cpp", ".cu", ".cuh"):
            continue
        includes = INCLUDE.findall(path.read_text())
        if name == C_HEADER:
            findings += [f"{name}: {header} is no header of C" for _, header in includes if header not in C_HEADERS]
        elif name.startswith(ABOVE_ROOMS):
            findings += check_above_rooms(name, includes, rooms)
        elif name.split("/")[0] not in OUTSIDE:
            findings += check_source(name, includes, rooms)
            sources[name] = [header.removeprefix("mec/") for _, header in includes if header.startswith("mec/")]
        elif name.startswith("examples/"):
            findings += [f"{name}: {header} is private to its room" for _, header in includes
                         if private_room(header.removeprefix("mec/"))]
    return findings + circles(sources)


ROOMS = """
| room | may include | what lives there |
|---|---|---|
| `tensor/` | – | tensors |
| `tensor/backend.h` | | one class |
| `tensor/backends/cpu/` | | fast |
| `autograd/` | tensor | gradients |
| `data/` | tensor | files |
| `nn/` | the above | layers |
| `cli/` | all above | the program |
| `tests/`, `examples/` | all above | tests |
"""


def tree(**files):
    """Keyword a__b_h stands for a/b.h."""
    planted = {name.replace("__", "/").replace("_h", ".h").replace("_cpp", ".cpp"): text
               for name, text in files.items()}
    return {TABLE: ROOMS, **planted}


CASES = [
    ({}, "no table"),
    (tree(tensor__a_h="#include <vector>\n#include <stdint.h>\n", autograd__b_h='#include "mec/tensor/a.h"\n',
          nn__c_cpp='#include "mec/data/d.h"\n#include <dnnl.hpp>\n',
          tensor__ops__d_cpp='#include "mec/tensor/backends/cpu/e.h"\n', tensor__backends__cpu__e_cpp='#include "mec/tensor/a.h"\n'), None),
    (tree(tensor__a_cpp='#include "mec/autograd/b.h"\n'), "tensor/a.cpp: tensor may not include mec/autograd/b.h"),
    (tree(tensor__backends__cpu__a_cpp='#include "mec/nn/b.h"\n'), "tensor/backends/cpu may not include mec/nn/b.h"),
    (tree(autograd__a_cpp='#include "mec/data/b.h"\n'), "autograd may not include mec/data/b.h"),
    (tree(nn__a_cpp='#  include "mec/cli/b.h"\n'), "nn may not include mec/cli/b.h"),
    (tree(nn__a_cpp='#include "mec/tensor/backends/cpu/b.h"\n'), "private to its room"),
    (tree(tensor__a_h='#include "mec/tensor/backends/cpu/b.h"\n'), "private to its room"),
    (tree(tensor__a_h='#include "mec/tensor/backends/reference/b.h"\n'), "private to its room"),
    (tree(tensor__a_h="#include <cblas.h>\n"), "cblas.h, which is a vendor's"),
    (tree(nn__a_h="#include <nlohmann/json.hpp>\n"), "json.hpp, which is a vendor's"),
    (tree(data__a_h='#include "stb_image.h"\n'), "stb_image.h, which is a vendor's"),
    (tree(gossip__a_h=""), "its room has no row"),
    (tree(nn__ops_h='#include "mec/nn/ops/a.h"\n', nn__ops__a_h='#include "mec/nn/b.h"\n', nn__b_h=""), None),
    (tree(nn__optim__a_h='#include "mec/nn/b.h"\n', nn__b_h="", nn__c_h='#include "mec/nn/optim/a.h"\n',
          nn__b_cpp='#include "mec/nn/c.h"\n'), None),
    (tree(nn__optim__a_h='#include "mec/nn/b.h"\n', nn__b_h='#include "mec/nn/optim/c.h"\n', nn__optim__c_h=""),
     "nn/b: a circle: nn/b.h includes nn/optim/c.h, nn/optim/a.h includes nn/b.h"),
    (tree(include__mec__all_h='#include "mec/tensor/a.h"\n#include "mec/nn/b.h"\n', tensor__a_h="", nn__b_h=""), None),
    (tree(include__mec__all_h="#include <vector>\n"), "include/mec/all.h: vector is no room's"),
    (tree(include__mec__all_h='#include "mec/gossip/a.h"\n'), "include/mec/all.h: mec/gossip/a.h is no room's"),
    (tree(include__mec__all_h='#include "mec/tensor/backends/cpu/a.h"\n'), "mec/tensor/backends/cpu/a.h is private"),
    (tree(include__mec_h="#include <stddef.h>\n"), None),
    (tree(include__mec_h='#include "mec/tensor/a.h"\n'), "include/mec.h: mec/tensor/a.h is no header of C"),
    (tree(include__other_h=""), "include/other.h: its room has no row"),
    (tree(nn__a_cpp='#include "mec/all.h"\n'), "nn/a.cpp: nn may not include mec/all.h"),
    ({**tree(), "examples/01.cpp": '#include "mec/tensor/backends/cpu/a.h"\n'}, "private to its room"),
]

if __name__ == "__main__":
    main(check, CASES)
