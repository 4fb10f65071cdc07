#!/usr/bin/env python3
"""Fails where the C interface's binary side is not the promised one.

    abi.py symbols NM HEADER LIBRARY [ARCHIVE...]   what leaves the library, and the archives to link statically
    abi.py layout CC HEADER RECORD                  functions, structs and enums beside those on record
    abi.py record CC HEADER RECORD                  adds to the record what is new, and refuses what is not an addition
    abi.py --self-test

The record, abi_<MEC_ABI>.txt, is what programs out there were compiled against, on machines with 64-bit addresses. A
function or an enumerator on it never changes. A struct whose first member is `size` may grow at its end; others do not.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# ---- Symbols


def declared(header):
    return set(re.findall(r"^MEC_API\s[^;]*?\b(mec_\w+)\(", header, re.MULTILINE))


def abi_of(header):
    return re.search(r"^#define MEC_ABI (\d+)", header, re.MULTILINE).group(1)


def names_of(listing):
    """(kind, name) of each line of nm; without names of an archive's members, and of versions, which are absolute."""
    rows = [line.split() for line in listing.splitlines()]
    return [(row[-2], row[-1]) for row in rows if len(row) > 1 and row[-2] != "A"]


def exports(header, listing):
    """nm -D --defined-only: the header's functions, all of one version."""
    wanted, version = declared(header), f"MEC_{abi_of(header)}"
    found = dict(name.partition("@@")[::2] for _, name in names_of(listing))
    yield from (f"{name} is in the header, but not exported" for name in sorted(wanted - set(found)))
    yield from (f"{name} is exported, but not in the header" for name in sorted(set(found) - wanted))
    yield from (f"{name} has the version '{found[name]}', not {version}" for name in sorted(wanted & set(found))
                if found[name] != version)
    if not wanted:
        yield "the header declares no function"


def archived(header, listing):
    """nm -g --defined-only: the header's functions, and what lies in the namespace mec. Weak symbols, which the program's
    own would replace, are those of templates, of the C++ library and of NVTX, whose header makes them for all to share."""
    wanted = declared(header)
    for kind, name in names_of(listing):
        shared = kind in "VW" and name.startswith(("DW.ref.", "nvtx", "InitializeInjectionNvtx"))
        if not name.startswith("_Z") and name not in wanted and not shared:
            yield f"{name} would meet a program's own"
        # N: nested, K: const, T and G: tables, guards and the like, L: of one file.
        if name.startswith("_Z") and kind not in "WVu" and not re.match(r"_Z(T\w|G\w)?L?(NK?)?(S\w*)?3mec", name):
            yield f"{name} is not in the namespace mec"


def check_symbols(nm, header, library, archives):
    def listing(*arguments):
        return subprocess.run([nm, "--defined-only", *arguments], capture_output=True, text=True, check=True).stdout
    text = Path(header).read_text("utf-8")
    yield from exports(text, listing("-D", library))
    for archive in archives:
        yield from (f"{Path(archive).name}: {line}" for line in archived(text, listing("-g", archive)))


# ---- Layout

def members(body):
    """(type, name) of each member, in order."""
    for line in filter(None, (" ".join(part.split()) for part in body.split(";"))):
        if function := re.match(r"^(.*) \(\*(\w+)\)(\(.*\))$", line):  # a pointer to one
            yield f"{function[1]} (*){function[3]}", function[2]
            continue
        base = ""
        for declarator in line.split(","):  # const void *p, *z
            kind, name, array = re.match(r"^(.*?)(\w+)(\[\d+\])?$", f"{base} {declarator}".strip()).groups("")
            yield "".join(kind.split(" *")).strip() + "*" * kind.count(" *") + array, name
            base = kind.rstrip(" *")


