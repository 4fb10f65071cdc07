#!/usr/bin/env python3
"""Rehearses `tools/gpu_check.sh first` and `second` where there is no GPU: every program that needs one is stand_in.py.

  rehearse.py                   with stand-ins that print what the programs would: what may go wrong, and well
  rehearse.py --software DIR    with the programs of DIR, on a GPU made of software: minutes
"""
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "tools", "gpu_check.sh")
COPY, FILL, TOP_K = (f"cuda kernel {name}: agrees with the reference on every case" for name in ("copy", "fill", "top_k"))


class Stages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = folder.name
        self.out = os.path.join(self.root, "out")
        for name in ("nvidia-smi", "ncu", "compute-sanitizer"):
            self.stand_in("path", name)
        for name in ("mec", "test_gpu"):
            self.stand_in("pack/bin", name)
        # PyTorch's step is a script of python3, as are the tools themselves.
        self.script("path/python3", f'case "$1" in *torch_mec_step.py) shift; exec {sys.executable} "{HERE}/stand_in.py" '
                                    f'torch_mec_step.py "$@";; -c) echo 2.9;; *) exec {sys.executable} "$@";; esac')
        self.script("path/cmake", 'echo "CMake Error: no compiler"; exit 1')

    def script(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)

    def stand_in(self, folder, name):
        self.script(f"{folder}/{name}", f'exec {sys.executable} "{HERE}/stand_in.py" {name} "$@"')

    def run_stage(self, stage, behaviour=None, scale=1.0):
        """Exit status and summary; `behaviour` says what does not go well."""
        with open(os.path.join(self.root, "behaviour.json"), "w", encoding="utf-8") as file:
            json.dump(behaviour or {}, file)
        env = {**os.environ, "PATH": os.path.join(self.root, "path") + os.pathsep + os.environ["PATH"], "OUT": self.out,
               "STAND_INS": file.name, "MEC_GPU_PACK": os.path.join(self.root, "pack"), "MEC_GPU_CHECK_SCALE": str(scale)}
        start = time.monotonic()
        done = subprocess.run(["bash", SCRIPT, stage], capture_output=True, text=True, env=env, check=False,
                              timeout=280 * max(1.0, scale))
        self.seconds = time.monotonic() - start
        self.assertEqual(done.stderr, "")
        self.check_screen(stage, done.stdout)
        return done.returncode, done.stdout

    def check_screen(self, stage, text):
        lines = text.splitlines()
        self.assertLessEqual(len(lines), 40)
        self.assertLessEqual(max(map(len, lines)), 80)
        if os.path.isdir(self.out):
            files = sorted(name for name in os.listdir(self.out) if name.startswith(stage))
            self.assertLessEqual(len(files), 4)
            with open(os.path.join(self.out, f"{stage}.txt"), encoding="utf-8") as file:
                self.assertEqual(file.read().splitlines()[2:], lines[2:])


