#!/usr/bin/env python3
"""Makes the golden files: what PyTorch, torchvision and scikit-learn answer, for our tests to compare with.

  make_golden.py --seed N --out DIR [--only NAME ...]

Each golden is DIR/<name>.safetensors. Inputs and weights are numbers that f32 holds exactly, so that a run in f64 and
one in f32 start from the same point; results are f64, and the metadata says how far PyTorch's own f32 result is from
each ("f32_distance.<tensor>"). Shapes vary with the seed, names do not. The same seed on the same machine gives the
same bytes. The tests read the folder in the environment variable MEC_GOLDEN_DIR, by default tests/golden, which is
seed 0; its small size (under 4 MB) is a rule for that seed only.

Needs torch, torchvision, numpy and scikit-learn, in a virtual environment of your own; the project itself does not.
"""
import argparse
from pathlib import Path

import torch

from golden import augment, coding, evaluation, labels, mec, objectives, optimizers, resnet, steps, tsne
from golden.common import Golden

MAKERS = {**mec.CASES, **coding.CASES, **objectives.CASES, **resnet.CASES, **steps.CASES, **augment.CASES, **evaluation.CASES,
          **tsne.CASES, **optimizers.CASES, **labels.CASES}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=sorted(MAKERS), metavar="NAME", help="these goldens alone")
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    torch.use_deterministic_algorithms(True)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only or MAKERS:
        golden = Golden(name, args.seed)
        MAKERS[name](golden)
        size = golden.write(args.out)
        worst = max(golden.distances.values(), default=0.0)
        print(f"{name:28} {size / 1024:8.1f} KiB   f32 at most {worst:.1e} from f64", flush=True)


if __name__ == "__main__":
    main()
