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


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for arch, depth, wide, channels in (("resnet18", 18, 1, 1), ("resnet50", 50, 1, 3), ("wide_resnet50_2", 50, 2, 3)):
        state, done = convert(folder, arch, channels=channels)
        assert done.returncode == 0, done.stderr
        content = pickle.loads((folder / "e.pkl").read_bytes())
        assert content["matching_heuristics"] is True
        shapes = {key: value.shape for key, value in content["model"].items()}
        assert shapes == expected_shapes(depth, 4, wide, channels), set(shapes) ^ set(expected_shapes(depth, 4, wide, channels))
        for ours, theirs in (("conv1.weight", "stem.conv1.weight"), ("bn1.running_var", "stem.conv1.norm.running_var"),
                             ("layer1.0.bn2.bias", "res2.0.conv2.norm.bias"),
                             ("layer4.0.downsample.0.weight", "res5.0.shortcut.weight"),
                             ("layer4.0.downsample.1.running_mean", "res5.0.shortcut.norm.running_mean")):
            assert np.array_equal(state[ours], content["model"][theirs]), theirs
        said = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        said = {key: json.loads(value) for key, value in said.items()}
        assert said["MODEL.RESNETS.DEPTH"] == depth and said["MODEL.RESNETS.STRIDE_IN_1X1"] is False, said
        assert said["MODEL.RESNETS.WIDTH_PER_GROUP"] == 4 * wide and len(said["MODEL.PIXEL_MEAN"]) == channels, said
        if channels == 3:
            assert said["MODEL.PIXEL_MEAN"] == [123.675, 116.28, 103.53] and said["MODEL.PIXEL_STD"] == [58.395, 57.12, 57.375], said
    for arch, stem in (("resnet10", "imagenet"), ("resnet18", "cifar"), ("resnet50d", "imagenet")):
        done = convert(folder, arch, stem)[1]
        assert done.returncode == 1 and f"detectron2 has no {arch}" in done.stderr, done