def parse(header):
    """({function: prototype}, {enum: [names]}, {struct: [(type, member)]})"""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    text = re.sub(r"^ *#(?:.*\\\n)*.*$", "", text, flags=re.MULTILINE)
    functions = {}  # parameters by type: their names are no part of the ABI
    for result, name, parameters in re.findall(r"MEC_API\s+([^;(]*?)\s*(mec_\w+)\(([^;]*)\);", text):
        types = [re.sub(r"(?<=[\s*])\w+$", "", one.strip()).strip() for one in parameters.split(",")]
        functions[name] = f"{result} {name}({', '.join(types)})"
    enums = {name: re.findall(r"\b(MEC_\w+)", body) for body, name in re.findall(r"typedef enum \w+ \{(.*?)\} (\w+);", text, re.DOTALL)}
    structs = {name: list(members(body)) for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, re.DOTALL)}
    assert set(functions) == declared(header), "a function that is not understood"
    assert len(enums) + len(structs) == len(re.findall(r"\} mec_\w+;", text)), "a type that is not understood"
    return functions, enums, structs


def measure(compiler, header):
    """The record's lines, with what the compiler says of sizes, offsets and values."""
    functions, enums, structs = parse(Path(header).read_text("utf-8"))
    lines = [f'puts("function {text}");' for text in functions.values()]
    for name, values in enums.items():
        lines += [f'printf("enum {name} {value} = %d\\n", (int){value});' for value in values]
    for name, fields in structs.items():
        grows = "grows" if fields[0] == ("size_t", "size") else "fixed"
        lines.append(f'printf("struct {name} {grows} %zu\\n", sizeof({name}));')
        lines += [f'printf("  {name}.{member} at %zu, %zu bytes: {type_}\\n", offsetof({name}, {member}), sizeof((({name}*)0)->{member}));'
                  for type_, member in fields]
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "measure.c"), Path(folder, "measure")
        source.write_text(f'#include "{Path(header).resolve()}"\n#include <stdio.h>\nint main(void) {{\n' + "\n".join(lines) + "\nreturn 0;\n}\n")
        subprocess.run([compiler, "-std=c99", source, "-o", program], check=True)
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


def key_of(line):
    """What a line is about."""
    return re.match(r"function .*?(mec_\w+)\(|enum (\w+ \w+)|struct (\w+)|  (\w+\.\w+)", line).group(1, 2, 3, 4)


def compare(recorded, now):
    """(what programs out there would stumble over, what is new)."""
    broken, new = [], []
    of_now, of_record = {key_of(line): line for line in now}, {key_of(line): line for line in recorded}
    for key, line in of_record.items():
        other = of_now.get(key)
        if other is None:
            broken.append(f"gone: {line.strip()}")
        elif other != line and not grown(line, other):
            broken.append(f"was '{line.strip()}', and is '{other.strip()}'")
    ends = {line.split()[1]: int(line.split()[3]) for line in recorded if line.startswith("struct")}
    for key, line in of_now.items():
        if key in of_record and (line == of_record[key] or not grown(of_record[key], line)):
            continue
        new.append(line)
        if key[3] and int(re.search(r" at (\d+)", line).group(1)) < ends.get(key[3].split(".")[0], 0):
            broken.append(f"{key[3]} is new, and not after the end of the struct")
    return broken, new


def grown(old, new):
    """A struct that may grow, and did."""
    return old.split()[:1] == ["struct"] and old.split()[2] == new.split()[2] == "grows" and int(new.split()[3]) > int(old.split()[3])


def check_layout(compiler, header, record):
    yield from header_of_record(header, record)
    broken, new = compare(Path(record).read_text("utf-8").splitlines(), measure(compiler, header))
    yield from (f"{line}: programs that were compiled before would break; that is a new MEC_ABI" for line in broken)
    if new and not broken:
        yield from (f"not on record: {line.strip()}" for line in new)
        yield f"an addition; put it on record: tests/capi/abi.py record {compiler} {header} {record}"


def header_of_record(header, record):
    abi = abi_of(Path(header).read_text("utf-8"))
    if not record.endswith(f"abi_{abi}.txt"):
        yield f"{record} is not the record of MEC_ABI {abi}"


def write_record(compiler, header, record):
    now, path = measure(compiler, header), Path(record)
    broken, _ = compare(path.read_text("utf-8").splitlines() if path.exists() else [], now)
    if broken:
        return broken
    path.write_text("\n".join(now) + "\n", "utf-8")
    return []


# ---- Self-test

