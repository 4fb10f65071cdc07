"""GIF files, whose first picture may be smaller than their screen."""

import struct

import numpy as np
from PIL import Image

from .image_common import HEIGHT, WIDTH, noise, palette_image, saved


def lzw(indices, bits):
    """A code for each pixel by itself: a clear code often enough that codes never widen."""
    clear, width, values = 1 << bits, bits + 1, []
    for number, index in enumerate(indices.ravel().tolist()):
        if number % ((1 << bits) - 2) == 0:
            values.append(clear)
        values.append(index)
    values.append(clear + 1)
    flags = [value >> bit & 1 for value in values for bit in range(width)]
    data = np.packbits(np.array(flags, np.uint8), bitorder="little").tobytes()
    blocks = b"".join(
        bytes([len(data[i : i + 255])]) + data[i : i + 255] for i in range(0, len(data), 255)
    )
    return bytes([bits]) + blocks + b"\0"


def gif(
    indices, bits, screen=None, at=(0, 0), colors=b"", local=b"", transparent=None, interlaced=False
):
    """colors, local: tables of 2^bits entries, or none."""
    height, width = indices.shape
    order = [*range(0, height, 8), *range(4, height, 8), *range(2, height, 4), *range(1, height, 2)]
    out = (
        b"GIF89a"
        + struct.pack(
            "<HHBBB", *(screen or (width, height)), (0x80 | bits - 1) if colors else 0, 2, 0
        )
        + colors
    )
    if transparent is not None:
        out += b"!\xf9\4" + struct.pack("<BHB", 1, 5, transparent) + b"\0"
    flags = (0x80 | bits - 1 if local else 0) | (0x40 if interlaced else 0)
    out += b"," + struct.pack("<HHHHB", *at, width, height, flags) + local
    return out + lzw(indices[order] if interlaced else indices, bits) + b";"


def make(random):
    indices = noise(random, 1, 4)
    table, local = (random.integers(0, 256, 48).astype(np.uint8).tobytes() for _ in range(2))
    yield "gif/plain", gif(indices, 4, colors=table)
    yield "gif/interlaced", gif(indices, 4, colors=table, interlaced=True)
    yield "gif/small_frame", gif(indices, 4, (17, 15), (3, 2), table)
    yield "gif/small_frame_transparent", gif(indices, 4, (17, 15), (3, 2), table, transparent=5)
    yield "gif/beyond_screen", gif(indices, 4, (WIDTH - 4, HEIGHT - 4), (1, 1), table)
    yield "gif/local_colors", gif(indices, 4, colors=table, local=local)
    yield "gif/no_colors", gif(indices, 4)
    yield "gif/by_pillow", saved(palette_image(random), "GIF")
    second = Image.fromarray(noise(random, 3))
    yield "gif/animated", saved(
        palette_image(random, 7), "GIF", save_all=True, append_images=[second]
    )
    whole = gif(indices, 4, colors=table)
    yield "gif/refused_half", whole[: len(whole) // 2 + 20]
    yield "gif/refused_no_picture", whole[: 13 + 48] + b";"
