#!/usr/bin/env python3
"""scaling.py MPIRUN MEC: the messages of bench/scaling.py's model are those that a step of 1, 2 and 4 processes sends."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import scaling

# Both sides, and where they meet; both kinds of blocks; sizes that no alignment divides.
CASES = [(scaling.Network("resnet50", 4, 90, 72, 40, 3), 128), (scaling.Network("resnet18", 6, 170, 100, 36, 3), 96),
         (scaling.Network("resnet18", 6, 120, 100, 36, 3), 120)]
PIECE = 2 << 20  # bytes of gradients that are summed together on CPUs
ROW = re.compile(r"^(\w+) +(all_gather|all_reduce|broadcast|maximum|sum) +(\d+) +([\d.]+) ", re.MULTILINE)


def counted(mpirun, mec, network, batch, ranks):
    words = ["bench", "step", "--profile", "--steps", 1, "--warmup", 0, "--threads", 1, "--size", 8, "--stem", "cifar",
             "--batch", batch, "--arch", network.arch, "--width", network.width, "--dim", network.dim,
             "--proj-hidden", network.proj_hidden, "--pred-hidden", network.pred_hidden]
    run = subprocess.run([mpirun, "-n", str(ranks), mec, *map(str, words)], capture_output=True, text=True, check=False)
    if run.returncode or '"step_ms"' not in run.stdout:
        sys.exit(f"{ranks} processes: status {run.returncode}\n{run.stdout}{run.stderr}")
    return {(part, name, int(calls), megabytes) for part, name, calls, megabytes in ROW.findall(run.stdout)}


def main(mpirun, mec):
    wrong = 0
    for network, batch in CASES:
        for ranks in (1, 2, 4):
            real = counted(mpirun, mec, network, batch, ranks)
            model = {(message.part, message.name, message.calls, f"{message.bytes * 1e-6:.6f}")
                     for message in scaling.step_messages(network, batch, ranks, PIECE)}
            print(f"{network}, batch {batch}, {ranks} processes: {len(real)} kinds of messages")
            for row in sorted(real ^ model):
                print("  counted alone" if row in real else "  in the model alone", *row)
                wrong += 1
            if (ranks == 1) != (not real):
                sys.exit("messages, and one process; or none, and several")
    sys.exit(1 if wrong else 0)


main(*sys.argv[1:])
