"""Encoders under detectron2's names: detectron2_names.py PROGRAM. Status 77 without NumPy.

The names and shapes are written down from detectron2/modeling/backbone/resnet.py: BasicStem, BasicBlock, BottleneckBlock.
"""
import json
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("skipped: there is no NumPy for", sys.executable)
    sys.exit(77)

from networks import BLOCKS, random_state, write_safetensors

SCRIPT = Path(__file__).resolve().parents[2] / "tools/safetensors_to_detectron2.py"


def conv_norm(name, out, inputs, kernel):
    return {f"{name}.weight": (out, inputs, kernel, kernel),
            **{f"{name}.norm.{part}": (out,) for part in ("weight", "bias", "running_mean", "running_var")}}


def expected_shapes(depth, width, wide, channels):
    bottleneck = depth >= 50
    shapes = conv_norm("stem.conv1", width, channels, 7)
    before = width
    for stage, count in enumerate(BLOCKS[f"resnet{depth}"], 2):
        inner, out = width * wide << stage - 2, width * (4 if bottleneck else 1) << stage - 2
        for block in range(count):
            name = f"res{stage}.{block}"
            if before != out:
                shapes |= conv_norm(f"{name}.shortcut", out, before, 1)
            if bottleneck:
                shapes |= conv_norm(f"{name}.conv1", inner, before, 1) | conv_norm(f"{name}.conv2", inner, inner, 3)
                shapes |= conv_norm(f"{name}.conv3", out, inner, 1)
            else:
                shapes |= conv_norm(f"{name}.conv1", out, before, 3) | conv_norm(f"{name}.conv2", out, out, 3)
            before = out
    return shapes