HEADER = """#define MEC_ABI 1
/* MEC_API int mec_in_a_comment(int); */
MEC_API const char* mec_a(void);
MEC_API int mec_b(int x,
    const char* y);
typedef enum mec_e { MEC_X = 0, MEC_Y = 3 } mec_e;
typedef struct mec_s {
  size_t size; /* of it */
  int32_t n, m;
  const void *p, *q;
  double mean[3];
  void (*note)(const char* line, void* context);
} mec_s;
typedef struct mec_t {
  double x;
} mec_t;
"""


def rows(grow_s=40, more=(), y=3, t=8, b="const char*", q=24):
    return ["function const char* mec_a(void)", f"function int mec_b(int, {b})", "enum mec_e MEC_X = 0", f"enum mec_e MEC_Y = {y}",
            f"struct mec_s grows {grow_s}", "  mec_s.size at 0, 8 bytes: size_t", f"  mec_s.q at {q}, 8 bytes: void*", *more,
            f"struct mec_t fixed {t}"]


def self_test():
    good = "00 A MEC_1\n10 T mec_a@@MEC_1\n20 T mec_b@@MEC_1\n"
    assert not list(exports(HEADER, good))
    assert list(exports(HEADER, good + "30 W _ZN3mec6TensorD1Ev\n")) == ["_ZN3mec6TensorD1Ev is exported, but not in the header"]
    assert list(exports(HEADER, "10 T mec_a@@MEC_1\n")) == ["mec_b is in the header, but not exported"]
    assert list(exports(HEADER, good.replace("mec_b@@MEC_1", "mec_b"))) == ["mec_b has the version '', not MEC_1"]
    assert list(exports("#define MEC_ABI 1\n", "")) == ["the header declares no function"]
    archive = "\na.o:\n10 T mec_a\n20 T _ZN3mec6TensorD1Ev\n30 W _ZNSt6vectorIiE4sizeEv\n40 V DW.ref.__gxx_personality_v0\n50 T _ZTIN3mec5ErrorE\n"
    assert not list(archived(HEADER, archive))
    assert list(archived(HEADER, archive + "60 T stbi_load\n")) == ["stbi_load would meet a program's own"]
    assert not list(archived(HEADER, archive + "60 V nvtxGlobals_v3\n"))
    assert list(archived(HEADER, archive + "60 T nvtxGlobals_v3\n")) == ["nvtxGlobals_v3 would meet a program's own"]
    assert list(archived(HEADER, archive + "60 T _Z4loadv\n")) == ["_Z4loadv is not in the namespace mec"]

    functions, enums, structs = parse(HEADER)
    assert functions == {"mec_a": "const char* mec_a(void)", "mec_b": "int mec_b(int, const char*)"}, functions
    assert enums == {"mec_e": ["MEC_X", "MEC_Y"]}, enums
    assert structs["mec_s"] == [("size_t", "size"), ("int32_t", "n"), ("int32_t", "m"), ("const void*", "p"), ("const void*", "q"),
                                ("double[3]", "mean"), ("void (*)(const char* line, void* context)", "note")], structs

    assert compare(rows(), rows()) == ([], [])
    for change, found in (({"y": 4}, "MEC_Y = 4"), ({"t": 16}, "fixed 16"), ({"b": "char*"}, "was 'function int mec_b(int, const char*)'"), ({"q": 32}, "at 32"),
                          ({"grow_s": 32}, "grows 32"), ({"more": ["  mec_s.r at 32, 8 bytes: int"]}, "mec_s.r is new")):
        broken, _ = compare(rows(), rows(**change))
        assert len(broken) == 1 and found in broken[0], (change, broken)
    assert compare(rows(), [line for line in rows() if "mec_a" not in line])[0] == ["gone: function const char* mec_a(void)"]
    broken, new = compare(rows(), rows(grow_s=48, more=["  mec_s.r at 40, 8 bytes: int"]) + ["function int mec_c(void)"])
    assert not broken and len(new) == 3, (broken, new)


def main():
    match sys.argv[1:]:
        case ["--self-test"]:
            return self_test()
        case ["symbols", nm, header, library, *archives]:
            found = list(check_symbols(nm, header, library, archives))
        case ["layout", compiler, header, record]:
            found = list(check_layout(compiler, header, record))
        case ["record", compiler, header, record]:
            found = write_record(compiler, header, record)
        case _:
            sys.exit(__doc__)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
