#!/usr/bin/env python3
"""Runs fuzz targets, one after another; status 1 where one has a finding, whose input is then kept.

    tests/fuzz/run.py BUILD [--seconds N] [--executions N] [--target NAME]...

BUILD is a build with -DMEC_FUZZ=ON. New inputs that reach new code stay in BUILD/corpus/<target>/, so that the next run
goes on from there. A finding goes to BUILD/findings/; once it is mended, it belongs into tests/fuzz/corpus/<target>/.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What an input may take: 64 MiB of pixels (tensor/io/limits.h) some times over, and the memory of
# the sanitizer. By the clock, 20 s were too few on a machine that stalls.
LIMITS = ["-rss_limit_mb=1536", "-malloc_limit_mb=512", "-timeout=120", "-report_slow_units=120"]
LENGTH = 8192  # bytes of an input; a record of CIFAR has 3073
ENVIRONMENT = {"UBSAN_OPTIONS": "print_stacktrace=1"}


def folder(*parts):
    path = Path(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def run(build, target, options, seeds, scratch):
    """(executions, seconds, whether there was a finding) of one target; its output goes to BUILD/findings/<target>.log."""
    findings = folder(build, "findings")
    log = findings / f"{target}.log"
    before = set(findings.iterdir())
    corpora = [folder(build, "corpus", target)]
    corpora += [path for path in (HERE / "corpus" / target, seeds / target.split("_")[0]) if path.is_dir()]
    with log.open("w") as output:
        done = subprocess.run([build / "tests" / "mec_fuzz", f"--target={target}", f"-max_total_time={options.seconds}",
                               f"-runs={options.executions}", *LIMITS, f"-max_len={LENGTH}", f"-artifact_prefix={findings}/{target}-", "-print_final_stats=1", *corpora],
                              stdout=output, stderr=subprocess.STDOUT,
                              env={**os.environ, **ENVIRONMENT, "TMPDIR": str(scratch)})
    text = log.read_text(errors="replace")
    count = re.search(r"number_of_executed_units: (\d+)", text)
    taken = re.search(r"Done \d+ runs in (\d+) second", text)
    for path in sorted(set(findings.iterdir()) - before - {log}):
        print(f"{target}: a finding: {path}; what it did: {log}")
    return int(count[1]) if count else 0, int(taken[1]) if taken else 0, done.returncode != 0


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
            executions, seconds, has_finding = run(build, target, options, seeds, folder(scratch, "files"))
            print(f"{target}: {executions} executions in {seconds} s" + (", with a finding" if has_finding else ""), flush=True)
            if has_finding:
                found.append(target)
    if found:
        sys.exit(f"findings in {', '.join(found)}: see {build}/findings")


if __name__ == "__main__":
    main()
