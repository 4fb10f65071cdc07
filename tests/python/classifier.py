"""What mec finetune makes is a torchvision network with its classifier: classifier.py PROGRAM

Loaded with strict=True, it gives the probabilities of mec predict. Skipped (77) without torchvision.
"""
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import safetensors
    import safetensors.torch
    import torch
    import torchvision
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from networks import random_state, write_safetensors

PROGRAM = sys.argv[1]
TOLERANCE = 1e-5  # of a probability: f32 sums in another order
CLASSES = ["ant", 'b "q", é', "cat"]


def mec(*arguments):
    result = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, f"mec {arguments}: {result.stderr}"
    return result.stdout


def write_images(folder, rng):
    """Three folders of pictures, each of a colour with noise."""
    for split, count in (("train", 8), ("test", 4)):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 120, (32, 32, 3), dtype=np.uint8)
                pixels[..., label] += 100
                (folder / split / name / f"{i}.ppm").write_bytes(b"P6 32 32 255\n" + pixels.tobytes())


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    rng = np.random.default_rng(3)
    write_images(folder / "data", rng)
    write_safetensors(folder / "foreign.safetensors", random_state("resnet18", "imagenet", 64, 3))
    mec("import", folder / "foreign.safetensors", "--out", folder / "encoder.safetensors", "--size", 32)
    for norm in ("false", "true"):  # the norm before the classifier is folded into it
        run = folder / f"norm-{norm}"
        mec("finetune", folder / "encoder.safetensors", "--data", folder / "data", "--epochs", 2, "--train-batch", 8, "--out", run,
            "--set", f"supervised.head_norm={norm}", "--no-baselines", "--threads", 1)
        net = torchvision.models.resnet18(num_classes=len(CLASSES))
        net.load_state_dict(safetensors.torch.load_file(run / "encoder.safetensors"), strict=True)
        with safetensors.safe_open(run / "encoder.safetensors", "pt") as file:
            assert json.loads(file.metadata()["classes"]) == CLASSES, file.metadata()
        images = rng.normal(size=(5, 40, 36, 3)).astype(np.float32)
        np.save(folder / "images.npy", images)
        mec("predict", run, "--images", folder / "images.npy", "--out", folder / "p.npy", "--threads", 1)
        with torch.no_grad():
            expected = torch.softmax(net.eval()(torch.from_numpy(images).permute(0, 3, 1, 2)), 1).numpy()
        found = np.load(folder / "p.npy")
        difference = np.abs(found - expected).max()
        print(f"head_norm {norm}: {difference:.1e}", flush=True)
        assert found.shape == expected.shape and difference < TOLERANCE
        # mec export takes the classifier along; with one of zeros, the classes' names stay behind.
        mec("export", run, "--torchvision", folder / "whole.safetensors")
        mec("predict", folder / "whole.safetensors", "--images", folder / "images.npy", "--out", folder / "q.npy", "--threads", 1)
        assert (np.load(folder / "q.npy") == found).all()
        mec("export", run, "--torchvision", folder / "zeros.safetensors", "--classes", 3)
        refused = subprocess.run([PROGRAM, "predict", folder / "zeros.safetensors", "--images", folder / "data", "--out", folder / "q.npy"],
                                 capture_output=True, text=True)
        assert refused.returncode == 1 and "has no classifier" in refused.stderr, refused
        # The same in a table, whose names are quoted where they have commas.
        mec("predict", run, "--images", folder / "data", "--out", folder / "p.csv", "--threads", 1)
        rows = list(csv.reader(open(folder / "p.csv", encoding="utf-8", newline="")))
        assert rows[0] == ["image", "class", "probability", *CLASSES] and len(rows) == 13, rows[0]
        for row in rows[1:]:
            shares = [float(share) for share in row[3:]]
            assert abs(sum(shares) - 1) < 1e-5 and row[1] == CLASSES[int(np.argmax(shares))], row
