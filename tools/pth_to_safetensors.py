#!/usr/bin/env python3
"""Tensors that torch.save wrote, as safetensors for `mec import`: pth_to_safetensors.py IN.pth OUT.safetensors

Dictionaries within each other become names with dots ("state_dict.module.conv1.weight"); what is no tensor is left out.
"""
import sys

import torch
from safetensors.torch import save_file


def tensors(value, name=""):
    if torch.is_tensor(value):
        yield name, value.detach().contiguous().clone()
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from tensors(inner, f"{name}.{key}" if name else str(key))


save_file(dict(tensors(torch.load(sys.argv[1], map_location="cpu", weights_only=True))), sys.argv[2])
