"""What every kind of golden shares: its random numbers, its tensors with their f32 distances, its file."""
import json
import zlib
from importlib.metadata import version

import numpy as np

DTYPES = {"float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "uint8": "U8"}


def to_numpy(value):
    return np.ascontiguousarray(value.detach().numpy() if hasattr(value, "detach") else value)


def distance(value, exact):
    """max |value − exact| relative to the largest entry of `exact`: the measure of tests/support/golden.h."""
    difference = np.abs(value.astype(np.float64) - exact).max()
    return float(difference / (np.abs(exact).max() or 1.0))


class Golden:
    """One golden file in the making."""

    def __init__(self, name, seed, packages=("torch", "torchvision", "numpy", "scikit-learn")):
        self.name, self.seed, self.packages = name, seed, packages
        self.clear()

    def clear(self):
        self.tensors, self.parameters, self.distances = {}, {}, {}

    def random(self, attempt=0):
        """A stream of random numbers that no other golden shares."""
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode()), attempt])

    def parameter(self, **values):
        """What the case is, as metadata."""
        self.parameters.update({key: str(value) for key, value in values.items()})

    def given(self, name, value):
        """An input or a label, stored as it is: f32 or an integer type."""
        value = to_numpy(value)
        assert value.dtype != np.float64, f"{name}: an input must be exact in f32"
        self.tensors[name] = value

    def result(self, name, exact, *singles):
        """A result in f64; `singles` are the same from f32 runs, of which the one farthest away is noted."""
        exact = np.atleast_1d(to_numpy(exact)).astype(np.float64)
        assert np.isfinite(exact).all(), f"{self.name}: {name} is not finite"
        self.tensors[name] = exact
        if singles:
            self.distances[name] = max(distance(np.atleast_1d(to_numpy(single)), exact) for single in singles)

    def write(self, folder):
        """Writes the file and returns its size. By hand, because the library's writer shuffles the metadata."""
        metadata = {"seed": str(self.seed), **self.parameters}
        metadata.update({package: version(package) for package in self.packages})
        metadata.update({f"f32_distance.{name}": f"{value:.3e}" for name, value in self.distances.items()})
        # Wider elements first, so that every tensor is aligned.
        order = sorted(self.tensors, key=lambda name: (-self.tensors[name].itemsize, name))
        header, offset = {"__metadata__": dict(sorted(metadata.items()))}, 0
        for name in order:
            array = self.tensors[name]
            header[name] = {"dtype": DTYPES[array.dtype.name], "shape": list(array.shape),
                            "data_offsets": [offset, offset + array.nbytes]}
            offset += array.nbytes
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        parts = [len(text).to_bytes(8, "little"), text] + [self.tensors[name].tobytes() for name in order]
        (folder / f"{self.name}.safetensors").write_bytes(b"".join(parts))
        return sum(map(len, parts))


def single(array):
    """Rounded to f32: how every input is stored."""
    return np.asarray(array, dtype=np.float32)
