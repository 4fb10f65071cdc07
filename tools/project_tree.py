"""The files of the project, and copies of its tree."""
import os
import shutil
import subprocess
from pathlib import Path

SKIPPED_FOLDERS = {"build", "runs", "__pycache__"}


def project_files(root):
    """Every file that git tracks or would track; every file outside build folders where there is no git.

    Links to folders are left out: what they lead to is listed under its own name.
    """
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


def copy_project(root, copy, changed=None):
    """Makes `copy` equal to the project, with the texts `changed` ({name: text}) in place of its own or beside them.

    Writes only what differs, so that a build of the copy stays up to date.
    """
    wanted = {str(path.relative_to(root)): path.read_bytes() for path in project_files(root)}
    wanted |= {name: text.encode() for name, text in (changed or {}).items()}
    for name, content in wanted.items():
        write_if_other(Path(copy, name), content)
    for link in filter(Path.is_symlink, Path(root, "include", "mec").iterdir()):
        there = Path(copy, link.relative_to(root))
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.is_symlink():
            there.symlink_to(os.readlink(link))
    for folder, _, names in os.walk(copy):
        for name in names:
            path = Path(folder, name)
            if str(path.relative_to(copy)) not in wanted:
                path.unlink()


def write_if_other(path, content):
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
