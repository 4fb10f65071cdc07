#!/usr/bin/env python3
"""TensorBoard's own reader reads the event files of a run. Exit status 77 where this Python has no tensorboard.

    read_events.py MEC
"""
import json
import math
import sys
import tempfile
from pathlib import Path

import runs

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("skipped: this Python has no tensorboard")
    sys.exit(77)


def read(run):
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def main(program):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs.write_mnist(folder / "mnist", 128, 40)
        run = runs.train(program, folder, "run", folder / "mnist", more="[eval]\nevery_epochs = 1\n[log]\ntensorboard = true")
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        events = read(run)
        compared = 0
        for tag in events.Tags()["scalars"]:
            group, name = tag.split("/")
            if group == "time":
                continue
            is_eval = group == "eval"
            expected = [(line["step"], line[name]) for line in lines if name in line and ("lr" not in line) == is_eval]
            found = [(event.step, event.value) for event in events.Scalars(tag)]
            assert [step for step, _ in found] == [step for step, _ in expected], tag
            for (_, a), (_, b) in zip(found, expected):
                assert math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-30), (tag, a, b)
            compared += len(found)
        assert {"train/loss", "train/lr", "train/effective_rank", "eval/knn", "time/images_per_second"} <= set(events.Tags()["scalars"])
        assert compared > 100, compared
        print(f"{compared} values read back by TensorBoard")


if __name__ == "__main__":
    main(sys.argv[1])
