"""What torch.save wrote, by tools/pth_to_safetensors.py. Status 77 without PyTorch or safetensors."""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import safetensors.torch
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SCRIPT = Path(__file__).resolve().parents[2] / "tools/pth_to_safetensors.py"


def run(*words):
    return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True)


def check_refused(content, why):
    """One line, status 1, and nothing is written."""
    torch.save(content, folder / "x.pth")
    done = run(folder / "x.pth", folder / "no.safetensors")
    assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1, (why, done)
    assert not (folder / "no.safetensors").exists() and not list(folder.glob("*.tmp"))


def check_converted():
    weight = torch.arange(6.0).reshape(2, 3)
    content = {"model": {"conv1.weight": weight.T, "twice": weight}, "epoch": 3, "args": argparse.Namespace(lr=0.1),
               "optimizer": {"state": {0: {"step": torch.tensor(5)}}, "groups": [1, 2]}}
    torch.save(content, folder / "x.pth")
    done = run(folder / "x.pth", folder / "y.safetensors")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (f"wrote {folder / 'y.safetensors'}: 3 tensors\n"
                           "left out, as they are no tensors: epoch, args, optimizer.groups\n"), done.stdout
    found = safetensors.torch.load_file(folder / "y.safetensors")
    assert set(found) == {"model.conv1.weight", "model.twice", "optimizer.state.0.step"}, found
    assert torch.equal(found["model.conv1.weight"], weight.T) and torch.equal(found["model.twice"], weight)
    torch.save({"w": weight, **{f"k{i}": i for i in range(25)}}, folder / "x.pth")
    assert run(folder / "x.pth", folder / "y.safetensors").stdout.endswith("k19 and 5 more\n")


def check_paths():
    torch.save({"w": torch.zeros(2)}, folder / "x.pth")
    before = (folder / "x.pth").read_bytes()
    (folder / "link.pth").symlink_to(folder / "x.pth")
    for words, why in (((folder / "x.pth", folder / "x.pth"), "is the file to convert"),
                       ((folder / "x.pth", folder / "link.pth"), "is the file to convert"),
                       ((folder / "x.pth", folder), "is a folder"),
                       ((folder / "x.pth", folder / "missing" / "y"), "there is no folder"),
                       ((folder / "missing", folder / "y"), "No such file")):
        done = run(*words)
        assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1, (why, done)
    assert (folder / "x.pth").read_bytes() == before
    (folder / "text").write_text("no tensors")
    done = run(folder / "text", folder / "y")
    assert done.returncode == 1 and "torch cannot open it" in done.stderr and done.stderr.count("\n") == 1, done
    done = run(folder / "x.pth")
    assert done.returncode == 1 and "OUT.safetensors" in done.stderr and "Traceback" not in done.stderr, done


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    check_converted()
    check_refused({"epoch": 3}, "there are no tensors in it, in dictionaries; it holds epoch")
    check_refused([torch.zeros(2)], "there are no tensors in it")
    check_refused({"a": {"b": torch.zeros(2)}, "a.b": torch.zeros(3)}, "two tensors have the name a.b")
    check_refused({1: torch.zeros(2), "1": torch.zeros(3)}, "two tensors have the name 1")
    check_refused(torch.nn.Linear(2, 3), "it holds more than tensors, a torch.nn.modules.linear.Linear")
    check_refused({"w": torch.eye(3).to_sparse()}, "w is a sparse tensor")
    check_paths()
