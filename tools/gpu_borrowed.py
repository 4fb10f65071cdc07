#!/usr/bin/env python3
"""Tests and measures a borrowed GPU, in two stages of at most five minutes: see tools/gpu_check.sh and docs/cuda.md.

  gpu_borrowed.py first|second --pack .gpu --out DIR

Exit status 0: all passed; 1: something failed, or was cut; 77: no GPU.
"""
import argparse
import glob
import os
import shutil
import subprocess
import sys

from gpu_jobs import Clock, Job, first_error, run
from gpu_report import PROFILE_LINES, Report
from gpu_tests import run_tests

SECONDS = 285  # the limit of a stage; its end takes some more
PEER = os.path.join(os.path.dirname(__file__), "..", "bench", "peers", "torch_mec_step.py")
R50 = "--arch resnet50 --stem imagenet --width 64 --channels 3 --size 224 --dim 2048 --pred-hidden 512".split()
SMALL = "--arch resnet18 --stem cifar --width 64 --channels 3 --size 32 --dim 2048 --pred-hidden 512 --batch 512".split()
OUR_KERNELS = "kns=3mec"  # a part of their mangled names
LIBRARIES = "*conv2d*,*matmul*,*small lu*,*cholesky*"  # cases that mostly run kernels of NVIDIA's


def library_folders():
    """Where NVIDIA's libraries may lie: the toolkit's folder, and those of Python's wheels."""
    folders = [os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "lib64")]
    script = "import nvidia; print(*nvidia.__path__, sep='\\n')"
    found = subprocess.run(["python3", "-c", script], capture_output=True, text=True, check=False)
    for root in found.stdout.split():
        folders += sorted(glob.glob(os.path.join(root, "*", "lib")))
    return [folder for folder in folders if os.path.isdir(folder)]


