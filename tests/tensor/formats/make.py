#!/usr/bin/env python3
"""Makes what the tests of file formats compare with: NumPy's and PyTorch's files, and their values.

  make.py        (writes beside itself)

halves.safetensors: by safetensors.torch; each tensor "x" with PyTorch's f32 (or i64) of it,
"x.values".
npy.safetensors: the bytes of .npy files, "x.file", with what numpy.load reads from them, "x.values"
(f64 or i64); and "refused.x.file", which numpy.load refuses or no tensor can hold.

Made with torch 1.13.0, numpy 1.24.2 and safetensors 0.8.0.
"""
import io
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file as save_torch

HERE = Path(__file__).parent


def halves():
    # Every exponent with the smallest, the next, a middle and the largest mantissa, of both signs.
    def patterns(exponents, mantissa_bits, mantissas):
        bits = [s << 15 | e << mantissa_bits | m
                for s in (0, 1) for e in range(exponents) for m in mantissas]
        return torch.tensor(bits, dtype=torch.int32).to(torch.int16)

    f16 = patterns(32, 10, (0, 1, 341, 1023)).view(torch.float16)
    bf16 = patterns(256, 7, (0, 1, 127)).view(torch.bfloat16)
    tensors = {"f16": f16, "bf16": bf16}
    for dtype in (torch.int8, torch.int16, torch.uint8):
        info = torch.iinfo(dtype)
        tensors[str(dtype)] = torch.tensor([info.min, 0, 1, info.max], dtype=dtype)
    tensors["bool"] = torch.tensor([True, False])
    for name, tensor in list(tensors.items()):
        tensors[name + ".values"] = tensor.float() if tensor.is_floating_point() else tensor.long()
    save_torch(tensors, HERE / "halves.safetensors")


def file_of(array, version=None):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version)
    return buffer.getvalue()


def by_hand(header, data, version=1):
    text = header.encode()
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def header(shape, descr="'<f4'", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def readable_files():
    random = np.random.default_rng(0)
    halves = np.array([0, -0.0, 6e-8, -6e-5, 1 / 3, 65504, np.inf, -np.inf, np.nan], np.float16)
    yield "f2", file_of(halves)
    yield "f2_big", file_of(halves.astype(">f2"))
    for kind in ("f4", "f8"):
        values = random.standard_normal((3, 4))
        yield kind, file_of(values.astype("<" + kind))
        yield kind + "_big", file_of(values.astype(">" + kind))
        yield kind + "_fortran", file_of(np.asfortranarray(values.astype("<" + kind)))
        yield kind + "_big_fortran", file_of(np.asfortranarray(values.astype(">" + kind)))
    for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"):
        info = np.iinfo(kind)
        values = np.array([info.min, 0, 1, min(info.max, 2**63 - 1)], kind)
        yield kind, file_of(values)
        yield kind + "_big", file_of(values.astype(">" + kind))
    yield "bool", file_of(np.array([[True, False, True]]))
    yield "fortran_3d", file_of(np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)))
    yield "fortran_6d", file_of(np.asfortranarray(np.arange(64.0).reshape(2, 1, 2, 4, 1, 4)))
    yield "fortran_empty", file_of(np.asfortranarray(np.zeros((3, 0, 2))))
    yield "scalar", file_of(np.array(2.5))
    yield "empty", file_of(np.zeros((0, 3), np.float32))
    yield "version_2", file_of(np.arange(3.0), (2, 0))
    yield "version_3", file_of(np.arange(3.0), (3, 0))
    data = np.arange(48.0, dtype="<f4").tobytes()
    yield "python_2", by_hand(header("(3L, 16L)"), data)
    yield "python_2_one", by_hand(header("(48L,)"), data)
    text = "{u'descr': u'<f4', u'fortran_order': True, u'shape': (16L, 3L)}\n"
    yield "python_2_text", by_hand(text, data)
    yield "native", by_hand(header("(48,)", "'=f4'"), data)
    yield "no_order", by_hand(header("(48,)", "'f4'"), data)
    yield "key_order", by_hand("{'shape':(6,8,),'descr':\"<f4\",'fortran_order':False}", data)


def refused_files():
    yield "complex", file_of(np.zeros(2, np.complex64))
    yield "record", file_of(np.zeros(2, [("a", "f4"), ("b", "i4")]))
    yield "object", file_of(np.array([None, "x"], object))
    yield "bytes", file_of(np.array([b"abc"]))
    yield "text", file_of(np.array(["abc"]))
    yield "date", file_of(np.array(["2020-01-01"], "M8[D]"))
    yield "duration", file_of(np.array([1], "m8[s]"))
    yield "raw", file_of(np.zeros(2, "V3"))
    yield "long_double", file_of(np.zeros(2, np.longdouble))
    yield "u8_above_i64", file_of(np.array([1, 2**63], np.uint64))
    yield "rank_7", file_of(np.zeros((1,) * 7))
    data = bytes(16)
    yield "not_a_tuple", by_hand(header("(4)"), data)
    yield "huge", by_hand(header("(4294967296, 4294967296)"), data)
    yield "huge_and_empty", by_hand(header("(0, 4611686018427387904)"), b"")
    yield "negative", by_hand(header("(-4,)"), data)
    yield "truncated", file_of(np.arange(4.0))[:-1]
    yield "two_arrays", file_of(np.arange(4.0)) + file_of(np.arange(4.0))


def arrays():
    tensors = {}
    for name, content in readable_files():
        values = np.load(io.BytesIO(content))
        tensors[name + ".file"] = np.frombuffer(content, np.uint8)
        dtype = np.float64 if values.dtype.kind == "f" else np.int64
        tensors[name + ".values"] = np.array(values, dtype, order="C")
    for name, content in refused_files():
        tensors[f"refused.{name}.file"] = np.frombuffer(content, np.uint8)
    save_numpy(tensors, HERE / "npy.safetensors")


if __name__ == "__main__":
    halves()
    arrays()
