"""Ten steps of the whole recipe, as the official code has it (github.com/xinliu20/MEC: main_pretrain.py, builder.py).

Where this differs from it: the encoder is a thin ResNet-18; its weights are random, and so are the images; the last
Linear of the projector has no bias (the official one is frozen, and the batch norm behind it removes it anyhow); the
projector stands beside the encoder, so its names begin with "projector." instead of "encoder.fc.".
"""
import copy

import numpy as np
import torch
from torch import nn

from golden.common import single
from golden.mec import coding
from golden.resnet import FLAVOURS, randomize, retry, thin_resnet, together, watch_kinks

STEPS, WARMUP, ORDER = 10, 4, 4
LR, EMA = 0.002, 0.9  # at higher rates ten steps of so small a batch are chaotic in f32


class Branch(nn.Module):
    """Encoder and projector: the student, less its predictor, and the teacher."""

    def __init__(self, width, d):
        super().__init__()
        features = 8 * width
        self.encoder = thin_resnet("resnet18", "cifar", width, channels=1)
        self.projector = nn.Sequential(nn.Linear(features, features, bias=False), nn.BatchNorm1d(features), nn.ReLU(),
                                       nn.Linear(features, features, bias=False), nn.BatchNorm1d(features), nn.ReLU(),
                                       nn.Linear(features, d, bias=False), nn.BatchNorm1d(d, affine=False))

    def forward(self, x):
        return self.projector(self.encoder(x))


class Student(Branch):
    def __init__(self, width, d, hidden):
        super().__init__(width, d)
        self.predictor = nn.Sequential(nn.Linear(d, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
                                       nn.Linear(hidden, d))

    def forward(self, x):
        return self.predictor(super().forward(x))


def warmup_cosine(base, final, warmup, start):
    """The official cosine_scheduler: np.linspace over the warm-up, both ends included, then half a cosine."""
    t = np.arange(STEPS - warmup)
    cosine = final + 0.5 * (base - final) * (1 + np.cos(np.pi * t / len(t)))
    return np.concatenate((np.linspace(start, base, warmup), cosine))


class Run:
    """The recipe in one dtype."""

    def __init__(self, student, weight_decay, dtype, layout=torch.contiguous_format):
        self.student = copy.deepcopy(student).to(dtype=dtype).to(memory_format=layout).train()
        self.teacher = copy.deepcopy(self.student)
        self.kinks = watch_kinks(self.student)
        self.optimizer = torch.optim.SGD(self.student.parameters(), lr=1.0, momentum=0.9, weight_decay=weight_decay)
        self.dtype, self.layout, self.losses = dtype, layout, []

    def step(self, views, lr, lamda, ema):
        self.kinks.clear()
        v1, v2 = (torch.tensor(view, dtype=self.dtype).to(memory_format=self.layout) for view in views)
        p1, p2 = self.student(v1), self.student(v2)
        with torch.no_grad():
            z1, z2 = Branch.forward(self.teacher, v1), Branch.forward(self.teacher, v2)
        total = coding(p1, z2, lamda, ORDER)[1] + coding(p2, z1, lamda, ORDER)[1]
        loss = -total * 0.5 / len(v1) / lamda
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():  # parameters only: the teacher's running statistics are its own
            for old, new in zip(self.teacher.parameters(), self.student.parameters()):
                old.mul_(ema).add_((1 - ema) * new)
        self.losses.append(loss.item())

    def results(self):
        """{name: value} of all that the golden holds."""
        teacher = {f"final.teacher.{name}": value for name, value in states(self.teacher).items()
                   if not name.startswith("predictor.")}
        student = {f"final.{name}": value for name, value in states(self.student).items()}
        return {"loss": np.array(self.losses), **student, **teacher}


def states(module):
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}


def make_schedule(lamda):
    """Learning rate, λ and teacher's coefficient of each step. λ⁻¹ falls linearly from eight times its final value."""
    inverse = np.concatenate((np.linspace(8 / lamda, 1 / lamda, WARMUP), np.full(STEPS - WARMUP, 1 / lamda)))
    return {"lr": warmup_cosine(LR, 0.0, WARMUP, 0.0), "lambda": 1 / inverse, "ema": warmup_cosine(EMA, 1.0, 0, EMA)}


def attempt(golden, rng):
    golden.clear()
    width, d, hidden = 2 + golden.seed % 2, int(rng.integers(12, 20)), int(rng.integers(20, 32))
    batch, size = int(rng.integers(12, 17)), int(rng.integers(9, 13))
    weight_decay, eps2 = 1e-3, 1.25 * d  # ε² ≥ d/0.9: no pair's norm passes 0.9, so none is adapted
    student = Student(width, d, hidden)
    randomize(student, rng)
    with torch.no_grad():  # pairs that agree from the start, so that the loss is far from 0
        student.predictor[3].weight.copy_(student.predictor[0].weight.T)
    images = rng.normal(size=(STEPS, 1, batch, 1, size, size))
    views = single(images + 0.3 * rng.normal(size=(STEPS, 2, *images.shape[2:])))
    schedule = make_schedule(d / (batch * eps2))
    golden.parameter(arch="resnet18", stem="cifar", width=width, channels=1, d=d, projector_hidden=8 * width,
                     predictor_hidden=hidden, m=batch, eps2=eps2, order=ORDER, momentum=0.9, weight_decay=weight_decay,
                     steps=STEPS, warmup_steps=WARMUP, lambda_start=8, lr=LR, ema=EMA, layout="NCHW, OIHW")
    golden.given("views", views)
    for name, value in states(student).items():
        golden.given(f"initial.{name}", value)
    for name, value in schedule.items():
        golden.result(name, value)

    exact = Run(student, weight_decay, torch.float64)
    near = [Run(student, weight_decay, torch.float32, layout) for _, layout in FLAVOURS]
    rates = zip(*(schedule[name] for name in ("lr", "lambda", "ema")))
    return together(golden, exact, near, ((step_views, *now) for step_views, now in zip(views, rates)))


CASES = {"ten_steps": retry(attempt)}
