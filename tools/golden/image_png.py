"""PNG files of every colour type and depth."""

import struct
import zlib

import numpy as np

from .image_common import HEIGHT, WIDTH, exif, noise, packed, palette_image, saved, smooth

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GRAY: 1, RGB: 3, PALETTE: 1, GRAY_ALPHA: 2, RGBA: 4}
PASSES = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def paeth(a, b, c):
    p = a + b - c
    return np.where(
        (abs(p - a) <= abs(p - b)) & (abs(p - a) <= abs(p - c)),
        a,
        np.where(abs(p - b) <= abs(p - c), b, c),
    )


def filtered(rows, step):
    """Filters of all five kinds in turn."""
    out, above = b"", np.zeros(rows.shape[1], int)
    for number, row in enumerate(rows.astype(int)):
        left = (
            np.concatenate([np.zeros(step, int), row[:-step]])
            if len(row) > step
            else np.zeros(len(row), int)
        )
        corner = (
            np.concatenate([np.zeros(step, int), above[:-step]])
            if len(row) > step
            else np.zeros(len(row), int)
        )
        kind = number % 5
        guess = [0 * row, left, above, (left + above) // 2, paeth(left, above, corner)][kind]
        out += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def rows_of(values, bits):
    values = values.reshape(len(values), -1)
    return (
        values.astype(">u2").view(np.uint8).reshape(len(values), -1)
        if bits == 16
        else packed(values, bits)
    )


def png(values, color, bits=8, interlaced=False, before=b"", after=b"", pieces=1):
    """values: (H,W) or (H,W,C)."""
    height, width = values.shape[:2]
    step = max(1, SAMPLES[color] * bits // 8)
    parts = [values[y::dy, x::dx] for x, y, dx, dy in PASSES] if interlaced else [values]
    data = zlib.compress(
        b"".join(filtered(rows_of(part, bits), step) for part in parts if part.size)
    )
    cut = -(-len(data) // pieces)
    idat = b"".join(chunk(b"IDAT", data[i : i + cut]) for i in range(0, len(data), cut))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + before + idat + after + chunk(b"IEND", b"")


def plte(random, colors):
    return chunk(b"PLTE", random.integers(0, 256, 3 * colors).astype(np.uint8).tobytes())


def make(random):
    for color, name, depths in (
        (GRAY, "gray", (1, 2, 4, 8, 16)),
        (RGB, "rgb", (8, 16)),
        (GRAY_ALPHA, "gray_alpha", (8, 16)),
        (RGBA, "rgba", (8, 16)),
    ):
        for bits in depths:
            for interlaced in (False, True):
                kind = f"png/{name}_{bits}" + ("_interlaced" if interlaced else "")
                yield kind, png(noise(random, SAMPLES[color], bits), color, bits, interlaced)
    for bits in (1, 2, 4, 8):
        for interlaced in (False, True):
            kind = f"png/palette_{bits}" + ("_interlaced" if interlaced else "")
            yield kind, png(
                noise(random, 1, bits), PALETTE, bits, interlaced, plte(random, 1 << bits)
            )
    yield "png/gray_16_dark", png(noise(random, 1, 9), GRAY, 16)  # around 255, where it is cut off
    yield "png/palette_short", png(noise(random, 1), PALETTE, before=plte(random, 3))
    yield "png/palette_short_4", png(noise(random, 1, 4), PALETTE, 4, True, plte(random, 5))
    alpha = chunk(b"tRNS", random.integers(0, 256, 200).astype(np.uint8).tobytes())
    yield "png/palette_transparent", png(
        noise(random, 1), PALETTE, before=plte(random, 256) + alpha
    )
    yield "png/gray_transparent", png(noise(random, 1), GRAY, before=chunk(b"tRNS", b"\0\7"))
    yield "png/rgb_transparent", png(noise(random, 3), RGB, before=chunk(b"tRNS", b"\0\7\0\7\0\7"))
    yield "png/gamma", png(
        noise(random, 3),
        RGB,
        before=chunk(b"gAMA", struct.pack(">I", 20000)) + chunk(b"sRGB", b"\0"),
    )
    yield "png/in_pieces", png(noise(random, 3), RGB, pieces=7)
    yield "png/one_pixel", png(noise(random, 3, width=1, height=1), RGB)
    for orientation in (3, 6):
        yield f"png/exif_{orientation}", png(
            noise(random, 3), RGB, before=chunk(b"eXIf", exif(orientation))
        )
    yield "png/exif_after", png(noise(random, 3), RGB, after=chunk(b"eXIf", exif(8)))
    yield "png/trailing_bytes", png(noise(random, 3), RGB) + b"some more"
    frame = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    animated = chunk(b"acTL", struct.pack(">II", 1, 0)) + chunk(b"fcTL", frame)
    yield "png/animated", png(noise(random, 4), RGBA, before=animated)
    yield "png/by_pillow", saved(smooth(random), "PNG")
    yield "png/by_pillow_palette", saved(palette_image(random, 9), "PNG")
    yield from make_refused(random)


def make_refused(random):
    whole = png(noise(random, 3), RGB, before=chunk(b"tEXt", b"Comment\0a comment"))
    at = whole.index(b"tEXt")
    yield "png/refused_text_damaged", whole[: at + 6] + b"#" + whole[at + 7 :]
    at = whole.index(b"IDAT")
    yield "png/refused_data_damaged", whole[: at + 60] + bytes([whole[at + 60] ^ 64]) + whole[
        at + 61 :
    ]
    yield "png/refused_half", whole[: at + 150]
    yield "png/refused_no_size", png(noise(random, 3), RGB).replace(
        struct.pack(">II", WIDTH, HEIGHT), struct.pack(">II", 0, 9)
    )
    yield "png/refused_short_data", png(noise(random, 3)[:5], RGB)[:16] + struct.pack(
        ">II", WIDTH, HEIGHT
    )
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0))
    yield "png/refused_huge", b"\x89PNG\r\n\x1a\n" + huge + chunk(
        b"IDAT", zlib.compress(b"\0" * 9)
    ) + chunk(b"IEND", b"")
    pixels = bytearray(
        zlib.compress(b"".join(b"\0" + row.tobytes() for row in noise(random, 3)), 0)
    )
    pixels[60] ^= 64  # zlib's checksum alone tells
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0))
    yield "png/refused_pixel_damaged", b"\x89PNG\r\n\x1a\n" + header + chunk(
        b"IDAT", bytes(pixels)
    ) + chunk(b"IEND", b"")
    short = zlib.compress(b"\0" * 99)
    yield "png/refused_few_rows", b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", short) + chunk(
        b"IEND", b""
    )
    yield "png/refused_filter", b"\x89PNG\r\n\x1a\n" + header + chunk(
        b"IDAT", zlib.compress(b"\7" * 40 * HEIGHT)
    ) + chunk(b"IEND", b"")
