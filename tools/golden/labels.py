"""Ten steps that learn from labels: MEC's linear evaluation, and fine-tuning with two rates.

Linear: benchmarks/linearprob/main_lincls.py of github.com/xinliu20/MEC. The encoder stands still in evaluation mode;
behind it BatchNorm1d(affine=False, eps=1e-6) and a Linear; SGD wrapped in LARC (github.com/NVIDIA/apex, trust 0.001,
clip=False, here without its 1e-8 in the denominator); the rate by a cosine of whole epochs.

Fine-tuning: evaluate.py of github.com/facebookresearch/barlowtwins, --weights finetune: two groups with rates of their
own. Here also with label smoothing, weight decay on all but norms and biases, and a frozen first stage whose batch
norms keep their statistics, as detectron2's FREEZE_AT = 2.
"""
import copy
import functools

import numpy as np
import torch
from torch import nn

from golden.common import single
from golden.resnet import FLAVOURS, randomize, retry, thin_resnet, together, watch_kinks

STEPS, STEPS_PER_EPOCH, CLASSES = 10, 2, 5
TRUST = 0.001


class Network(nn.Module):
    def __init__(self, width, norm):
        super().__init__()
        self.encoder = thin_resnet("resnet18", "cifar", width, channels=1)
        linear = nn.Linear(8 * width, CLASSES)
        self.predictor = nn.Sequential(nn.BatchNorm1d(8 * width, affine=False, eps=1e-6), linear) if norm else nn.Sequential(linear)

    def forward(self, x):
        return self.predictor(self.encoder(x))


def frozen_parts(encoder, count):
    """The modules of stem, layer1, … as far as they are frozen."""
    parts = [[encoder.conv1, encoder.bn1], [encoder.layer1], [encoder.layer2], [encoder.layer3], [encoder.layer4]]
    return [module for part in parts[:count] for module in part]


def larc(parameters, decay):
    """What apex's LARC does to the gradients before SGD, whose own weight decay is then 0."""
    for parameter in parameters:
        norm, slope = parameter.data.norm(), parameter.grad.norm()
        if norm == 0 or slope == 0:
            continue
        parameter.grad.add_(parameter.data, alpha=decay).mul_(TRUST * norm / (slope + decay * norm))


class Run:
    """A recipe in one dtype."""

    def __init__(self, network, recipe, dtype, layout=torch.contiguous_format):
        self.net = copy.deepcopy(network).to(dtype=dtype).to(memory_format=layout).train()
        self.recipe, self.dtype, self.layout, self.losses = recipe, dtype, layout, []
        for module in frozen_parts(self.net.encoder, recipe["frozen"]):
            module.eval().requires_grad_(False)
        self.kinks = watch_kinks(self.net)
        groups = {}
        for name, parameter in self.net.named_parameters():
            if not parameter.requires_grad:
                continue
            factor = recipe["encoder_lr_factor"] if name.startswith("encoder.") else 1.0
            decay = recipe["weight_decay"] if recipe["lars"] or parameter.dim() > 1 else 0.0
            groups.setdefault((factor, 0.0 if recipe["lars"] else decay), []).append(parameter)
        self.factors = [factor for factor, _ in groups]
        self.optimizer = torch.optim.SGD([{"params": members, "weight_decay": decay}
                                          for (_, decay), members in groups.items()], lr=1.0, momentum=0.9)

    def step(self, images, labels, lr):
        self.kinks.clear()
        logits = self.net(torch.tensor(images, dtype=self.dtype).to(memory_format=self.layout))
        loss = nn.functional.cross_entropy(logits, torch.tensor(labels).long(), label_smoothing=self.recipe["smoothing"])
        for group, factor in zip(self.optimizer.param_groups, self.factors):
            group["lr"] = lr * factor
        self.optimizer.zero_grad()
        loss.backward()
        if self.recipe["lars"]:
            larc([p for p in self.net.parameters() if p.requires_grad], self.recipe["weight_decay"])
        self.optimizer.step()
        self.losses.append(loss.item())

    def results(self):
        self.net.eval()
        return {"loss": np.array(self.losses),
                **{f"final.{name}": value for name, value in self.net.state_dict().items() if value.is_floating_point()}}


RECIPES = {
    "linear": dict(frozen=5, norm=True, lars=True, lr=30.0, encoder_lr_factor=1.0, weight_decay=0.0, smoothing=0.0),
    "finetune": dict(frozen=2, norm=False, lars=False, lr=0.05, encoder_lr_factor=0.2, weight_decay=0.01, smoothing=0.1),
}


def attempt(golden, rng, recipe):
    golden.clear()
    width, batch, size = 2 + golden.seed % 2, int(rng.integers(12, 17)), int(rng.integers(9, 13))
    network = Network(width, recipe["norm"])
    randomize(network, rng)
    images = single(rng.normal(size=(STEPS, batch, 1, size, size)))
    labels = rng.integers(0, CLASSES, size=(STEPS, batch)).astype(np.int32)
    epochs = np.arange(STEPS) // STEPS_PER_EPOCH
    rates = recipe["lr"] * 0.5 * (1 + np.cos(np.pi * epochs / (STEPS // STEPS_PER_EPOCH)))
    golden.parameter(arch="resnet18", stem="cifar", width=width, channels=1, classes=CLASSES, m=batch, steps=STEPS,
                     steps_per_epoch=STEPS_PER_EPOCH, momentum=0.9, trust=TRUST, layout="NCHW, OIHW",
                     **{name: float(value) for name, value in recipe.items()})
    golden.given("images", images)
    golden.given("labels", labels)
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            golden.given(f"initial.{name}", value)
    golden.result("lr", rates)
    exact = Run(network, recipe, torch.float64)
    near = [Run(network, recipe, torch.float32, layout) for _, layout in FLAVOURS]
    return together(golden, exact, near, ((images[step], labels[step], float(rates[step])) for step in range(STEPS)))


CASES = {f"labels_{name}": retry(functools.partial(attempt, recipe=recipe)) for name, recipe in RECIPES.items()}
