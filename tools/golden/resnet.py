"""Thin ResNets with torchvision's parameter names: output and every gradient, in train and in eval mode."""
import copy
import functools

import numpy as np
import torch
import torchvision
from torch import nn

from golden.common import single

# PyTorch rounds in more than one way; the farthest of two stands for its f32: oneDNN's kernels, and
# its own.
FLAVOURS = ((True, torch.contiguous_format), (False, torch.channels_last))  # oneDNN or not, layout
WORST = 1e-3  # a draw where f32 is farther from f64 tests little


def to_resnet_d(net):
    """timm's resnet…d out of torchvision's: three convolutions in the stem, a mean in the shortcut's stride."""
    def stem(inputs, outputs, stride):
        return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    net.conv1 = nn.Sequential(stem(3, 32, 2), nn.BatchNorm2d(32), nn.ReLU(), stem(32, 32, 1), nn.BatchNorm2d(32), nn.ReLU(),
                              stem(32, 64, 1))
    for block in net.modules():
        if getattr(block, "downsample", None) is None:
            continue
        conv, norm = block.downsample
        pool = nn.Identity()
        if conv.stride == (2, 2):
            pool = nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)
            conv = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=False)
        block.downsample = nn.Sequential(pool, conv, norm)


def thin_resnet(arch, stem, width, channels):
    """torchvision's network with every channel count scaled by width/64 and the pooled features as output."""
    net = getattr(torchvision.models, arch.removesuffix("d"))(weights=None)
    if arch.endswith("d"):
        to_resnet_d(net)
    for name, module in list(net.named_modules()):
        parent, leaf = net.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
        if isinstance(module, nn.Conv2d):
            inputs = channels if name in ("conv1", "conv1.0") else module.in_channels * width // 64
            setattr(parent, leaf, nn.Conv2d(inputs, module.out_channels * width // 64, module.kernel_size,
                                            module.stride, module.padding, bias=False))
        elif isinstance(module, nn.BatchNorm2d):
            setattr(parent, leaf, nn.BatchNorm2d(module.num_features * width // 64))
    if stem == "cifar":
        net.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        net.maxpool = nn.Identity()
    net.fc = nn.Identity()
    return net


def randomize(module, rng):
    """Weights that let gradients flow everywhere and leave no norm at its neutral values, exact in f32."""
    for name, tensor in module.state_dict().items():
        shape = tuple(tensor.shape)
        if tensor.dim() > 1:
            value = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith(".running_var"):
            value = rng.uniform(0.5, 2, size=shape)
        elif name.endswith(".weight"):
            value = rng.uniform(0.5, 1.5, size=shape)
        elif tensor.is_floating_point():
            value = 0.2 * rng.normal(size=shape)
        else:
            continue  # num_batches_tracked
        tensor.copy_(torch.from_numpy(single(value)))


def watch_kinks(net):
    """The list to which every ReLU will add its input."""
    kinks = []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_pre_hook(lambda _, inputs: kinks.append(inputs[0].detach().clone().double()))
    return kinks


def run(net, image, cotangent, training, dtype, layout=torch.contiguous_format):
    """({name: result}, inputs of every ReLU) of one forward and backward pass."""
    net = copy.deepcopy(net).to(dtype=dtype).to(memory_format=layout).train(training)
    kinks = watch_kinks(net)
    x = torch.tensor(image, dtype=dtype).to(memory_format=layout).requires_grad_()
    y = net(x)
    y.backward(torch.tensor(cotangent, dtype=dtype))
    results = {"output": y, "input_grad": x.grad}
    results.update({f"grad.{name}": parameter.grad for name, parameter in net.named_parameters()})
    if training:
        results.update({f"after.{name}": buffer for name, buffer in net.named_buffers() if buffer.dim()})
    return results, kinks


def crosses_a_kink(exact, near, margin):
    """Whether a ReLU's input lies within `margin` f32 errors of zero: on its other side, f32 gradients would jump."""
    for a, b in zip(exact, near):
        others = [axis for axis in range(a.dim()) if axis != 1]
        error = (a - b).abs().amax(dim=others, keepdim=True)  # of each channel: one of little variance errs most
        if (a.abs() <= margin * error).any():
            return True
    return False


def attempt(golden, rng, arch, stem, channels):
    golden.clear()
    width = {"resnet18": 2 + golden.seed % 2, "wide_resnet50_2": 1}.get(arch, 2)
    low = 9 if stem == "cifar" else 33  # four stages leave more than one pixel
    height, breadth = (int(low + rng.integers(0, 3)) for _ in range(2))
    batch = int(rng.integers(4, 6))
    net = thin_resnet(arch, stem, width, channels)
    randomize(net, rng)
    image = single(rng.normal(size=(batch, channels, height, breadth)))
    features = width * (8 if arch.startswith("resnet18") else 32)
    cotangent = single(rng.normal(size=(batch, features)))
    golden.parameter(arch=arch, stem=stem, width=width, channels=channels, layout="NCHW, OIHW")
    golden.given("input", image)
    golden.given("cotangent", cotangent)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            golden.given(f"weights.{name}", tensor)
    for mode in ("train", "eval"):
        exact, kinks = run(net, image, cotangent, mode == "train", torch.float64)
        singles = []
        for onednn, layout in FLAVOURS:
            with torch.backends.mkldnn.flags(enabled=onednn):
                results, near_kinks = run(net, image, cotangent, mode == "train", torch.float32, layout)
            if crosses_a_kink(kinks, near_kinks, margin=3):
                return False
            singles.append(results)
        for name, value in exact.items():
            golden.result(f"{mode}.{name}", value, *(results[name] for results in singles))
    return max(golden.distances.values()) < WORST


def together(golden, exact, near, steps):
    """Takes the arguments of each step in f64 and in every f32, and adds the results; whether they are worth keeping."""
    for now in steps:
        exact.step(*now)
        for run, (onednn, _) in zip(near, FLAVOURS):
            with torch.backends.mkldnn.flags(enabled=onednn):
                run.step(*now)
            if crosses_a_kink(exact.kinks, run.kinks, margin=1):
                return False
    singles = [run.results() for run in near]
    for name, value in exact.results().items():
        golden.result(name, value, *(results[name] for results in singles))
    return max(golden.distances.values()) < WORST


def retry(attempt):
    """The maker that draws until `attempt(golden, rng)` accepts."""
    def make(golden):
        number = 0
        while not attempt(golden, golden.random(number)):
            number += 1
        golden.parameter(attempt=number)
    return make


CASES = {f"{arch}_{stem}": retry(functools.partial(attempt, arch=arch, stem=stem, channels=channels))
         for arch, stem, channels in (("resnet18", "cifar", 1), ("resnet18", "imagenet", 3),
                                      ("resnet50", "cifar", 3), ("resnet50", "imagenet", 1),
                                      ("wide_resnet50_2", "cifar", 3), ("resnet18d", "imagenet", 3))}
