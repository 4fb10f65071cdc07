#!/usr/bin/env python3
"""The PyTorch side of the loss comparison: the official batch-wise MEC loss of one pair, f32, with both gradients by autograd.

Prints one JSON line with the median time. Needs torch.
"""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F


def loss_of(p, z, lam, order):
    p, z = F.normalize(p), F.normalize(z)
    c = lam * p @ z.T
    power, total = c, c
    for k in range(2, order + 1):
        power = power @ c
        total = total + power * ((-1) ** (k + 1) / k)
    return -torch.trace(total) / lam / p.shape[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--order", type=int, default=4)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    p, z = (torch.randn(args.rows, args.width, requires_grad=True) for _ in range(2))
    lam = 1 / args.rows  # d/(m·ε²) with ε² = d
    times = []
    for step in range(args.warmup + args.steps):
        start = time.perf_counter()
        loss = loss_of(p, z, lam, args.order)
        torch.autograd.grad(loss, (p, z))
        if step >= args.warmup:
            times.append(time.perf_counter() - start)
    print(json.dumps(dict(peer="torch " + torch.__version__, rows=args.rows, width=args.width, order=args.order,
                          step_ms=round(statistics.median(times) * 1e3, 2), min_ms=round(min(times) * 1e3, 2),
                          peak_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1), loss=float(loss))))


if __name__ == "__main__":
    main()
