#!/usr/bin/env python3
"""Makes weights as other programs leave them: a network in each float type, and PyTorch's files.

  make.py        (writes beside itself)

The network is a ResNet-10 of width 1 with the CIFAR stem. Every value is one that f16 and bf16 both
hold, so the files mean the same network.

Made with torch 1.13.0 and safetensors 0.8.0.
"""
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def resnet10(width=1):
    torch.manual_seed(0)
    state = {}

    def conv(name, inputs, outputs, kernel):
        weight = torch.randn(outputs, inputs, kernel, kernel)
        state[name + ".weight"] = weight / (inputs * kernel**2) ** 0.5

    def norm(name, channels):
        state[name + ".weight"] = 1 + 0.1 * torch.randn(channels)
        state[name + ".bias"] = 0.1 * torch.randn(channels)
        state[name + ".running_mean"] = 0.1 * torch.randn(channels)
        state[name + ".running_var"] = 0.5 + torch.rand(channels)
        state[name + ".num_batches_tracked"] = torch.tensor(7)

    conv("conv1", 3, width, 3)
    norm("bn1", width)
    before = width
    for stage in range(4):
        block, channels = f"layer{stage + 1}.0", width << stage
        conv(block + ".conv1", before, channels, 3)
        norm(block + ".bn1", channels)
        conv(block + ".conv2", channels, channels, 3)
        norm(block + ".bn2", channels)
        if before != channels:
            conv(block + ".downsample.0", before, channels, 1)
            norm(block + ".downsample.1", channels)
        before = channels
    # bf16 has the fewer digits, f16 the smaller range.
    return {k: v.bfloat16().float() * (v.abs() > 2.0**-14) if v.is_floating_point() else v
            for k, v in state.items()}


def main():
    state = resnet10()
    for name, dtype in (("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16),
                        ("f64", torch.float64)):
        converted = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
        assert all(torch.equal(converted[k].to(v.dtype), v) for k, v in state.items())
        save_file(converted, HERE / f"{name}.safetensors")

    small = {"state_dict": {"conv1.weight": torch.ones(1, 3, 3, 3)}}
    torch.save(small, HERE / "zip.pth")
    torch.save(small, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
    layer = torch.nn.Linear(1, 1)
    torch.jit.script(layer).save(str(HERE / "script.pt"))


if __name__ == "__main__":
    main()
