#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: small files in each format, and files that claim more than they hold.

    tests/fuzz/make_corpus.py            into corpus/<target>/, as they are checked in
    tests/fuzz/make_corpus.py --images OUT   the image files of tests/golden/images.safetensors, into OUT/<target>/

Findings lie in corpus/ beside the seeds, and are not touched.
"""
import argparse
import gzip
import json
import math
import re
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDENS = HERE.parent / "golden" / "images.safetensors"
DEEP = 20000  # levels of brackets
SIDE = 13000  # of an image that fits Pillow's limit of pixels, and takes 507 MB in colour


def safetensors(tensors, metadata=None):
    header, values = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(values), len(values) + len(data)]}
        values += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def npy(descr, shape, data, fortran=False, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def idx(sizes, data):
    return struct.pack(">HBB", 0, 8, len(sizes)) + struct.pack(f">{len(sizes)}I", *sizes) + data


def joined(first, second):
    """Two files for a target that takes two (split() in targets.h)."""
    return struct.pack("<H", len(first)) + first + second


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def arrays():
    linear = [("weight", "F32", [2, 3], floats(1, 2, 3, 4, 5, 6)), ("bias", "F32", [2], floats(0, -1))]
    prefixed = [(f"backbone.{name}", *rest) for name, *rest in linear] + [("fc.weight", "F32", [1, 1], floats(1))]
    info = {"mec_format": "1", "arch": "resnet18", "stem": "cifar", "width": "8", "in_channels": "3",
            "image_size": "32", "mean": "0.5,0.4,0.3", "std": "0.25,0.25,0.5"}
    run = {"mec_checkpoint": "1", "step": "6", "steps_per_epoch": "3", "train.lr": "0.1"}
    state = [("online.weight", "F32", [2, 3], floats(1, 2, 3, 4, 5, 6)), ("online.steps", "I64", [], struct.pack("<q", 6)),
             ("momentum.weight", "F32", [2, 3, 1, 1], floats(6, 5, 4, 3, 2, 1))]
    # As much of a ResNet-10 as says that it is one: by its names, and cut into a Sequential.
    shapes = {"conv1": (1, 1, 3, 3), "layer1.0.conv1": (1, 1, 1, 1), "layer2.0.conv1": (1,), "layer3.0.conv1": (1,),
              "layer4.0.conv1": (1,), "layer4.0.conv2": (8, 8, 1, 1)}
    network = [(f"encoder_q.{name}.weight", "U8", list(shape), bytes(math.prod(shape))) for name, shape in shapes.items()]
    network += [(name.replace("_q", "_k"), *rest) for name, *rest in network]
    cut = [(re.sub(r"^conv1", "0", re.sub(r"^layer(.)", lambda m: str(int(m[1]) + 3), name)) + ".weight", "U8", list(shape),
            bytes(math.prod(shape))) for name, shape in shapes.items()]
    every_type = [("f64", "F64", [1], bytes(8)), ("f16", "F16", [2], bytes(4)), ("bf16", "BF16", [1, 2], bytes(4)),
                  ("i16", "I16", [1], bytes(2)), ("u64", "U64", [1], bytes(8)), ("bool", "BOOL", [3], b"\1\0\1"),
                  ("f4", "F4", [2], bytes(1)), ("none", "F32", [0, 5], b""), ("complex", "C64", [1], bytes(8))]
    huge = safetensors([("a", "F32", [2], floats(1, 2))]).replace(b"[2]", b"[4294967296, 4294967296]")
    deep = b'{"a":' + b"[" * DEEP
    yield "safetensors/types", safetensors(every_type, {"format": "pt"})
    yield "safetensors/nothing", safetensors([])
    yield "safetensors/huge_shape", huge
    yield "safetensors/deep", struct.pack("<Q", len(deep) + 1) + deep + b"}"
    yield "safetensors/header_of_100_mb", struct.pack("<Q", 99_999_999) + b"{"
    yield "weights/linear", safetensors(linear, info)
    yield "weights/prefixed", safetensors(prefixed, info)
    yield "weights/network_and_copy", safetensors(network)
    yield "weights/network_in_a_sequential", safetensors(cut)
    yield "checkpoint/of_a_run", safetensors(state, run)
    yield "npy/f4", npy("<f4", "(2, 3)", floats(*range(6)))
    yield "npy/fortran_big_endian", npy(">f8", "(2, 2)", bytes(32), fortran=True)
    yield "npy/scalar_version_2", npy("<u8", "()", bytes(8), version=2)
    yield "npy/bool_version_3", npy("|b1", "(5,)", b"\1\0\1\0\1", version=3)
    yield "npy/huge_shape", npy("<f8", "(4611686018427387904, 4)", bytes(8))
    yield "npy/fortran_of_nothing", npy("<f4", "(0, 281474976710656)", b"", fortran=True)


def data_sets():
    images, labels = idx([3, 2, 2], bytes(range(12))), idx([3], b"\0\1\2")
    yield "idx/plain", joined(images, labels)
    yield "idx/packed", joined(gzip.compress(images, mtime=0), gzip.compress(labels, mtime=0))
    yield "idx/huge_sizes", joined(idx([2**31 - 1, 2**32 - 1, 2**32 - 1], b"abc"), labels)
    yield "gzip/packed", gzip.compress(b"some text, some text, some text", mtime=0)
    yield "gzip/two_members", gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0)
    yield "gzip/of_nothing", gzip.compress(b"", mtime=0)
    yield "gzip/plain", b"not packed"
    record = bytes(i * 7 % 256 for i in range(3072))
    yield "cifar/ten", joined(b"", b"\7" + record)
    yield "cifar/hundred", joined(b"an odd length", b"\7\x63" + record)


def texts():
    key = {"direction": "forward", "n": 1, "h": 2, "w": 3, "c": 4, "o": 5, "kh": 1, "kw": 1, "stride": 1, "pad": 0, "dilation": 1,
           "groups": 1, "operands": "f32", "result": "f32", "accumulate": False, "tf32": False, "deterministic": True}
    plans = {"format": "mec convolution plans 1", "cudnn": 91900, "device": "NVIDIA H200", "multiprocessors": 132,
             "plans": [{"key": key, "engine": 3, "knobs": [[1, 2], [3, 4]], "milliseconds": 0.25},
                       {"key": {**key, "operands": "bf16"}, "engine": 0, "knobs": [], "milliseconds": None}]}
    yield "plans/two", json.dumps(plans).encode()
    yield "plans/deep", b'{"format": ' + b"[" * DEEP + b"]" * DEEP + b"}"
    yield "settings/several", (b'method = "mec"\n[model]\narch = "resnet18"\nwidth = 16\n[train]\nlr = 0.5\nepochs = 3\nseed = 7\n'
                               b'[data]\npath = "a \\"path\\" \\u00e9"\nmean = [0.5, 1, 2.5e-1]\n[augment]\nviews = 3\nsize = 20\n'
                               b'view2.flip_probability = 0.25\n[mec]\ncomponents = 2\n[mixture_kl]\nweight = 0.5\n')
    yield "settings/of_another_method", b'method = "swav"\n[swav]\nqueue = 8\n'
    yield "settings/numbers", b"train.lr = inf\ntrain.batch = 9223372036854775807\ntrain.epochs = 0x7f\n"
    yield "settings/dates", b"[train]\nlr = 2020-01-01T00:00:00Z\n"
    yield "settings/deep_lists", b"a = " + b"[" * DEEP
    yield "settings/deep_tables", b".".join([b"a"] * DEEP) + b" = 1\n"
    orientation = struct.pack("<HHII", 0x0112, 3, 1, 6)
    yield "exif/little", b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + orientation
    yield "exif/big", b"Exif\0\0MM\0*" + struct.pack(">IHHHIHH", 8, 1, 0x0112, 3, 1, 8, 0)
    yield "exif/far", b"II*\0" + struct.pack("<I", 0xffffffff) + bytes(8)


def goldens():
    """(name, bytes) of the image files, such as jpeg/gray."""
    content = GOLDENS.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    for name, entry in json.loads(content[8:8 + length]).items():
        if name.endswith("/file"):
            begin, end = entry["data_offsets"]
            yield name.removesuffix("/file"), content[8 + length + begin:8 + length + end]


def patched(content, at, replacement):
    return content[:at] + replacement + content[at + len(replacement):]


def images_that_claim_more():
    """Files of a few hundred bytes that claim SIDE x SIDE pixels."""
    files = dict(goldens())
    little = struct.pack("<I", SIDE)
    yield "bmp/claims_rle", patched(files["bmp/rle8"], 18, 2 * little)
    yield "bmp/claims_plain", patched(files["bmp/24"], 18, 2 * little)
    yield "gif/claims", patched(files["gif/plain"], 6, 2 * struct.pack("<H", SIDE))
    jpeg = files["jpeg/gray"]
    for target in ("jpeg", "jpeg_stb"):
        yield f"{target}/claims", patched(jpeg, jpeg.index(b"\xff\xc0") + 5, 2 * struct.pack(">H", SIDE))
    for target in ("png", "png_stb"):
        yield f"{target}/claims", patched(files["png/rgb_8"], 16, 2 * struct.pack(">I", SIDE))
    yield "pnm/claims", b"P6 %d %d 255\nabc" % (SIDE, SIDE)
    yield "pnm/claims_text", b"P1 %d %d 0 1 0" % (SIDE, SIDE)
    tiff = files["tiff/tiff_lzw"]
    for tag in (256, 257, 278):  # width, height, rows in a strip: a number of two bytes each
        tiff = patched(tiff, tiff.index(struct.pack("<HHI", tag, 3, 1)), struct.pack("<HHII", tag, 4, 1, SIDE))
    yield "tiff/claims", tiff
    webp = files["webp/animated"]
    yield "webp/claims", patched(webp, webp.index(b"VP8X") + 12, 2 * struct.pack("<I", SIDE - 1)[:3])


def write(folder, seeds):
    for name, content in seeds:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, metavar="OUT")
    options = parser.parse_args()
    if options.images:
        write(options.images, goldens())
    else:
        for seeds in (arrays(), data_sets(), texts(), images_that_claim_more()):
            write(HERE / "corpus", seeds)
