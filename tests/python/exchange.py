"""Encoders that leave mec and come back: exchange.py PROGRAM

exchange.py PROGRAM --all: networks of their whole width, for minutes.

Each network is made by NumPy, imported, embedded by mec, exported, and run by ONNX Runtime; torchvision loads its file.
Skipped (77) where there is no ONNX Runtime; the parts with PyTorch and torchvision where there is none of these.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import numpy as np
    import onnxruntime
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from networks import random_state, write_safetensors

PROGRAM = sys.argv[1]
# f32 sums in another order; the project's promise.
TOLERANCE = 1e-5
NETWORKS = [("resnet18", "imagenet", 5, 1), ("resnet50", "imagenet", 8, 3), ("wide_resnet50_2", "cifar", 4, 3),
            ("resnet50d", "imagenet", 8, 3), ("resnet18d", "cifar", 8, 1)]
WHOLE = ("resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnet50d")  # --all


def mec(*arguments):
    result = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, f"mec {arguments}: {result.stderr}"
    return result.stdout


def away(found, expected):
    """The largest difference beside the largest feature; NaN fails every comparison."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def embed(folder, encoder, images):
    np.save(folder / "images.npy", images)
    mec("embed", encoder, "--images", folder / "images.npy", "--out", folder / "features.npy", "--threads", 1)
    return np.load(folder / "features.npy")


def run_onnx(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_outputs()] == ["features"]
    return session, session.run(["features"], {session.get_inputs()[0].name: images})[0]


def check_network(folder, arch, stem, width, channels, worst):
    state = random_state(arch, stem, width, channels)
    write_safetensors(folder / "foreign.safetensors", {f"module.backbone.{name}": value for name, value in state.items()})
    encoder = folder / "encoder.safetensors"
    said = mec("import", folder / "foreign.safetensors", "--out", encoder, "--size", 33)
    assert f" {arch}, {stem} stem, width {width}, {channels} channel" in said, said

    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, 45, 33, channels)).astype(np.float32)  # odd sizes on the way down
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    expected = embed(folder, encoder, images)
    for fold in ("--fold", "--no-fold"):
        mec("export", encoder, "--onnx", folder / "x.onnx", fold)
        session, found = run_onnx(folder / "x.onnx", planes)
        difference = away(found, expected)
        worst[fold] = max(worst.get(fold, 0), difference)
        print(f"{arch} {stem} width {width} channels {channels} {fold}: {difference:.1e}", flush=True)
        assert difference < TOLERANCE
    folded = onnxruntime.InferenceSession(folder / "x.onnx").get_modelmeta().custom_metadata_map
    assert folded["arch"] == arch and folded["image_size"] == "33" and len(folded["mean"].split(",")) == channels, folded

    pixels = rng.integers(0, 256, (3, 33, 33, channels), dtype=np.uint8)
    expected = embed(folder, encoder, pixels)
    mec("export", encoder, "--onnx", folder / "x.onnx", "--pixels", "--image-size", 33)
    session, found = run_onnx(folder / "x.onnx", pixels)
    assert session.get_inputs()[0].shape == ["batch", 33, 33, channels], session.get_inputs()[0].shape
    worst["--pixels"] = max(worst.get("--pixels", 0), away(found, expected))
    assert away(found, expected) < TOLERANCE
    return state


def check_torchvision(folder, arch, stem, channels, all_classes=(1000,)):
    state = random_state(arch, stem, 64, channels)
    write_safetensors(folder / "foreign.safetensors", state)
    encoder = folder / "encoder.safetensors"
    mec("import", folder / "foreign.safetensors", "--out", encoder)
    for classes in all_classes:
        said = mec("export", encoder, "--torchvision", folder / "it's \\ a\nfile.safetensors", "--classes", classes)
        names = {}
        exec(said[said.index("import "):], names)  # the lines that a user is told to type
        net = names["net"].eval()
        if classes:
            assert net.fc.weight.shape[0] == classes and not net.fc.weight.any()
        net.fc = torch.nn.Identity()
        images = np.random.default_rng(2).normal(size=(2, 40, 40, channels)).astype(np.float32)
        with torch.no_grad():
            found = net(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
        difference = away(found, embed(folder, encoder, images))
        print(f"torchvision {arch} {stem} channels {channels} classes {classes}: {difference:.1e}", flush=True)
        assert difference < TOLERANCE


def check_pth(folder):
    """The script that mec names brings what torch.save wrote."""
    script = Path(__file__).resolve().parents[2] / "tools/pth_to_safetensors.py"
    state = {name: torch.from_numpy(value) for name, value in random_state("resnet10", "cifar", 4).items()}
    torch.save({"epoch": 3, "model_state": {"module.encoder." + name: value.bfloat16() if value.is_floating_point() else value
                                            for name, value in state.items()}, "optimizer": {"lr": 0.1}}, folder / "x.pth")
    refused = subprocess.run([PROGRAM, "import", folder / "x.pth", "--out", folder / "y"], capture_output=True, text=True)
    assert refused.returncode == 1 and "pth_to_safetensors.py" in refused.stderr, refused
    subprocess.run([sys.executable, script, folder / "x.pth", folder / "x.safetensors"], check=True)
    mec("import", folder / "x.safetensors", "--out", folder / "encoder.safetensors")
    loaded = safetensors.torch.load_file(folder / "encoder.safetensors")
    for name, value in state.items():
        if value.is_floating_point():
            assert torch.equal(loaded[name], value.bfloat16().float()), name


with tempfile.TemporaryDirectory() as name:
    folder, worst = Path(name), {}
    whole = "--all" in sys.argv
    for network in [(arch, "imagenet", 64, 3) for arch in WHOLE] if whole else NETWORKS:
        check_network(folder, *network, worst)
    print("largest differences:", {option: f"{value:.1e}" for option, value in worst.items()})
    try:
        import safetensors.torch
        import torch
        import torchvision
    except ImportError as missing:
        print(f"without {missing.name}: torchvision and .pth are not tried")
        sys.exit(0)
    try:
        import timm
    except ImportError:
        timm = None
    check_torchvision(folder, "resnet18", "imagenet", 3)
    check_torchvision(folder, "resnet10", "cifar", 1, (1000, 0, 7))
    if timm:
        check_torchvision(folder, "resnet18d", "imagenet", 3, (0, 7))
    for arch in (*WHOLE, "wide_resnet101_2") if whole else ():
        if timm or not arch.endswith("d"):
            check_torchvision(folder, arch, "imagenet", 3)
    check_pth(folder)
