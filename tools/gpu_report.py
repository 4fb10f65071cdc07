"""What a stage found: files that grow as results come, and a summary of one screen."""
import json
import os

WIDTH, FAILURES, PROFILE_LINES = 80, 8, 6


class Report:
    """Four files in `folder`: STAGE.txt, the summary; STAGE-details.txt, of tests and
    profiles; STAGE-speed.jsonl; STAGE-log.txt."""

    def __init__(self, folder, stage, clock):
        self.folder, self.stage, self.clock = folder, stage, clock
        self.machine = ""
        self.passed, self.failed, self.failures = {}, {}, []  # counts by kind, in order of arrival; (name, why)
        self.rows = []    # (label, figures)
        self.shown = []   # further lines
        os.makedirs(folder, exist_ok=True)
        for kind in ("details.txt", "speed.jsonl", "log.txt"):
            open(self.path(kind), "w").close()
        self.write()

    def path(self, kind):
        return os.path.join(self.folder, f"{self.stage}-{kind}")

    def log(self, kind, heading, text):
        with open(self.path(kind), "a", encoding="utf-8") as file:
            file.write(f"== {heading}\n{text.rstrip()}\n\n")
        self.write()

    def count(self, kind, name, why="", times=1):
        if why:
            self.failed[kind] = self.failed.get(kind, 0) + 1
            self.failures.append((name, why))
        else:
            self.passed[kind] = self.passed.get(kind, 0) + times
        self.write()

    def speed(self, label, job):
        """The last line of JSON that a benchmark printed."""
        lines = [line for line in job.text().splitlines() if line.startswith("{")]
        if job.why or not lines:
            self.log("log.txt", label, job.text())
            return self.count("speeds", label, job.why or "printed no figures")
        figures = json.loads(lines[-1])
        self.rows.append((label, figures))
        with open(self.path("speed.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"run": label, **figures}) + "\n")
        return self.count("speeds", label)

    def verdict(self):
        """Our tuned runs against PyTorch's fastest in the same stage."""
        ours = [f for label, f in self.rows if label.startswith("ours, tuned")]
        peers = [f for label, f in self.rows if label.startswith("PyTorch, ")]
        if not ours or not peers:
            return []
        best = max(peers, key=lambda f: f["images_per_s"])
        speed = max(f["images_per_s"] for f in ours) / best["images_per_s"]
        memory = max(f["peak_mib"] for f in ours) / best["peak_mib"]
        return [f"ours, tuned / PyTorch's best: {speed:.2f} of its images/s, {memory:.2f} of its memory"]

    def lines(self):
        out = [f"{self.stage}: {self.machine}".rstrip(), f"{self.clock.spent():.0f} s of {self.clock.seconds:.0f} s"]
        for kind in {**self.passed, **self.failed}:
            out.append(f"{kind:9} {self.passed.get(kind, 0)} passed, {self.failed.get(kind, 0)} failed")
        for name, why in self.failures[:FAILURES]:
            out += [f"  FAILED {name}", f"    {why}"]
        if len(self.failures) > FAILURES:
            out.append(f"  and {len(self.failures) - FAILURES} more, in {self.stage}-details.txt and {self.stage}-log.txt")
        if self.rows:
            out.append(f"{'':38}{'images/s':>10}{'ms':>9}{'MiB':>9}")
        for label, f in self.rows:
            out.append(f"{label:38}{f['images_per_s']:10.1f}{f['step_ms']:9.2f}{f['peak_mib']:9.0f}")
        return [line[:WIDTH] for line in out + self.verdict() + self.shown]

    def write(self):
        with open(os.path.join(self.folder, f"{self.stage}.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines()) + "\n")
