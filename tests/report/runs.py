"""Small runs for tests of what is made of them: images in MNIST's format or in a folder, trained in a second."""
import random
import struct
import subprocess

SETTINGS = """[model]
arch = "resnet10"
stem = "cifar"
width = 4
dim = 16
pred_hidden = 8
[mec]
eps2 = 16
lambda_warmup_epochs = 1
[train]
epochs = {epochs}
batch = 16
lr = {lr}
warmup_epochs = 1
health_steps = 1
[data]
path = "{data}"
[augment]
size = 8
blur_probability = 0
{more}
"""


def write_mnist(folder, train, test):
    """8x8 images: a bright bar whose place is the label, 0 to 3, on noise."""
    folder.mkdir(parents=True)
    draw = random.Random(1)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = bytes(i % 4 for i in range(count))
        pixels = bytes(draw.randrange(100) + (150 if x % 8 // 2 == label else 0) for label in labels for x in range(64))
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, count, 8, 8) + pixels)
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels)


def write_folder(folder, classes, each):
    """Colour images of one split, a sub-folder for each class."""
    draw = random.Random(2)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            (folder / name / f"{i}.ppm").write_bytes(b"P6 12 10 255\n" + bytes(draw.randrange(256) for _ in range(360)))


def train(program, folder, name, data, lr=0.1, epochs=2, more=""):
    config = folder / f"{name}.toml"
    config.write_text(SETTINGS.format(data=data, lr=lr, epochs=epochs, more=more))
    subprocess.run([program, "pretrain", config, "--out", folder / name, "--threads", "1"], check=True, stdout=subprocess.DEVNULL)
    return folder / name