def convert(folder, arch, stem="imagenet", width=4, channels=3):
    state = random_state(arch, stem, width, channels)
    write_safetensors(folder / "foreign.safetensors", state)
    subprocess.run([sys.argv[1], "import", folder / "foreign.safetensors", "--out", folder / "e.safetensors"], check=True,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([sys.executable, SCRIPT, folder / "e.safetensors", folder / "e.pkl"], capture_output=True, text=True)
    return state, done


def run(*paths):
    return subprocess.run([sys.executable, SCRIPT, *paths], capture_output=True, text=True)


def check_refused(why, *paths):
    """One line, status 1, and OUT.pkl is not there."""
    done = run(*paths)
    assert done.returncode == 1 and why in done.stderr and done.stderr.count("\n") == 1, (why, done)
    assert not (folder / "no.pkl").exists()


def check_file(why, change, arch="resnet50"):
    """A good encoder, once `change` had its state and metadata."""
    state = random_state(arch, width=4)
    metadata = {"arch": arch, "stem": "imagenet", "width": "4", "in_channels": "3", "mean": "0.5,0.5,0.5", "std": "1,1,1"}
    change(state, metadata)
    write_safetensors(folder / "changed.safetensors", state, metadata)
    if why:
        return check_refused(why, folder / "changed.safetensors", folder / "no.pkl")
    done = run(folder / "changed.safetensors", folder / "yes.pkl")
    assert done.returncode == 0, done.stderr
    return pickle.loads((folder / "yes.pkl").read_bytes())["model"]


def check_unusual_files():
    import_first = "bring it in with mec import first"
    model = check_file(None, lambda state, _: state.update({"fc.weight": np.zeros((5, 256), np.float32),
                                                            "fc.bias": np.zeros(5, np.float32)}))
    assert not [name for name in model if "fc" in name]
    half = random_state("resnet50", width=4)["layer2.1.conv2.weight"].astype(np.float16)
    model = check_file(None, lambda state, _: state.update({"layer2.1.conv2.weight": half}))
    assert np.array_equal(model["res3.1.conv2.weight"], half.astype(np.float32))
    check_file(f"its network has no tensor head.weight, but the file has one; {import_first}",
               lambda state, _: state.update({"head.weight": np.zeros(3, np.float32)}))
    check_file("its network has a tensor layer3.2.bn1.bias, but the file has none", lambda state, _: state.pop("layer3.2.bn1.bias"))
    check_file("bn1.bias is (3,), but (4,) in its network", lambda state, _: state.update({"bn1.bias": np.zeros(3, np.float32)}))
    check_file("bn1.bias is I64; weights are F16", lambda state, _: state.update({"bn1.bias": np.zeros(4, np.int64)}))
    check_file("bn1.bias has a value that is not finite",
               lambda state, _: state.update({"bn1.bias": np.full(4, np.nan, np.float32)}))
    check_file("detectron2 has resnet18 with a width of 64 alone, but this one has 4", lambda *_: None, "resnet18")
    check_file("images of 1 or 3 channels, but this encoder takes 4", lambda _, data: data.update(in_channels="4"))
    check_file("the metadata have 1 means and 3 stds", lambda _, data: data.update(mean="0.5"))
    check_file(import_first, lambda _, data: data.pop("stem"))
    check_file("does not say its architecture", lambda _, data: data.pop("arch"))
    good = folder / "changed.safetensors"
    write_safetensors(good, random_state("resnet50", width=4), {"arch": "resnet50", "stem": "imagenet", "width": "4",
                                                                "in_channels": "3", "mean": "0,0,0", "std": "1,1,1"})
    before = good.read_bytes()
    check_refused("is the encoder itself", good, folder / "." / "changed.safetensors")
    assert good.read_bytes() == before
    check_refused("is a folder", good, folder)
    check_refused("No such file", good, folder / "missing" / "no.pkl")
    check_refused("No such file", folder / "missing", folder / "no.pkl")
    (folder / "cut").write_bytes(before[:len(before) - 9])
    check_refused("behind the end of the file", folder / "cut", folder / "no.pkl")
    (folder / "cut").write_bytes(before[:99])
    check_refused("not a safetensors file", folder / "cut", folder / "no.pkl")
    assert run().returncode == 1 and "OUT.pkl" in run().stderr
    assert not list(folder.glob("*.tmp"))


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for arch, depth, width, wide, channels in (("resnet18", 18, 64, 1, 3), ("resnet50", 50, 4, 1, 1),
                                               ("wide_resnet50_2", 50, 4, 2, 3)):
        state, done = convert(folder, arch, width=width, channels=channels)
        assert done.returncode == 0, done.stderr
        content = pickle.loads((folder / "e.pkl").read_bytes())
        assert content["matching_heuristics"] is True
        shapes = {key: value.shape for key, value in content["model"].items()}
        expected = expected_shapes(depth, width, wide, channels)
        assert shapes == expected, set(shapes) ^ set(expected)
        for ours, theirs in (("conv1.weight", "stem.conv1.weight"), ("bn1.running_var", "stem.conv1.norm.running_var"),
                             ("layer1.0.bn2.bias", "res2.0.conv2.norm.bias"),
                             ("layer4.0.downsample.0.weight", "res5.0.shortcut.weight"),
                             ("layer4.0.downsample.1.running_mean", "res5.0.shortcut.norm.running_mean")):
            assert np.array_equal(state[ours], content["model"][theirs]), theirs
        said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        said = {key: json.loads(value) for key, value in said.items()}
        assert said["MODEL.RESNETS.DEPTH"] == depth and said["MODEL.RESNETS.STRIDE_IN_1X1"] is False, said
        assert said["MODEL.RESNETS.WIDTH_PER_GROUP"] == width * wide and len(said["MODEL.PIXEL_MEAN"]) == channels, said
        assert said["INPUT.FORMAT"] == ("RGB" if channels == 3 else "L"), said
        if channels == 3:
            assert said["MODEL.PIXEL_MEAN"] == [123.675, 116.28, 103.53] and said["MODEL.PIXEL_STD"] == [58.395, 57.12, 57.375], said
    for arch, stem in (("resnet10", "imagenet"), ("resnet18", "cifar"), ("resnet50d", "imagenet")):
        done = convert(folder, arch, stem)[1]
        assert done.returncode == 1 and f"detectron2 has no {arch}" in done.stderr, done
    check_unusual_files()
