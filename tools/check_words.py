#!/usr/bin/env python3
"""Fails on what should never be committed: paths of one person's machine, package registries, unfinished business."""
import re

from check_common import main
from project_tree import project_files

# Put together from halves, so that this file passes its own check.
PATTERNS = {
    "path of one machine": re.compile(r"(?<![\w.}$/-])/(?:home/\w|Users/\w|root\b|wor" + r"k\b)"),
    "registry host": re.compile(r"\b(?:pyp" + r"i\.org|pythonhosted\.org|registry\.npm|npmjs\.|anaconda\.org|"
                                r"crates\.i" + r"o|proxy\.golan" + r"g|deb\.debia" + r"n\.org|archive\.ubunt" + r"u)"),
    "unfinished business": re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b"),
}


def check(root):
    findings = []
    for path in project_files(root):
        data = path.read_bytes()
        if b"\0" in data:  # binary: goldens, pictures
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for what, pattern in PATTERNS.items():
                if match := pattern.search(line):
                    findings.append(f"{path.relative_to(root)}:{number}: {what}: {match.group(0)}")
    return findings


CASES = [
    ({"a.md": "build/work is fine, $HOME/work too, and https://example.org/root as well\n"}, None),
    ({"a.md": "see /ho" + "me/me/x\n"}, "a.md:1: path"),
    ({"a.cpp": "\n// /wor" + "k/data\n"}, "a.cpp:2: path"),
    ({"a.sh": "cat \"/ro" + "ot/x\"\n"}, "path"),
    ({"a.txt": "https://pyp" + "i.org/simple\n"}, "registry"),
    ({"a.h": "// TO" + "DO: later\n"}, "unfinished"),
]

if __name__ == "__main__":
    main(check, CASES)
