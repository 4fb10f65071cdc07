"""Runs programs for a limited time, several at once, and keeps their results: for tools/gpu_borrowed.py."""
import os
import re
import signal
import subprocess
import tempfile
import time

# The lines that say what went wrong, in the words of doctest, of our program, of compute-sanitizer
# and of Python.
ERROR = re.compile(r"ERROR: (?!SUMMARY: 0 errors)|^mec: |\bError: |^=+ (Invalid|Error)|failed:|FAILED|not found|No such file")


class Clock:
    """The seconds that are left of a stage. MEC_GPU_CHECK_SCALE shortens all limits alike, for rehearsals."""

    def __init__(self, seconds):
        self.scale = float(os.environ.get("MEC_GPU_CHECK_SCALE", "1"))
        self.start = time.monotonic()
        self.seconds = seconds * self.scale

    def spent(self):
        return time.monotonic() - self.start

    def left(self):
        return self.seconds - self.spent()

    def limit(self, seconds):
        """At most so many seconds (scaled), and no more than are left."""
        return max(0.0, min(seconds * self.scale, self.left()))


def first_error(text):
    """The first line that names an error, or else the last that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if ERROR.search(line)), lines[-1] if lines else "no output")


class Job:
    """A program that has been started; its output goes to a file, so that nothing waits for a reader."""

    def __init__(self, name, command, env=None):
        self.name = name
        self.output = tempfile.TemporaryFile("w+", errors="replace")
        self.start = time.monotonic()
        self.seconds = 0.0
        self.why = ""  # why it failed; empty where it did not
        self.process = None
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.output, stderr=subprocess.STDOUT,
                                            env=env, text=True, start_new_session=True)
        except OSError as error:
            self.why = f"{command[0]}: {error.strerror}"

    def text(self):
        self.output.seek(0)
        return self.output.read()

    def say(self, line):
        """Writes a line to the program's input. Where the program has ended, wait() will report it."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (AttributeError, BrokenPipeError):
            pass

    def prints(self, word, limit):
        """Waits until the program has printed the word; False where it ended first, or took longer."""
        end = time.monotonic() + limit
        while self.process and word not in self.text():
            if self.process.poll() is not None or time.monotonic() > end:
                return word in self.text()
            time.sleep(0.02)
        return self.process is not None

    def wait(self, limit):
        """Waits until the program ends; after `limit` seconds kills it, and all that it has started. Returns whether it
        succeeded."""
        if self.process:
            try:
                status = self.process.wait(limit)
                self.why = "" if status == 0 else first_error(self.text()) + ("" if status > 0 else f" (signal {-status})")
            except subprocess.TimeoutExpired:
                self.cut()
                self.why = f"cut after {limit:.0f} s: {first_error(self.text())}"
        self.seconds = time.monotonic() - self.start
        return not self.why

    def cut(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def run(name, command, limit, env=None):
    job = Job(name, command, env)
    job.wait(limit)
    return job
