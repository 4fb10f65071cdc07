#!/usr/bin/env python3
"""Runs fuzz targets, one after another; status 1 where one has a finding, whose input is then kept.

    tests/fuzz/run.py BUILD [--seconds N] [--executions N] [--target NAME]...

BUILD is a build with -DMEC_FUZZ=ON. New inputs that reach new code stay in BUILD/corpus/<target>/, so that the next run
goes on from there. A finding goes to BUILD/findings/; once it is mended, it belongs into tests/fuzz/corpus/<target>/.
"""
import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What an input may take: 64 MiB of pixels (tensor/io/limits.h) some times over, and the memory of
# the sanitizer.
LIMITS = ["-rss_limit_mb=1536", "-malloc_limit_mb=512", "-timeout=60", "-report_slow_units=60"]
LENGTH = 8192  # bytes of an input; a record of CIFAR has 3073
ENVIRONMENT = {"UBSAN_OPTIONS": "print_stacktrace=1"}


def folder(*parts):
    path = Path(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def processor_time():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Runner:
    def __init__(self, build, target, seeds, scratch):
        self.program = [build / "tests" / "mec_fuzz", f"--target={target}", *LIMITS]
        self.environment = {**os.environ, **ENVIRONMENT, "TMPDIR": str(scratch)}
        self.findings = folder(build, "findings")
        self.target, self.log = target, self.findings / f"{target}.log"
        self.corpora = [folder(build, "corpus", target)]
        self.corpora += [path for path in (HERE / "corpus" / target, seeds / target.split("_")[0]) if path.is_dir()]

    def call(self, *options):
        with self.log.open("w") as output:
            return subprocess.run([*self.program, *options], stdout=output, stderr=subprocess.STDOUT, env=self.environment).returncode

    def kept(self):
        return {path for path in self.findings.glob(f"{self.target}-*") if path.is_file()}

    def is_again(self, path):
        """Whether the input is a finding when it is tried alone. A process that is held up by others times out, too."""
        return self.call(str(path)) != 0

    def run(self, seconds, executions):
        """(executions, seconds of the processor, findings); goes on after a finding that does not come again."""
        done, start, used = 0, time.monotonic(), processor_time()
        while True:
            before, left = self.kept(), seconds - int(time.monotonic() - start)
            status = self.call(f"-max_total_time={max(left, 1)}", f"-runs={executions - done if executions > 0 else -1}",
                               f"-max_len={LENGTH}", f"-artifact_prefix={self.findings}/{self.target}-", "-print_final_stats=1",
                               *self.corpora)
            count = re.search(r"number_of_executed_units: (\d+)", self.log.read_text(errors="replace"))
            done += int(count[1]) if count else 0
            new = self.kept() - before
            found = [path for path in sorted(new) if self.is_again(path)]
            if status == 0 or found or not new:  # where it ends ill without an input, the log says why
                return done, round(processor_time() - used), found or ([self.log] if status else [])
            for path in new:
                path.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--executions", type=int, default=-1, help="of each target, where that takes less time")
    parser.add_argument("--target", action="append", help="only this one; may be given several times")
    options = parser.parse_args()
    build = options.build.resolve()
    names = subprocess.run([build / "tests" / "mec_fuzz", "--list"], check=True, capture_output=True, text=True).stdout.split()
    chosen = options.target or names
    if unknown := sorted(set(chosen) - set(names)):
        sys.exit(f"no such target: {', '.join(unknown)}; there are {', '.join(names)}")
    found = []
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # readers that want a path read files there
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        seeds = folder(scratch, "seeds")
        subprocess.run([sys.executable, HERE / "make_corpus.py", "--images", seeds], check=True)
        for target in chosen:
            runner = Runner(build, target, seeds, folder(scratch, "files"))
            executions, seconds, findings = runner.run(options.seconds, options.executions)
            print(f"{target}: {executions} executions in {seconds} s of the processor", flush=True)
            for path in findings:
                print(f"{target}: a finding: {path}; what it does: {runner.log}", flush=True)
            if findings:
                found.append(target)
    if found:
        sys.exit(f"findings in {', '.join(found)}: see {build}/findings")


if __name__ == "__main__":
    main()
