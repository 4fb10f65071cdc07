#!/usr/bin/env python3
"""An encoder of mec as a backbone for detectron2: safetensors_to_detectron2.py ENCODER.safetensors OUT.pkl

Writes MODEL.WEIGHTS and prints the settings that go with it. torchvision's names become detectron2's:
    conv1.weight, bn1.*                          stem.conv1.weight, stem.conv1.norm.*
    layer1.0.conv2.weight, layer1.0.bn2.*        res2.0.conv2.weight, res2.0.conv2.norm.*
    layer1.0.downsample.0.weight, …downsample.1.*    res2.0.shortcut.weight, res2.0.shortcut.norm.*
num_batches_tracked is left out: detectron2's norms are frozen. Needs NumPy alone.
"""
import json
import pickle
import re
import struct
import sys

import numpy as np


def read_safetensors(path):
    """({name: array}, metadata) of a file of mec, whose weights are f32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    arrays = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            arrays[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return arrays, metadata


def detectron2_name(name):
    name = re.sub(r"\bbn(\d)", r"conv\1.norm", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    if name.startswith("layer"):
        return re.sub(r"^layer(\d)", lambda stage: f"res{int(stage[1]) + 1}", name)
    return "stem." + name


def settings(metadata):
    arch, width = metadata["arch"], int(metadata["width"])
    found = re.fullmatch(r"(wide_)?resnet(18|34|50|101|152)(_2)?", arch)
    if not found or metadata["stem"] != "imagenet":
        sys.exit(f"error: detectron2 has no {arch} with the {metadata['stem']} stem; it has resnet18, 34, 50, 101, 152 and "
                 "wide_resnet50_2 and 101_2 with the imagenet stem")
    depth = int(found[2])
    scale = [[float(f"{255 * float(value):.6g}") for value in metadata[key].split(",")] for key in ("mean", "std")]
    return {"MODEL.RESNETS.DEPTH": depth, "MODEL.RESNETS.STRIDE_IN_1X1": False, "MODEL.RESNETS.STEM_OUT_CHANNELS": width,
            "MODEL.RESNETS.RES2_OUT_CHANNELS": width * (4 if depth >= 50 else 1),
            "MODEL.RESNETS.WIDTH_PER_GROUP": width * (2 if found[1] else 1), "INPUT.FORMAT": "RGB",
            "MODEL.PIXEL_MEAN": scale[0], "MODEL.PIXEL_STD": scale[1]}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    arrays, metadata = read_safetensors(sys.argv[1])
    if "arch" not in metadata:
        sys.exit(f"error: {sys.argv[1]} does not say its architecture; bring it in with mec import first")
    lines = settings(metadata)
    model = {detectron2_name(name): value for name, value in arrays.items()}
    with open(sys.argv[2], "wb") as file:
        pickle.dump({"model": model, "__author__": "mec", "matching_heuristics": True}, file)
    for key, value in {"MODEL.WEIGHTS": sys.argv[2], **lines}.items():
        print(f"{key}: {json.dumps(value)}")


if __name__ == "__main__":
    main()