class Stage:
    def __init__(self, name, pack, out):
        self.clock = Clock(SECONDS)
        self.report = Report(out, name, self.clock)
        self.pack = os.path.abspath(pack)
        self.plans = os.path.join(self.pack, "plans.json")  # the engines that were timed; the second stage uses them, too
        self.mec, self.tests = (os.path.join(self.pack, "bin", name) for name in ("mec", "test_gpu"))
        golden = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")
        paths = os.pathsep.join(library_folders() + os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
        self.env = {**os.environ, "LD_LIBRARY_PATH": paths.strip(os.pathsep), "MEC_GOLDEN_DIR": os.path.abspath(golden)}

    def info(self):
        query = "--query-gpu=name,memory.total,driver_version,clocks.max.sm"
        job = run("nvidia-smi", ["nvidia-smi", query, "--format=csv,noheader"], self.clock.limit(15))
        self.report.machine = "" if job.why else job.text().splitlines()[0]
        versions = "import torch, platform; print(torch.__version__, torch.version.cuda, platform.libc_ver())"
        peer = run("PyTorch", ["python3", "-c", versions], self.clock.limit(30))
        self.report.log("log.txt", "nvidia-smi; PyTorch, CUDA, libc", job.text() + peer.text())

    def binaries(self):
        """Takes the packed programs; where these do not run here, builds others."""
        job = run("mec info", [self.mec, "info"], self.clock.limit(30), self.env)
        self.report.log("log.txt", "mec info", job.text() + job.why)
        if not job.why:
            return self.report.count("programs", "packed")
        why = first_error(job.why)
        script = os.path.join(os.path.dirname(__file__), "gpu_check.sh")
        built = run("build", [script, "build"], self.clock.limit(170), self.env)
        self.report.log("log.txt", "build", built.text())
        if built.why:
            return self.report.count("programs", "packed, and built here", f"{why}; {built.why}")
        root = os.path.join(os.path.dirname(script), "..", "build", "gpu")
        self.mec, self.tests = os.path.join(root, "mec"), os.path.join(root, "tests", "test_gpu")
        return self.report.count("programs", "built here: the packed ones do not run")

    def ours(self, label, options, limit, count=True):
        """Times a step of ours. Returns the job."""
        steps = [] if "--steps" in options else ["--steps", "20", "--warmup", "5"]
        job = run(label, [self.mec, "bench", "step", "--device", "cuda", *options, *steps], self.clock.limit(limit), self.env)
        if count:
            self.report.speed(label, job)
        return job

    def peer(self, label, options):
        """Starts a step of PyTorch's. Returns the job."""
        command = ["python3", PEER, "--device", "cuda", "--channels-last", "--steps", "20", "--warmup", "5", *options]
        return Job(label, command)

    def finish_peer(self, job, limit, ready_limit=None):
        """Tells a started step of PyTorch's to go on, and reports its speed. With `ready_limit`, first waits until it has
        compiled."""
        if ready_limit is not None and not job.prints("ready", self.clock.limit(ready_limit)):
            job.cut()
            job.why = f"not ready in time: {first_error(job.text())}"
            return self.report.speed(job.name, job)
        job.say("go")
        job.wait(self.clock.limit(limit))
        return self.report.speed(job.name, job)

    def profile(self, label, command, limit, show=None):
        job = run(label, command, self.clock.limit(limit), self.env)
        self.report.log("details.txt", label, job.text())
        self.report.count("profiles", label, job.why)
        if show and not job.why:
            self.report.shown += show(job.text().splitlines())


def first(stage):
    bf16 = [*R50, "--batch", "256", "--precision", "bf16"]
    peer = [*R50, "--batch", "256", "--dtype", "bf16"]
    tuned = [*bf16, "--tune", "--plans", stage.plans]
    stage.binaries()
    compiled = stage.peer("PyTorch, compiled", [*peer, "--compile", "--wait"])
    described = os.path.join(stage.pack, "cudnn_device.json")  # what tests/cudnn/ plans for
    run_tests(stage.report, stage.tests, {**stage.env, "MEC_CUDNN_DEVICE": described}, stage.clock, 110)
    if os.path.exists(described):
        with open(described, encoding="utf-8") as file:
            stage.report.log("log.txt", "the device as cuDNN describes it", file.read())
    # The GPU is idle, and figures are worth something, once PyTorch has compiled.
    if not compiled.prints("ready", stage.clock.limit(30)):
        stage.report.log("log.txt", "PyTorch, compiled", "not ready when the tests had ended\n" + compiled.text())
    stage.ours("ours, tuned", tuned, 60)
    stage.finish_peer(stage.peer("PyTorch, eager", peer), 35)
    stage.finish_peer(compiled, 20, ready_limit=15)
    stage.ours("ours, tuned, again", tuned, 20)
    stage.ours("ours, as cuDNN chooses", bf16, 20)
    stage.ours("ours, without the graph", [*bf16, "--no-graph"], 20)


def measured_peaks(lines):
    return [line for line in lines if line.startswith("measured peaks")]


def slowest_kernels(lines):
    start = next((i for i, line in enumerate(lines) if line.startswith("part ")), len(lines))
    return lines[start:start + 1 + PROFILE_LINES]


def sanitizers(stage):
    """Starts both at once, since they take minutes."""
    cases = [stage.tests, "--no-colors=true", "--test-case=cuda small *", "--test-case-exclude=" + LIBRARIES]
    for tool in ("memcheck", "racecheck"):
        yield Job(tool, ["compute-sanitizer", "--tool", tool, "--kernel-name", OUR_KERNELS, "--error-exitcode", "1", *cases],
                  stage.env)


def second(stage):
    bf16 = [*R50, "--batch", "256", "--precision", "bf16"]
    plans = ["--tune", "--plans", stage.plans] if os.path.exists(stage.plans) else []
    step = [stage.mec, "bench", "step", "--device", "cuda"]
    stage.binaries()
    graph = stage.peer("PyTorch, CUDA graph", [*R50, "--batch", "256", "--dtype", "bf16", "--compile", "--compile-mode",
                                               "reduce-overhead", "--wait"])
    end = stage.clock.spent() + stage.clock.limit(90)
    for job in list(sanitizers(stage)):
        job.wait(max(0.0, end - stage.clock.spent()))
        stage.report.log("log.txt", job.name, job.text())
        stage.report.count("sanitizers", job.name, job.why)
    stage.finish_peer(graph, 20, ready_limit=30)
    stage.ours("ours, tuned" if plans else "ours, as cuDNN chooses", [*bf16, *plans], 25)
    stage.ours("ours, nondeterministic", [*bf16, "--nondeterministic"], 25)
    stage.profile("kernels of a step", [*step, *bf16, *plans, "--no-graph", "--profile", "--steps", "3", "--warmup", "2"], 30,
                  slowest_kernels)
    stage.profile("each kernel and the ceilings", [stage.mec, "bench", "ops", "--device", "cuda", "--network", "resnet50",
                                                   "--precision", "bf16", "--calls", "5"], 30, measured_peaks)
    stage.ours("f32, batch 64", [*R50, "--batch", "64", "--precision", "f32", "--steps", "5", "--warmup", "3"], 25)
    stage.ours("small: ours", [*SMALL, "--precision", "bf16"], 15)
    stage.finish_peer(stage.peer("small: PyTorch, eager", [*SMALL, "--dtype", "bf16"]), 25)
    sections = [word for name in ("SpeedOfLight", "Occupancy", "MemoryWorkloadAnalysis") for word in ("--section", name)]
    for kernel in ("fold_columns_kernel", "apply_kernel", "grad_apply_kernel"):
        chosen = ["--kernel-name", f"regex:^{kernel}", "--launch-skip", "4", "--launch-count", "1"]
        stage.profile(f"ncu {kernel}", ["ncu", *sections, *chosen, *step, *bf16, "--no-graph", "--steps", "1", "--warmup", "1"],
                      20)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("first", "second"))
    parser.add_argument("--pack", default=".gpu")
    parser.add_argument("--out", default="build/gpu-results")
    args = parser.parse_args()
    if not shutil.which("nvidia-smi") or run("nvidia-smi", ["nvidia-smi", "-L"], 30).why:
        print("gpu_check: no GPU here (nvidia-smi lists none)")
        return 77
    stage = Stage(args.stage, args.pack, args.out)
    stage.info()
    (first if args.stage == "first" else second)(stage)
    stage.report.write()
    print("\n".join(stage.report.lines()))
    return 1 if stage.report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
