"""ResNets as NumPy arrays under torchvision's and timm's names, written without mec: what tests of exchange begin with."""
import json
import struct

import numpy as np

BLOCKS = {"resnet10": (1, 1, 1, 1), "resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3),
          "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}


def random_state(arch, stem="imagenet", width=8, channels=3, seed=0):
    """Weights that keep activations of size one, and statistics that leave no norm at its neutral values."""
    rng = np.random.default_rng(seed)
    state = {}
    d, wide = arch.endswith("d"), 2 if arch.startswith("wide_") else 1
    blocks = BLOCKS[arch.removesuffix("d").removeprefix("wide_").removesuffix("_2")]
    bottleneck = int(arch.removesuffix("d").removeprefix("wide_").removesuffix("_2")[6:]) >= 50

    def conv(name, inputs, outputs, kernel):
        state[name + ".weight"] = rng.normal(size=(outputs, inputs, kernel, kernel)) * (2 / (inputs * kernel**2)) ** 0.5

    def norm(name, count, gain=1.0):
        state[name + ".weight"] = gain * rng.uniform(0.5, 1.5, count)
        state[name + ".bias"] = 0.2 * rng.normal(size=count)
        state[name + ".running_mean"] = 0.2 * rng.normal(size=count)
        state[name + ".running_var"] = rng.uniform(0.5, 2, count)
        state[name + ".num_batches_tracked"] = np.array(7, np.int64)

    if d and stem == "imagenet":
        for number, (inputs, outputs) in zip((0, 3, 6), ((channels, width // 2), (width // 2, width // 2), (width // 2, width))):
            conv(f"conv1.{number}", inputs, outputs, 3)
            if number < 6:
                norm(f"conv1.{number + 1}", outputs)
    else:
        conv("conv1", channels, width, 7 if stem == "imagenet" else 3)
    norm("bn1", width)
    before = width
    for stage, count in enumerate(blocks):
        inner, out = (width << stage) * wide, (width << stage) * (4 if bottleneck else 1)
        for number in range(count):
            block = f"layer{stage + 1}.{number}"
            path = ((before, inner, 1), (inner, inner, 3), (inner, out, 1)) if bottleneck else ((before, out, 3), (out, out, 3))
            for i, (inputs, outputs, kernel) in enumerate(path, 1):
                conv(f"{block}.conv{i}", inputs, outputs, kernel)
                norm(f"{block}.bn{i}", outputs, 0.5 if i == len(path) else 1.0)
            if number == 0 and (stage > 0 or before != out):
                conv(f"{block}.downsample.{int(d)}", before, out, 1)
                norm(f"{block}.downsample.{int(d) + 1}", out)
            before = out
    return {name: value if value.dtype == np.int64 else value.astype(np.float32) for name, value in state.items()}


def write_safetensors(path, state, metadata=None):
    types = {"float32": "F32", "float16": "F16", "int64": "I64"}
    header, at = {"__metadata__": metadata} if metadata else {}, 0
    for name, value in state.items():
        header[name] = {"dtype": types[value.dtype.name], "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(value.tobytes() for value in state.values()))
