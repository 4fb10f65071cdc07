#!/usr/bin/env python3
"""A model of a step's time against the number of ranks (docs/scaling.md, whose tables it prints).

    python3 bench/scaling.py                      the tables
    python3 bench/scaling.py --write docs/scaling.md   puts them into the page (--check: fails where they differ)
    python3 bench/scaling.py --plot NAME          NAME.png, by gnuplot
    python3 bench/scaling.py --ib 100 --alpha 40  the tables of another machine (--help has its numbers)

tests/dist/scaling.py compares the messages with those that `mec bench step --profile` counts.
"""
import argparse
import dataclasses
import math
import re
import subprocess
import sys
from pathlib import Path

BLOCKS = {"resnet10": (1, 1, 1, 1), "resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
VIEWS, NORM_PRODUCTS = 2, 39  # 20 rounds of power iteration, two products each but for the first (ssl/losses/pair.cpp)
F32 = 4


@dataclasses.dataclass
class Network:
    arch: str = "resnet50"
    width: int = 64
    dim: int = 2048
    proj_hidden: int = 2048
    pred_hidden: int = 512
    stem_kernel: int = 7

    def convolutions(self):
        """(inputs, outputs, kernel²) of the encoder's; a batch norm follows each."""
        found, width = [(3, self.width, self.stem_kernel ** 2)], self.width
        for stage, blocks in enumerate(BLOCKS[self.arch]):
            bottleneck, inner = self.arch == "resnet50", self.width << stage
            out = inner * (4 if bottleneck else 1)
            for block in range(blocks):
                found += ([(width, inner, 1), (inner, inner, 9), (inner, out, 1)] if bottleneck else
                          [(width, inner, 9), (inner, out, 9)])
                if width != out or (block == 0 and stage > 0):
                    found.append((width, out, 1))
                width = out
        return found

    def teacher_norms(self):
        """Channels of each batch norm: encoder and projector."""
        return [out for _, out, _ in self.convolutions()] + [self.proj_hidden, self.proj_hidden, self.dim]

    def student_norms(self):
        return self.teacher_norms() + [self.pred_hidden]

    def parameters(self):
        """Numbers in the flat table, where each parameter begins at a multiple of 32 (nn/parameter_table.cpp)."""
        weights = [i * o * k for i, o, k in self.convolutions()]
        weights += [self.convolutions()[-1][1] * self.proj_hidden, self.proj_hidden ** 2, self.proj_hidden * self.dim]
        weights += [self.dim * self.pred_hidden, self.pred_hidden * self.dim, self.dim]  # the last one is a bias
        norms = self.student_norms()
        norms.remove(self.dim)  # the projector's last has no γ and β
        return sum(math.ceil(count / 32) * 32 for count in weights + norms + norms)


@dataclasses.dataclass
class Messages:
    """Of one kind in one part of a step: calls, and the bytes that reach a rank from the others."""
    part: str
    name: str
    calls: int
    bytes: float

    def seconds(self, machine, ranks):
        return self.calls * machine.latency(ranks) + self.bytes / machine.bandwidth(ranks)


def gathered(part, calls, own, ranks):
    return Messages(part, "all_gather", calls, (ranks - 1) * own)


def summed(part, calls, tensors, ranks):
    return Messages(part, "all_reduce", calls, 2 * (ranks - 1) / ranks * tensors)


def objective(m, d, ranks, side):
    """The two pairs of a step, p of a student with z of the other view's teacher."""
    n = m // ranks
    if side == "m x m":  # z (n,d), and this rank's rows of PZᵀ (n,m)
        return [gathered("objective", 2 * VIEWS, VIEWS * (n * d + n * m) * F32, ranks)]
    return [summed("objective", VIEWS * (1 + NORM_PRODUCTS), VIEWS * (d * d + NORM_PRODUCTS * d) * F32, ranks),
            gathered("objective", VIEWS * NORM_PRODUCTS, VIEWS * NORM_PRODUCTS * n * F32, ranks)]


PIECE_OF_GPUS = 25 << 20  # Communicator::bytes_of_sum()


def gradient_sums(count, ranks, piece):
    """They begin while the last view goes backward."""
    length = piece // F32 // ranks * ranks
    return Messages("backward", "sum", math.ceil(count / length), 2 * (ranks - 1) / ranks * F32 * count)


def networks(network, ranks, piece=PIECE_OF_GPUS):
    """Batch norm's statistics and sums, and the gradients, in pieces of so many bytes."""
    teacher, student = network.teacher_norms(), network.student_norms()
    two = 2 * F32  # mean and variance; the sums for γ and β
    return [gathered("teacher", VIEWS * len(teacher), VIEWS * two * sum(teacher), ranks),
            gathered("student", VIEWS * len(student), VIEWS * two * sum(student), ranks),
            summed("backward", VIEWS * len(student), VIEWS * two * sum(student), ranks),
            gradient_sums(network.parameters(), ranks, piece)]


def side_of(m, d):
    return "m x m" if m <= d else "d x d"


def step_messages(network, m, ranks, piece=PIECE_OF_GPUS):
    return [message for message in networks(network, ranks, piece) + objective(m, network.dim, ranks, side_of(m, network.dim))
            if ranks > 1]


@dataclasses.dataclass
class Machine:
    """Assumed, not measured: GPUs of the kind of an H100, eight in a node, one network adapter of 400 Gb/s for each."""
    node: int = 8
    nvlink: float = 300     # GB/s that reach a GPU within a node
    ib: float = 40          # and from other nodes
    alpha: float = 15       # us of a message within a node
    alpha_log: float = 5    # and more for each doubling of nodes
    views: float = 3000     # images/s of one view, forward and backward; forward is a third of it
    floor: float = 10       # ms of a step of no images: kernels are started, parameters updated
    loss: float = 50        # TFLOP/s of the objective, in f32
    memory: float = 3000    # GB/s

    def latency(self, ranks):
        nodes = max(1, ranks / self.node)
        return (self.alpha + self.alpha_log * math.log2(nodes)) * 1e-6

    def bandwidth(self, ranks):
        return (self.nvlink if ranks <= self.node else self.ib) * 1e9

    def images(self):
        """A second, of a GPU that does nothing but the networks: two views of the student, and two of the teacher."""
        return self.views / VIEWS / (4 / 3)

    def networks(self, n):
        return self.floor * 1e-3 + n / self.images()

    def objective(self, m, d, ranks, side, products=2):
        """Order 4: two products of matrices (m,m) or (d,d), on each rank."""
        n, s = m / ranks, m if side == "m x m" else d
        flops = 4 * n * m * d if side == "m x m" else 4 * n * d * d
        reads = NORM_PRODUCTS * F32 * (m * m if side == "m x m" else 2 * n * d)
        own = VIEWS * ((flops + 2 * products * s ** 3) / (self.loss * 1e12) + reads / (self.memory * 1e9))
        return own + sum(message.seconds(self, ranks) for message in objective(m, d, ranks, side))


def times(network, machine, m, ranks):
    """Seconds: the networks, batch norm's messages, the objective on its better side, the gradients."""
    norms, gradients = networks(network, ranks)[:3], networks(network, ranks)[3]
    return (machine.networks(m / ranks), sum(message.seconds(machine, ranks) for message in norms),
            min(machine.objective(m, network.dim, ranks, side) for side in ("m x m", "d x d")),
            gradients.seconds(machine, ranks))


# ---- the page

RANKS, BATCHES, MOST_IMAGES = (8, 32, 128, 512, 1024), (4096, 8192, 16384, 32768, 65536), 512


def table(head, rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def bytes_table(network):
    rows = []
    for ranks in RANKS:
        teacher, student, backward, update = (message.bytes / 1e6 for message in networks(network, ranks))
        sides = [sum(message.bytes for message in objective(m, network.dim, ranks, side)) / 1e6
                 for m, side in ((4096, "m x m"), (65536, "m x m"), (4096, "d x d"), (65536, "d x d"))]
        rows.append([str(ranks)] + [f"{x:.0f}" for x in (teacher + student, backward, update, *sides)])
    return table(["ranks", "batch norm, forward", "backward", "gradients", "m×m, 4,096", "m×m, 65,536",
                  "d×d, 4,096", "d×d, 65,536"], rows)


def sides_table(network, machine):
    def seconds(m, ranks, side):
        return machine.objective(m, network.dim, ranks, side)

    def first_faster(ranks):
        return next(m for m in range(ranks, 1 << 20, ranks) if seconds(m, ranks, "d x d") < seconds(m, ranks, "m x m"))

    rows = [[f"{m:,}", *(", ".join(f"{seconds(m, ranks, side) * 1e3:.1f}" for side in ("m x m", "d x d")) for ranks in RANKS)]
            for m in (1024, 2048, *BATCHES)]
    return table(["global batch", *(f"{ranks} ranks" for ranks in RANKS)],
                 rows + [["d×d is faster from", *(f"{first_faster(ranks):,}" for ranks in RANKS)]])


def steps_table(network, machine):
    rows = []
    for m in BATCHES:
        for ranks in RANKS:
            if m / ranks > MOST_IMAGES:
                continue
            parts = times(network, machine, m, ranks)
            shares = [m / ranks / machine.images() / step * 100 for step in (sum(parts), sum(parts) - parts[1])]
            rows.append([f"{m:,}", str(ranks), *(f"{x * 1e3:.1f}" for x in parts), f"{sum(parts) * 1e3:.1f}",
                         *(f"{share:.0f} %" for share in shares)])
    return table(["global batch", "ranks", "networks", "batch norm", "objective", "gradients", "step", "of the GPUs' most",
                  "own statistics"], rows)


def tables(network, machine):
    return {"bytes": bytes_table(network), "sides": sides_table(network, machine), "steps": steps_table(network, machine)}


def filled(text, made):
    """The page's text with its tables, each of which follows a comment with its name."""
    for name, rows in made.items():
        text, found = re.subn(rf"(<!-- scaling.py: {name} -->\n\n)(\|[^\n]*\n)*", lambda match: match[1] + rows, text)
        if found != 1:
            sys.exit(f"the page has no place for the table {name}")
    return text


def plot(network, machine, name):
    series = []
    for m in BATCHES:
        points = [(ranks, m / sum(times(network, machine, m, ranks)) / 1e3) for ranks in
                  (2 ** k for k in range(3, 11)) if m / ranks <= MOST_IMAGES]
        series.append((f"batch {m:,}", points))
    script = ["set terminal pngcairo size 760,440 font 'sans,11'", f"set output '{name}.png'",
              "set logscale xy 2", "set xlabel 'GPUs'", "set ylabel '1000 images/s'", "set key left top", "set grid",
              "set xrange [7:1200]", "plot " + ", ".join(
                  [f"{machine.images() / 1e3} * x with lines dashtype 2 linecolor 'gray' title 'every GPU alone'"] +
                  [f"'-' with linespoints title '{title}'" for title, _ in series])]
    for _, points in series:
        script += [f"{x} {y}" for x, y in points] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for field in dataclasses.fields(Machine):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=field.type, default=field.default, metavar="N")
    parser.add_argument("--write", metavar="PAGE")
    parser.add_argument("--check", metavar="PAGE")
    parser.add_argument("--plot", metavar="NAME")
    options = vars(parser.parse_args())
    write, check, picture = (options.pop(name) for name in ("write", "check", "plot"))
    network, machine = Network(), Machine(**options)
    made = tables(network, machine)
    if picture:
        plot(network, machine, picture)
    elif write or check:
        page = Path(write or check)
        text = filled(page.read_text("utf-8"), made)
        if check and text != page.read_text("utf-8"):
            sys.exit(f"{page}: its tables are not those of bench/scaling.py; --write puts them there")
        page.write_text(text, "utf-8")
    else:
        print("\n".join(f"{name}\n\n{rows}" for name, rows in made.items()))


if __name__ == "__main__":
    main()
