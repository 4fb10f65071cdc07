"""Pictures for goldens of image files, and their bytes."""

import io
import struct

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 9, 8


def smooth(random, width=WIDTH, height=HEIGHT):
    """Colours that change slowly, and some noise: (H,W,3)."""
    y, x = np.mgrid[0:height, 0:width]
    a, b = random.uniform(0.2, 0.9, (2, 3))
    phase = random.uniform(0, 6, 3)
    waves = 128 + 100 * np.sin(a * x[..., None] + b * y[..., None] + phase)
    return np.clip(waves + random.normal(0, 6, waves.shape), 0, 255).astype(np.uint8)


def noise(random, channels, bits=8, width=WIDTH, height=HEIGHT):
    """Any value of so many bits: (H,W) or (H,W,C)."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return random.integers(0, 1 << bits, shape).astype(np.uint16 if bits > 8 else np.uint8)


def saved(image, kind, **options):
    """The file that Pillow makes of an image or of an array."""
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(out, kind, **options)
    return out.getvalue()


def packed(values, bits):
    """Rows of values of fewer than 8 bits, the first in the highest bits, filled up to a byte."""
    flags = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(flags.reshape(len(values), -1).astype(np.uint8), axis=1)


def palette_image(random, colors=256):
    image = Image.fromarray((noise(random, 1) % np.int64(colors)).astype(np.uint8), "P")
    image.putpalette(random.integers(0, 256, 3 * colors).astype(np.uint8).tobytes())
    return image


def exif(orientation):
    """A directory with an orientation, behind another entry."""
    entries = struct.pack("<HHIHH", 0x010F, 3, 1, 7, 0) + struct.pack(
        "<HHIHH", 0x0112, 3, 1, orientation, 0
    )
    return b"II*\0" + struct.pack("<IH", 8, 2) + entries + struct.pack("<I", 0)