class WithStandIns(Stages):
    def test_first_when_all_is_well(self):
        status, text = self.run_stage("first")
        self.assertEqual(status, 0, text)
        for line in ("tests     8 passed, 0 failed", "speeds    6 passed", "NVIDIA H100", "1.33 of its images/s, 1.00 of its memory"):
            self.assertIn(line, text)
        with open(os.path.join(self.out, "first-speed.jsonl"), encoding="utf-8") as file:
            runs = [json.loads(line)["run"] for line in file]
        self.assertEqual(runs, ["ours, tuned", "PyTorch, eager", "PyTorch, compiled", "ours, tuned, again",
                                "ours, as cuDNN chooses", "ours, without the graph"])

    def test_a_failure_hides_no_other_case(self):
        status, text = self.run_stage("first", {COPY: "sticky", TOP_K: "sticky"})
        self.assertEqual(status, 1)
        self.assertIn("tests     6 passed, 2 failed", text)  # fill, between them, passes by itself
        self.assertIn(f"  FAILED {COPY}"[:80] + "\n    ERROR: test case THREW exception: CUDA: cudaStreamSynchronize failed", text)
        self.assertIn(f"  FAILED {TOP_K}"[:80], text)
        self.assertNotIn(FILL, text)
        self.assertIn("1.33 of its images/s", text)

    def test_a_program_that_falls_or_hangs_is_told_from_the_cases_behind_it(self):
        status, text = self.run_stage("first", {COPY: "crash"})
        self.assertEqual(status, 1)
        self.assertIn("tests     7 passed, 1 failed", text)
        self.assertIn("(signal 9)", text)
        status, text = self.run_stage("first", {COPY: "hang"}, scale=0.1)
        self.assertEqual(status, 1)
        self.assertIn("tests     7 passed, 1 failed", text)
        self.assertIn("cut after", text)

    def test_whatever_hangs_is_cut_in_time(self):
        status, text = self.run_stage("first", {"mec": "hang", "compile": "hang", "torch_mec_step.py": "hang"}, scale=0.05)
        self.assertEqual(status, 1)
        self.assertIn("speeds    0 passed, 6 failed", text)
        self.assertIn("cut after", text)
        self.assertLess(self.seconds, 60)
        status, text = self.run_stage("second", {"compute-sanitizer": "hang", "ncu": "hang", "compile": "hang"}, scale=0.05)
        self.assertEqual(status, 1)
        self.assertIn("sanitizers 0 passed, 2 failed", text)
        self.assertLess(self.seconds, 60)

    def test_programs_that_do_not_run_are_built_there_and_the_reason_is_told(self):
        status, text = self.run_stage("first", {"mec": "fail"})
        self.assertEqual(status, 1)
        self.assertIn("cudaMalloc failed: out of memory", text)
        self.assertIn("PyTorch, compiled", text)

    def test_without_a_gpu_the_status_is_77(self):
        for stage in ("first", "second"):
            status, text = self.run_stage(stage, {"nvidia-smi": "fail"})
            self.assertEqual(status, 77)
            self.assertIn("no GPU here", text)

    def test_second(self):
        status, text = self.run_stage("second")
        self.assertEqual(status, 0, text)
        for line in ("sanitizers 2 passed", "profiles  5 passed", "measured peaks: 700000 GFLOP/s", "conv2d_grad_weight",
                     "PyTorch, CUDA graph", "ours, nondeterministic", "f32, batch 64", "small: ours", "small: PyTorch, eager"):
            self.assertIn(line, text)

    def test_second_goes_on_where_counters_are_forbidden(self):
        status, text = self.run_stage("second", {"ncu": "fail"})
        self.assertEqual(status, 1)
        self.assertIn("profiles  2 passed, 3 failed", text)
        self.assertIn("small: PyTorch, eager", text)


class OnSoftwareGpu(Stages):
    """The programs themselves, their options and what they print; the peer, the profilers and `bench ops` are stood in for."""

    def test_both_stages(self):
        program = os.path.join(os.environ["SOFTWARE_GPU"], "test_software_gpu")
        listed = subprocess.run([program, "--list-test-cases", "--no-colors=true"], capture_output=True, text=True, check=True)
        cases = [line for line in listed.stdout.splitlines() if not line.startswith(("[doctest]", "===", "cuda small "))]
        status, text = self.run_stage("first", scale=SLOWER)
        self.assertEqual(status, 0, text)
        self.assertIn(f"tests     {len(cases)} passed, 0 failed", text)
        self.assertIn("speeds    6 passed, 0 failed", text)
        with open(os.path.join(self.out, "first-speed.jsonl"), encoding="utf-8") as file:
            captured = {run["run"]: run.get("captured") for run in map(json.loads, file)}
        self.assertTrue(captured["ours, tuned"])
        self.assertFalse(captured["ours, without the graph"])
        status, text = self.run_stage("second", scale=SLOWER)
        self.assertEqual(status, 0, text)
        # "tuned": with the plans that `first` left.
        for line in ("sanitizers 2 passed, 0 failed", "profiles  5 passed, 0 failed", "speeds    6 passed, 0 failed",
                     "ours, tuned", "part       kernel", "conv2d"):
            self.assertIn(line, text)


SLOWER = 8.0  # of all limits: nothing is timed here

if __name__ == "__main__":
    software = sys.argv[1:] and sys.argv[1] == "--software"
    if software:
        os.environ["SOFTWARE_GPU"] = os.path.abspath(sys.argv[2])
    unittest.main(argv=sys.argv[:1], defaultTest="OnSoftwareGpu" if software else "WithStandIns")
