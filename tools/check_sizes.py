#!/usr/bin/env python3
"""Keeps files, functions and lines small enough to read.

The limits: 400 lines for a file, 60 for a function, 120 for a kernel (a function of a backend), 100 for `main`; 100
columns for comments and for the text of pages. An exception for a file or function is a line of
tools/size_exceptions.txt, "path | reason" or "path:function | reason"; one that is no longer needed is an error.
"""
import ast
import re

from check_common import main
from project_tree import project_files

FILE_LINES, FUNCTION_LINES, KERNEL_LINES, MAIN_LINES = 400, 60, 120, 100
COLUMNS = 100
# Lines of a page that may be wider: tables, headings, code, pictures, and the instructions of
# docs/add_*.md, each of which is one line.
PAGE_LAYOUT = re.compile(r"\s*(\||#|<|!\[)|    |(Make|In|Now) `")
CXX = {".h", ".cpp", ".cu", ".cuh"}
OTHER = {".py", ".sh", ".cmake", ".f90"}
KERNELS = re.compile(r"(^|/)tensor/backends/(cpu|reference|cuda)/")
EXCEPTIONS = "tools/size_exceptions.txt"

# Comments, strings and preprocessor lines hold braces that mean nothing.
NOISE = re.compile(r"""//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])+'"""
                   r"""|^[ \t]*\#(?:\\\n|[^\n])*""", re.DOTALL | re.MULTILINE)


def blank(match):
    """Replaces the match by as many empty lines, and a string by "", so that line numbers and TEST_CASE("") stay."""
    text = match.group(0)
    return ('""' if text[0] in "\"R" else "") + "\n" * text.count("\n")


def without_templates(head):
    """Drops `template <...>` in front, whose `class` would make a function look like one."""
    while match := re.match(r"\s*template\s*<", head):
        depth, i = 1, match.end()
        while i < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[i], 0)
            i += 1
        head = head[i:]
    return head


def kind_of(head):
    """What a `{` after this text opens: a scope to look into, a function, or a list of values."""
    head = re.sub(r"\[\[.*?\]\]|alignas\([^)]*\)", "", without_templates(head))
    in_parentheses = head.count("(") > head.count(")")
    initialiser = re.search(r"\)\s*(?:noexcept\s*)?:(?!:)", head) and re.search(r"[\w>]\s*$", head)
    if in_parentheses or initialiser:  # `f(Args a = {})`, or `A(int b) : b_{b}`
        return "part of the head"
    if re.search(r"\bnamespace\b", head) or re.search(r'\bextern\s*""\s*$', head):
        return "scope"
    if "(" in head:
        return "function"
    return "scope" if re.search(r"\b(class|struct|union|enum)\b", head) else "values"


def name_of(head):
    head = without_templates(head)
    match = re.search(r"(operator\s*[^\s\w(]+|operator\s*\(\s*\)|[\w:~]+)\s*\(", head)
    return re.sub(r"\s", "", match.group(1)) if match else "?"


