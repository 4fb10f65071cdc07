"""Stands for a program that a GPU is needed for: nvidia-smi, mec, test_gpu, PyTorch's step, ncu, compute-sanitizer.

$STAND_INS names a file of JSON: for a program, or for a test case, what it does instead of going well.
$SOFTWARE_GPU, where set, is the folder of the programs on a GPU made of software: mec and test_gpu are then those, on
a small network, also where ncu or compute-sanitizer starts them.
"""
import json
import os
import sys
import time

CASES = [
    "cuda kernel conv2d: agrees with the reference on every case",
    "cuda kernel batch_norm_apply: agrees with the reference on every case",
    "cuda kernel copy: agrees with the reference on every case",
    "cuda kernel fill: agrees with the reference on every case",
    "cuda kernel top_k: agrees with the reference on every case",
    "cuda small copy: agrees with the reference on small shapes",
    "cuda method mec f32: a captured step has the bits of the eager one",
    "cuda method mec bf16: a captured step has the bits of the eager one",
    "cuda: what is uploaded may be overwritten at once, whatever its size, and arrives after the work before it",
]


# A network for a GPU that is a million times slower.
SMALL = {"--arch": "resnet18", "--width": "8", "--size": "32", "--dim": "64", "--pred-hidden": "16", "--batch": "4"}


def behave(how):
    """fail: an error and status 1. hang: for ever. crash: by a signal."""
    if how == "hang":
        time.sleep(600)
    if how == "crash":
        os.kill(os.getpid(), 9)
    if how == "fail":
        print("reading settings\nmec: CUDA: cudaMalloc failed: out of memory\nended")
        sys.exit(1)


def run_on_software(program, args):
    """Becomes the real program."""
    path = os.path.join(os.environ["SOFTWARE_GPU"], {"mec": "mec_on_software_gpu", "test_gpu": "test_software_gpu"}[program])
    args = [SMALL.get(before, arg) for before, arg in zip(["", *args], args)]
    sys.stdout.flush()
    os.execv(path, [path, *args])


def step(peer, images, args, behaviour):
    if "--wait" in args:
        behave(behaviour.get("compile"))
        print("ready", flush=True)
        sys.stdin.readline()
    print(json.dumps({"peer": peer, "step_ms": 256e3 / images, "images_per_s": images, "peak_mib": 20000.0}))


def print_case(name, why=""):
    """As doctest does with --duration."""
    print(f"{'=' * 79}\ntests/gpu/kernels.cpp:1:\nTEST CASE:  {name}\n")
    if why:
        print(f"tests/gpu/kernels.cpp:1: ERROR: test case THREW exception: {why}\n")
    print(f"0.010000 s: {name}")


def test_gpu(args, behaviour):
    if "--list-test-cases" in args:
        return print("\n".join(["[doctest] listing all test case names", "=" * 79, *CASES, "=" * 79]))
    asked = [a for a in args if a.startswith("--test-case=")][0].removeprefix("--test-case=").split(",")
    cases = [case for case in CASES if case.replace(",", "?") in asked]
    failures, sticky = 0, False
    for case in cases:
        how = behaviour.get(case)
        if how in ("hang", "crash"):
            sys.stdout.flush()
            behave(how)
        if how == "sticky" or sticky:  # an error that stays on the device
            sticky = True
            failures += 1
        print_case(case, "CUDA: cudaStreamSynchronize failed: an illegal memory access was encountered" if sticky else "")
    sys.exit(1 if failures else 0)


def main():
    program, args = sys.argv[1], sys.argv[2:]
    with open(os.environ["STAND_INS"], encoding="utf-8") as file:
        behaviour = json.load(file)
    behave(behaviour.get(program))
    if "SOFTWARE_GPU" in os.environ:
        if program in ("ncu", "compute-sanitizer"):  # the program that they watch stands behind their own options
            start = next(i for i, arg in enumerate(args) if os.path.basename(arg) in ("mec", "test_gpu"))
            program, args = os.path.basename(args[start]), args[start + 1:]
        # Products of 8192 rows, by which `bench ops` measures the ceilings, would take hours.
        if program in ("mec", "test_gpu") and args[:2] != ["bench", "ops"]:
            run_on_software(program, args)
    if program == "nvidia-smi":
        print("NVIDIA H100 80GB HBM3, 81559 MiB, 580.00, 1980 MHz")
    elif program == "test_gpu":
        test_gpu(args, behaviour)
    elif program == "torch_mec_step.py":
        step("torch", 1500.0 if "--compile" in args else 1200.0, args, behaviour)
    elif program == "mec" and args[:2] == ["bench", "step"]:
        step("mec", 2000.0 if "--tune" in args else 1800.0, args, behaviour)
        if "--profile" in args:
            print("\npart       kernel                    calls        ms  share   GFLOP/s    GB/s\nbackward   conv2d_grad_weight 1 2 3")
    elif program == "mec" and args[:2] == ["bench", "ops"]:
        print("measured peaks: 700000 GFLOP/s bf16 in a product of 8192, 2700 GB/s from memory")


if __name__ == "__main__":
    main()
