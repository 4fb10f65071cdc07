#!/usr/bin/env python3
"""Tensors that torch.save wrote, as safetensors for `mec import`: pth_to_safetensors.py IN.pth OUT.safetensors

Dictionaries within each other become names with dots ("state_dict.module.conv1.weight"); what is no tensor is left out, and
told. Opens tensors, and the options that argparse made, alone: no code of the file runs. Needs torch and safetensors.
"""
import argparse
import contextlib
import os
import pickle
import re
import sys
import warnings

try:
    import torch
    from safetensors.torch import save_file
except ImportError as missing:
    sys.exit(f"error: {missing}; install torch and safetensors")

MOST_KEYS = 20  # that are named
MOST_DEEP = 100


def fail(*words):
    sys.exit("error: " + " ".join(str(word) for word in words))


def load(path):
    allow = getattr(torch.serialization, "safe_globals", None)  # torch 2.5
    try:
        with warnings.catch_warnings(), allow([argparse.Namespace]) if allow else contextlib.nullcontext():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        fail(f"{path}: {error.strerror or error}")
    except Exception as error:  # torch.load raises whatever a damaged file leads to
        text = str(error)
        if found := re.search(r"GLOBAL (\S+) was not an allowed", text):
            fail(f"{path}: it holds more than tensors, a {found[1]}, and its code is not run; save net.state_dict() "
                 "with torch.save where the network is known")
        legible = isinstance(error, (pickle.UnpicklingError, RuntimeError)) and text.strip()
        fail(f"{path}: torch cannot open it as tensors:", text.strip().splitlines()[0] if legible else repr(error))


def walk(value, name, depth=0):
    """(name, what stands there) of all that is no dictionary."""
    if not isinstance(value, dict):
        yield name, value
        return
    if depth == MOST_DEEP:
        fail(f"{name[:60]}…: dictionaries are nested more than {MOST_DEEP} deep")
    for key, inner in value.items():
        yield from walk(inner, f"{name}.{key}" if name else str(key), depth + 1)


def tensors_of(content, path):
    tensors, left_out = {}, []
    for name, value in walk(content, ""):
        if not torch.is_tensor(value):
            left_out.append(name or type(content).__name__)
            continue
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            kind = "quantized" if value.is_quantized else "meta" if value.is_meta else "sparse"
            fail(f"{path}: {name} is a {kind} tensor, which safetensors cannot hold; save it dense, or without")
        if name in tensors:
            fail(f"{path}: two tensors have the name {name}")
        tensors[name] = value.detach().contiguous().clone()
    if not tensors:
        fail(f"{path}: there are no tensors in it, in dictionaries; it holds {', '.join(left_out[:MOST_KEYS]) or 'nothing'}")
    return tensors, left_out


def write(tensors, path):
    """Replaces the file as a whole or not at all."""
    target = os.path.realpath(path)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        save_file(tensors, temporary)
        os.replace(temporary, target)
    except Exception as error:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        fail(f"{path} cannot be written: {str(error) or repr(error)}")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = sys.argv[1:]
    if os.path.isdir(target):
        fail(f"{target} is a folder; give the file a name: {os.path.join(target, 'weights.safetensors')}")
    folder = os.path.dirname(target) or "."
    if not os.path.isdir(folder):
        fail(f"{target} cannot be written: there is no folder {folder}")
    if os.path.exists(source) and os.path.exists(target) and os.path.samefile(source, target):
        fail(f"{target} is the file to convert; write to another one")
    tensors, left_out = tensors_of(load(source), source)
    write(tensors, target)
    print(f"wrote {target}: {len(tensors)} tensor{'s' if len(tensors) > 1 else ''}")
    if left_out:
        more = f" and {len(left_out) - MOST_KEYS} more" if len(left_out) > MOST_KEYS else ""
        print(f"left out, as they are no tensors: {', '.join(left_out[:MOST_KEYS])}{more}")


if __name__ == "__main__":
    main()