def cxx_functions(text):
    """(name, first line, lines) of each function definition. Lambdas and local classes count with their function."""
    text = NOISE.sub(blank, text)
    stack, head, head_start = [], "", 0
    for i, c in enumerate(text):
        held = bool(stack) and stack[-1][0] == "part of the head"
        if c == "{":
            inside = any(kind == "function" for kind, _, _ in stack)
            kind = "part of the head" if held else "values" if inside else kind_of(head)
            stack.append((kind, head, head_start))
            if kind != "part of the head":
                head = ""
        elif c == "}" and stack:
            kind, opened, start = stack.pop()
            if kind == "function":
                yield name_of(opened), text.count("\n", 0, start) + 1, text.count("\n", start, i) + 1
            head = head + "()" if kind == "part of the head" else ""
        elif c == ";" and head.count("(") <= head.count(")") and not held:
            head = ""
        elif not held:
            if not head.strip():
                head, head_start = "", i
            head += c


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def read_exceptions(root):
    path = root / EXCEPTIONS
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split("|", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {pair[0].strip(): (pair[1].strip() if len(pair) == 2 else "") for pair in pairs}


def too_large(root):
    """(key of its exception, message) for each file and function over its limit."""
    for path in project_files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix not in CXX | OTHER and path.name not in ("CMakeLists.txt", "Makefile"):
            continue
        text = path.read_text()
        lines = text.count("\n")
        if lines > FILE_LINES:
            yield name, f"{name}: {lines} lines, {FILE_LINES} allowed"
        functions = cxx_functions if path.suffix in CXX else python_functions if path.suffix == ".py" else None
        for function, first, count in functions(text) if functions else ():
            limit = MAIN_LINES if function == "main" else KERNEL_LINES if KERNELS.search(name) else FUNCTION_LINES
            if count > limit:
                yield f"{name}:{function}", f"{name}:{first}: {function} has {count} lines, {limit} allowed"


def wide_lines(root):
    """Findings for lines of comments and of pages that are too wide; tables and code may be wider."""
    for path in project_files(root):
        comment = {".md": None, ".py": "#", ".cmake": "#", ".f90": "!"}.get(path.suffix, "//" if path.suffix in CXX else "")
        if comment == "":
            continue
        fenced = False
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            text = line.strip()
            fenced ^= comment is None and text.startswith("```")
            prose = not fenced and not PAGE_LAYOUT.match(line) if comment is None else text.startswith(comment)
            if prose and len(line) > COLUMNS and " " in line[len(line) - len(text) + 3:COLUMNS]:
                yield f"{path.relative_to(root)}:{number}: {len(line)} columns, {COLUMNS} allowed in comments and pages"


def check(root):
    exceptions = read_exceptions(root)
    findings = [f"{EXCEPTIONS}: {key}: a reason is missing" for key, reason in exceptions.items() if not reason]
    used = set()
    for key, message in too_large(root):
        if key in exceptions:
            used.add(key)
        else:
            findings.append(message)
    findings += wide_lines(root)
    return findings + [f"{EXCEPTIONS}: {key}: no longer needed" for key in sorted(set(exceptions) - used)]


def body(lines):
    return "{\n" + "  f();\n" * (lines - 2) + "}\n"


CASES = [
    ({"a.cpp": "void f() " + body(60) + "int main() " + body(100), "tensor/backends/cpu/a.cpp": "void k() " + body(120)}, None),
    ({"a.cpp": "// " + "word " * 20 + "\nint x;  // " + "word " * 20}, "a.cpp:1: 103 columns"),
    ({"a.py": "  # " + "w " * 49}, "a.py:1: 102 columns"),
    ({"a.md": "word " * 20 + "\n\n" + "| word " * 20 + "|\n\n```\n" + "word " * 30 + "\n```\n" + "word " * 21}, "a.md:8: 105"),
    ({"a.md": "In `a.cpp`, after `" + "word " * 30 + "`:\n\n[a](http://" + "x" * 120 + ")\n"}, None),
    ({"a.cpp": "void f() " + body(61)}, "a.cpp:1: f has 61"),
    ({"a.cpp": "int main() " + body(101)}, "main has 101"),
    ({"tensor/backends/cpu/a.cpp": "void k() " + body(121)}, "k has 121"),
    ({"a.h": "int x;\n" * 401}, "401 lines"),
    ({"a.f90": "integer :: x\n" * 401}, "401 lines"),
    ({"a.f90": "  ! " + "word " * 20}, "a.f90:1: 104 columns"),
    ({"a.h": "namespace a {\nclass B {\n  int x = 1;\n" + "  int y() { return '{'; } // {\n" * 80 + "};\n}\n"}, None),
    ({"a.h": "struct A {\n A(int b) : b_{b}, c_{1} " + body(61) + "};\n"}, "a.h:2: A has 61"),
    ({"a.cpp": "template <class T, class U>\nT g(U u = {}) " + body(60)}, "a.cpp:1: g has 61"),
    ({"a.cpp": "const int table[] = {\n" + "1,\n" * 80 + "};\n"}, None),
    ({"a.cpp": 'TEST_CASE("{") ' + body(61)}, "TEST_CASE has 61"),
    ({"a.py": "def f():\n" + "    x = 1\n" * 60}, "f has 61"),
    ({"a.cpp": "void f() " + body(61), EXCEPTIONS: "a.cpp:f | one table, clearer in one piece\n"}, None),
    ({"a.cpp": "void f() " + body(61), EXCEPTIONS: "a.cpp:f |\n"}, "a reason is missing"),
    ({EXCEPTIONS: "a.cpp:f | once long\n"}, "no longer needed"),
]

if __name__ == "__main__":
    main(check, CASES)
