#!/usr/bin/env python3
"""An encoder of mec as a backbone for detectron2: safetensors_to_detectron2.py ENCODER.safetensors OUT.pkl

Writes MODEL.WEIGHTS and prints the settings that go with it. torchvision's names become detectron2's:
    conv1.weight, bn1.*                          stem.conv1.weight, stem.conv1.norm.*
    layer1.0.conv2.weight, layer1.0.bn2.*        res2.0.conv2.weight, res2.0.conv2.norm.*
    layer1.0.downsample.0.weight, …downsample.1.*    res2.0.shortcut.weight, res2.0.shortcut.norm.*
num_batches_tracked is left out, since detectron2's norms are frozen, and the classifier fc. f16, bf16 and f64 become f32.
Needs NumPy alone.
"""
import json
import os
import pickle
import re
import struct
import sys

try:
    import numpy as np
except ImportError as missing:
    sys.exit(f"error: {missing}; install numpy")

TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BF16": "<u2"}
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
NORM = ("weight", "bias", "running_mean", "running_var")


def fail(*words):
    sys.exit("error: " + " ".join(str(word) for word in words))


def to_f32(name, kind, content, shape):
    if kind not in TYPES:
        fail(f"{name} is {kind}; weights are {', '.join(TYPES)}")
    values = np.frombuffer(content, TYPES[kind])
    if kind == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    with np.errstate(over="ignore"):
        values = values.astype("<f4").reshape(shape)
    if not np.isfinite(values).all():
        fail(f"{name} has a value that is not finite in f32")
    return values


def read_safetensors(path):
    """({name: (type, shape, bytes)}, metadata)"""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            data = file.read()
        metadata = header.pop("__metadata__", None) or {}
        entries = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= len(data):
                fail(f"{path}: {name} stands behind the end of the file")
            entries[name] = (entry["dtype"], tuple(entry["shape"]), data[begin:end])
        return entries, metadata
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, struct.error) as error:
        fail(f"{path}: not a safetensors file ({error!r})")


def network(metadata):
    """(depth, wide, width, channels), of those that detectron2 has."""
    arch, stem, width, channels = metadata["arch"], metadata["stem"], int(metadata["width"]), int(metadata["in_channels"])
    found = re.fullmatch(r"(wide_)?resnet(18|34|50|101|152)(_2)?", arch)
    if not found or stem != "imagenet":
        fail(f"detectron2 has no {arch} with the {stem} stem; it has resnet18, 34, 50, 101, 152 and wide_resnet50_2 and 101_2 "
             "with the imagenet stem")
    if int(found[2]) < 50 and width != 64:
        fail(f"detectron2 has {arch} with a width of 64 alone, but this one has {width}")
    if channels not in (1, 3):
        fail(f"detectron2 reads images of 1 or 3 channels, but this encoder takes {channels}")
    return int(found[2]), 2 if found[1] else 1, width, channels


def expected_tensors(depth, wide, width, channels):
    """{torchvision's name: (detectron2's, shape)}"""
    tensors = {}

    def conv_norm(conv, norm, theirs, out, inputs, kernel):
        tensors[f"{conv}.weight"] = f"{theirs}.weight", (out, inputs, kernel, kernel)
        for part in NORM:
            tensors[f"{norm}.{part}"] = f"{theirs}.norm.{part}", (out,)

    conv_norm("conv1", "bn1", "stem.conv1", width, channels, 7)
    before = width
    for stage, count in enumerate(BLOCKS[depth]):
        inner, out = width * wide << stage, width * (4 if depth >= 50 else 1) << stage
        for block in range(count):
            ours, theirs = f"layer{stage + 1}.{block}", f"res{stage + 2}.{block}"
            path = ((before, inner, 1), (inner, inner, 3), (inner, out, 1)) if depth >= 50 else ((before, out, 3), (out, out, 3))
            for i, (inputs, outputs, kernel) in enumerate(path, 1):
                conv_norm(f"{ours}.conv{i}", f"{ours}.bn{i}", f"{theirs}.conv{i}", outputs, inputs, kernel)
            if before != out:
                conv_norm(f"{ours}.downsample.0", f"{ours}.downsample.1", f"{theirs}.shortcut", out, before, 1)
            before = out
    return tensors


def renamed(path, entries, expected):
    advice = "; bring it in with mec import first"
    left_out = {name for name in entries if name in ("fc.weight", "fc.bias") or name.endswith(".num_batches_tracked")}
    unknown = sorted(set(entries) - set(expected) - left_out)
    missing = sorted(set(expected) - set(entries))
    if unknown or missing:
        fail(f"{path}: its network has {'no' if unknown else 'a'} tensor {(unknown or missing)[0]}, but the file has "
             f"{'one' if unknown else 'none'}{advice}")
    model = {}
    for name, (theirs, shape) in expected.items():
        kind, found, content = entries[name]
        if found != shape:
            fail(f"{path}: {name} is {found}, but {shape} in its network{advice}")
        model[theirs] = to_f32(f"{path}: {name}", kind, content, shape)
    return model


def settings(metadata, depth, wide, width, channels):
    scale = [[float(f"{255 * float(value):.6g}") for value in metadata[key].split(",")] for key in ("mean", "std")]
    if len(scale[0]) != channels or len(scale[1]) != channels:
        fail(f"the metadata have {len(scale[0])} means and {len(scale[1])} stds for images of {channels} channels")
    return {"MODEL.RESNETS.DEPTH": depth, "MODEL.RESNETS.STRIDE_IN_1X1": False, "MODEL.RESNETS.STEM_OUT_CHANNELS": width,
            "MODEL.RESNETS.RES2_OUT_CHANNELS": width * (4 if depth >= 50 else 1),
            "MODEL.RESNETS.WIDTH_PER_GROUP": width * wide, "INPUT.FORMAT": "RGB" if channels == 3 else "L",
            "MODEL.PIXEL_MEAN": scale[0], "MODEL.PIXEL_STD": scale[1]}


def write(content, path):
    """Replaces the file as a whole or not at all."""
    target = os.path.realpath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as file:
            pickle.dump(content, file)
        os.replace(temporary, target)
    except OSError as error:
        if os.path.exists(temporary):
            os.remove(temporary)
        fail(f"{path} cannot be written: {error.strerror or error}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = sys.argv[1:]
    if os.path.isdir(target):
        fail(f"{target} is a folder; give the file a name: {os.path.join(target, 'backbone.pkl')}")
    if os.path.exists(source) and os.path.exists(target) and os.path.samefile(source, target):
        fail(f"{target} is the encoder itself; write to another file")
    entries, metadata = read_safetensors(source)
    if "arch" not in metadata:
        fail(f"{source} does not say its architecture; bring it in with mec import first")
    try:
        facts = network(metadata)
        lines = settings(metadata, *facts)
    except (KeyError, ValueError) as error:
        fail(f"{source}: its metadata are not those that mec writes ({error!r}); bring it in with mec import first")
    model = renamed(source, entries, expected_tensors(*facts))
    write({"model": model, "__author__": "mec", "matching_heuristics": True}, target)
    for key, value in {"MODEL.WEIGHTS": target, **lines}.items():
        print(f"{key}: {json.dumps(value)}")


if __name__ == "__main__":
    main()
