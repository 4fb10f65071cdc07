"""What the checks of style share: the list of files, and the frame of a run and of a self-test."""
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED_FOLDERS = {"build", "runs", "__pycache__"}


def project_files(root):
    """Every file that git tracks or would track; every file outside build folders where there is no git."""
    if Path(root, ".git").exists() and shutil.which("git"):
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        answer = subprocess.run(command, capture_output=True, text=True)
        if answer.returncode == 0:  # git refuses a tree of another user
            return sorted(Path(root, name) for name in set(answer.stdout.split("\0")) if Path(root, name).is_file())
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and (not f.startswith(".") or f == ".ci")]
        found += [Path(folder, name) for name in names]
    return sorted(found)


def self_test(check, cases):
    """Each case: (files to plant, text that the one finding must contain, or None for a clean tree)."""
    for files, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            findings = check(Path(folder))
        good = not findings if expected is None else len(findings) == 1 and expected in findings[0]
        if not good:
            sys.exit(f"self-test: expected {expected!r} from {sorted(files)}, got {findings}")
    print(f"self-test: {len(cases)} planted trees judged as they should be")


def main(check, cases):
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, cases)
    findings = check(Path(__file__).resolve().parent.parent)
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)
