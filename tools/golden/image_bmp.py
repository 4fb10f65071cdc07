"""Windows bitmaps of every depth and compression."""

import struct

import numpy as np

from .image_common import HEIGHT, WIDTH, noise, packed, palette_image, saved

PLAIN, RLE8, RLE4, MASKS = 0, 1, 2, 3


def padded(rows):
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()


def bmp(
    data,
    bits,
    compression=PLAIN,
    palette=b"",
    masks=(),
    top_down=False,
    header=40,
    size=(WIDTH, HEIGHT),
    colors=0,
):
    if header == 12:
        info = struct.pack("<IHHHH", 12, *size, 1, bits)
    else:
        height = -size[1] if top_down else size[1]
        info = struct.pack(
            "<IiiHHIIiiII",
            header,
            size[0],
            height,
            1,
            bits,
            compression,
            len(data),
            0,
            0,
            colors,
            0,
        )
        info += struct.pack(f"<{len(masks)}I", *masks)
        info += b"\0" * (header - len(info))
    at = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + info + palette + data


def runs(rows, bits):
    """Runs for the first half of each row, literal pixels for the rest."""
    out = b""
    for row in rows[::-1].tolist():
        half = row[:6]
        for value in half:
            out += bytes([1, value if bits == 8 else value << 4])
        rest = row[6:]
        data = (
            bytes(rest)
            if bits == 8
            else bytes(a << 4 | b for a, b in zip(rest[::2], rest[1::2] + [0]))
        )
        out += bytes([0, len(rest)]) + data + b"\0" * (len(data) % 2) + b"\0\0"
    return out + b"\0\1"


def make(random):
    def table(colors, entry=4):
        return np.pad(
            random.integers(0, 256, (colors, 3)).astype(np.uint8), ((0, 0), (0, entry - 3))
        ).tobytes()

    for bits in (1, 4, 8):
        indices = noise(random, 1, bits)
        yield f"bmp/palette_{bits}", bmp(
            padded(packed(indices, bits)), bits, palette=table(1 << bits)
        )
        yield f"bmp/os2_{bits}", bmp(
            padded(packed(indices, bits)), bits, palette=table(1 << bits, 3), header=12
        )
    few = noise(random, 1, 4)
    yield "bmp/palette_short", bmp(padded(few), 8, palette=table(7), colors=7)
    wide = noise(random, 1, 16)
    yield "bmp/16", bmp(padded(wide.view(np.uint8)), 16)
    yield "bmp/565", bmp(padded(wide.view(np.uint8)), 16, MASKS, masks=(0xF800, 0x7E0, 0x1F))
    yield "bmp/24", bmp(padded(noise(random, 3).reshape(HEIGHT, -1)), 24)
    yield "bmp/24_top_down", bmp(padded(noise(random, 3).reshape(HEIGHT, -1)), 24, top_down=True)
    four = padded(noise(random, 4).reshape(HEIGHT, -1))
    yield "bmp/32", bmp(four, 32)
    yield "bmp/32_masks", bmp(
        four, 32, MASKS, masks=(0xFF000000, 0xFF0000, 0xFF00, 0xFF), header=56
    )
    yield "bmp/32_alpha", bmp(
        four, 32, MASKS, masks=(0xFF0000, 0xFF00, 0xFF, 0xFF000000), header=124
    )
    yield "bmp/rle8", bmp(runs(noise(random, 1), 8), 8, RLE8, table(256))
    yield "bmp/rle4", bmp(runs(noise(random, 1, 4), 4), 4, RLE4, table(16))
    step = b"\4\3\0\2\3\2\5\1\0\0" + bytes([WIDTH, 2, 0, 0]) * 6 + b"\0\1"
    yield "bmp/rle8_step", bmp(step, 8, RLE8, table(256))
    yield "bmp/by_pillow", saved(noise(random, 3), "BMP")
    yield "bmp/by_pillow_gray", saved(noise(random, 1), "BMP")
    yield "bmp/by_pillow_palette", saved(palette_image(random), "BMP")
    yield "bmp/refused_half", bmp(padded(noise(random, 3).reshape(HEIGHT, -1)), 24)[:200]
    yield "bmp/refused_no_size", bmp(b"", 24, size=(0, 0))
    yield "bmp/refused_ends_early", bmp(b"\4\3\0\0\0\1", 8, RLE8, table(256))
    yield "bmp/refused_depth", bmp(four, 7)
