#!/usr/bin/env python3
"""One training step of mec against the same step in PyTorch, side by side on this machine.

The two sides run alternately, each in a process of its own with the same number of threads, so that what the machine does
in the meantime meets both. Each round gives one ratio PyTorch/mec; the table shows their median, smallest and largest.

  bench/compare_torch.py --torch-python VENV/bin/python [--case w16-f32 ...] [--rounds 5] [--out bench/results/NAME.json]

bench/README.md says how to make VENV. The file has both sides' losses, too; they start from other random numbers.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESNET18_28 = dict(arch="resnet18", stem="cifar", width=16, channels=1, size=28, batch=256, dim=512, pred_hidden=512)
RESNET18_32 = dict(arch="resnet18", stem="cifar", width=64, channels=3, size=32, batch=64, dim=2048, pred_hidden=512)
RESNET50_224 = dict(arch="resnet50", stem="imagenet", width=64, channels=3, size=224, batch=16, dim=2048, pred_hidden=512)
CASES = {f"{name}-{precision}": dict(network, precision=precision)
         for name, network in (("w16", RESNET18_28), ("w64", RESNET18_32), ("r50", RESNET50_224))
         for precision in ("f32", "bf16")}
CASES |= {f"loss-{m}x{d}": dict(rows=m, width=d, order=4) for m, d in ((1024, 2048), (2048, 512))}


def run_side(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"compare_torch: {' '.join(map(str, command))} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def commands(case, args):
    network = [f"--{key.replace('_', '-')}={value}" for key, value in case.items() if key != "precision"]
    common = network + [f"--steps={args.steps}", f"--warmup={args.warmup}", f"--threads={args.threads}"]
    peers = ROOT / "bench/peers"
    if "rows" in case:
        return {"mec": [args.mec, "bench", "loss", *common], "torch": [args.torch_python, peers / "torch_mec_loss.py", *common]}
    dtype = {"f32": "fp32", "bf16": "bf16"}[case["precision"]]
    peer = peers / "torch_mec_step.py"
    return {"mec": [args.mec, "bench", "step", *common, f"--precision={case['precision']}"],
            "torch": [args.torch_python, peer, *common, "--channels-last", f"--dtype={dtype}"]}


def compare(case, args):
    sides = commands(case, args)
    rounds = []
    for number in range(args.rounds):
        order = ("mec", "torch") if number % 2 == 0 else ("torch", "mec")
        rounds.append({side: run_side(sides[side], args.threads) for side in order})
    return rounds


def summary(rounds):
    ratios = [r["torch"]["step_ms"] / r["mec"]["step_ms"] for r in rounds]
    memory = [r["mec"]["peak_mib"] / r["torch"]["peak_mib"] for r in rounds]
    middle = {side: statistics.median(r[side]["step_ms"] for r in rounds) for side in ("mec", "torch")}
    peak = {side: statistics.median(r[side]["peak_mib"] for r in rounds) for side in ("mec", "torch")}
    return dict(mec_ms=middle["mec"], torch_ms=middle["torch"], faster=statistics.median(ratios), least=min(ratios),
                most=max(ratios), mec_mib=peak["mec"], torch_mib=peak["torch"], memory=statistics.median(memory))


def machine(args):
    names = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(["git", "-C", ROOT, "status", "--porcelain", "--", "*.cpp", "*.h", "*.cu"], capture_output=True, text=True)
    return dict(cpu=names[0] if names else platform.machine(), threads=args.threads, system=platform.platform(),
                commit=commit.stdout.strip() + ("+" if changed.stdout.strip() else ""),
                date=datetime.date.today().isoformat())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", required=True, help="Python with torch and torchvision")
    parser.add_argument("--mec", default=ROOT / "build/release/mec", help="the program; default: build/release/mec")
    parser.add_argument("--case", action="append", choices=CASES, help="default: w16-f32 and w16-bf16; may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=pathlib.Path, help="write every figure here (JSON)")
    args = parser.parse_args()
    result = dict(machine=machine(args), cases={})
    print(f"{'case':<15} {'mec ms':>9} {'torch ms':>9} {'faster':>7} {'least to most':>15} {'mec MiB':>9} {'torch MiB':>9} {'memory':>7}")
    for name in args.case or ("w16-f32", "w16-bf16"):
        rounds = compare(CASES[name], args)
        s = summary(rounds)
        result["cases"][name] = dict(summary=s, rounds=rounds)
        print(f"{name:<15} {s['mec_ms']:>9.1f} {s['torch_ms']:>9.1f} {s['faster']:>6.2f}x {s['least']:>6.2f} to {s['most']:<5.2f}"
              f" {s['mec_mib']:>9.0f} {s['torch_mib']:>9.0f} {s['memory']:>6.2f}x", flush=True)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
