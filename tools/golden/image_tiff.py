"""TIFF files in the layouts that Pillow reads."""

import io
import struct

import numpy as np
from PIL import Image

from .image_common import HEIGHT, WIDTH, noise, packed, palette_image, saved, smooth

WHITE_IS_0, BLACK_IS_0, RGB, PALETTE, INKS, YCBCR = 0, 1, 2, 3, 5, 6


def tiff(
    pieces,
    photometric,
    bits,
    samples=1,
    order="<",
    planar=1,
    tile=None,
    rows=HEIGHT,
    extra=None,
    more=(),
    format_=None,
):
    """pieces: the bytes of each strip or tile."""
    entries = [
        (256, 4, [WIDTH]),
        (257, 4, [HEIGHT]),
        (258, 3, [bits] * samples),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (277, 3, [samples]),
        (284, 3, [planar]),
        *more,
    ]
    if extra is not None:
        entries.append((338, 3, [extra]))
    if format_ is not None:
        entries.append((339, 3, [format_] * samples))
    data, places = b"", []
    for piece in pieces:
        places.append(8 + len(data))
        data += piece + b"\0" * (len(piece) % 2)
    counts = [len(piece) for piece in pieces]
    if tile:
        entries += [(322, 3, [tile[0]]), (323, 3, [tile[1]]), (324, 4, places), (325, 4, counts)]
    else:
        entries += [(273, 4, places), (278, 3, [rows]), (279, 4, counts)]
    directory, beyond, at = b"", b"", 8 + len(data) + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        value = struct.pack(f"{order}{len(values)}{'HI'[kind == 4]}", *values)
        directory += struct.pack(f"{order}HHI", tag, kind, len(values))
        directory += (
            value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", at + len(beyond))
        )
        beyond += value if len(value) > 4 else b""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(entries)) + directory + b"\0" * 4 + beyond


def tiles(values, width, height):
    whole = np.pad(
        values,
        ((0, -len(values) % height), (0, -values.shape[1] % width)) + ((0, 0),) * (values.ndim - 2),
    )
    return [
        whole[y : y + height, x : x + width].tobytes()
        for y in range(0, len(whole), height)
        for x in range(0, whole.shape[1], width)
    ]


def strips(values, rows):
    return [values[y : y + rows].tobytes() for y in range(0, HEIGHT, rows)]


def make(random):
    color, gray, wide = noise(random, 3), noise(random, 1), noise(random, 3, 16)
    yield from make_saved(random, color)
    yield from make_small(random)
    yield from make_wide(random, gray.shape, wide)
    yield from make_parts(random, color, gray)
    yield from make_refused(color)


def make_saved(random, color):
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield f"tiff/{compression}", saved(color, "TIFF", compression=compression)
    yield "tiff/jpeg", saved(smooth(random, 32, 24), "TIFF", compression="jpeg", quality=60)
    yield "tiff/lzw_predictor", saved(color, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "tiff/group4", saved(
        Image.fromarray(noise(random, 1, 1) * 255).convert("1"), "TIFF", compression="group4"
    )
    for mode, channels in (("LA", 2), ("RGBA", 4), ("CMYK", 4)):
        yield f"tiff/{mode.lower()}", saved(
            Image.fromarray(noise(random, channels), mode), "TIFF", compression="tiff_lzw"
        )
    yield "tiff/palette", saved(palette_image(random), "TIFF")


def make_small(random):
    for bits in (1, 2, 4, 8):
        rows = packed(noise(random, 1, bits), bits)
        yield f"tiff/white_is_0_{bits}", tiff([rows.tobytes()], WHITE_IS_0, bits)
        yield f"tiff/gray_{bits}_big_endian", tiff([rows.tobytes()], BLACK_IS_0, bits, order=">")
        colors = random.integers(0, 65536, 3 << bits).tolist()
        yield f"tiff/palette_{bits}", tiff([rows.tobytes()], PALETTE, bits, more=[(320, 3, colors)])


def make_wide(random, shape, wide):
    yield "tiff/gray_16", tiff([noise(random, 1, 9).tobytes()], BLACK_IS_0, 16)
    yield "tiff/gray_16_big_endian", tiff(
        [noise(random, 1, 9).astype(">u2").tobytes()], BLACK_IS_0, 16, order=">"
    )
    yield "tiff/white_is_0_16", tiff([noise(random, 1, 9).tobytes()], WHITE_IS_0, 16)
    yield "tiff/gray_signed_16", tiff(
        [(noise(random, 1, 10).astype(np.int16) - 400).tobytes()], BLACK_IS_0, 16, format_=2
    )
    yield "tiff/gray_32", tiff(
        [(noise(random, 1, 10).astype(np.int32) - 400).tobytes()], BLACK_IS_0, 32, format_=2
    )
    yield "tiff/gray_float", tiff(
        [random.normal(120, 100, shape).astype(np.float32).tobytes()], BLACK_IS_0, 32, format_=3
    )
    yield "tiff/rgb_16", tiff([wide.tobytes()], RGB, 16, 3)
    yield "tiff/rgb_16_big_endian", tiff([wide.astype(">u2").tobytes()], RGB, 16, 3, order=">")
    yield "tiff/cmyk_16", tiff([noise(random, 4, 16).tobytes()], INKS, 16, 4)


def make_parts(random, color, gray):
    yield "tiff/strips", tiff(strips(color, 4), RGB, 8, 3, rows=4)
    yield "tiff/tiles", tiff(tiles(color, 16, 16), RGB, 8, 3, tile=(16, 16))
    planes = [piece for band in range(3) for piece in strips(color[..., band], 4)]
    yield "tiff/planes", tiff(planes, RGB, 8, 3, planar=2, rows=4)
    alpha = noise(random, 4)
    yield "tiff/premultiplied", tiff([alpha.tobytes()], RGB, 8, 4, extra=1)
    yield "tiff/five_samples", tiff(
        [noise(random, 5).tobytes()], RGB, 8, 5, more=[(338, 3, [0, 0])]
    )
    pages = [Image.fromarray(255 - color), Image.fromarray(gray)]
    yield "tiff/pages", saved(color, "TIFF", save_all=True, append_images=pages)
    for orientation in (2, 6, 7):
        yield f"tiff/orientation_{orientation}", tiff(
            [color.tobytes()], RGB, 8, 3, more=[(274, 3, [orientation])]
        )
    big = io.BytesIO()
    Image.fromarray(color).save(big, "TIFF", big_tiff=True)
    yield "tiff/big", big.getvalue()
    yield "tiff/ycbcr", saved(
        Image.fromarray(smooth(random, 16, 16)).convert("YCbCr"), "TIFF", compression="tiff_lzw"
    )


def make_refused(color):
    whole = saved(color, "TIFF", compression="tiff_lzw")
    yield "tiff/refused_half", tiff([color.tobytes()[:99]], RGB, 8, 3)
    yield "tiff/refused_directory", whole[:-60] if whole[4] > 8 else whole[:30]
    yield "tiff/refused_no_size", tiff([color.tobytes()], RGB, 8, 3).replace(
        struct.pack("<HHII", 257, 4, 1, HEIGHT), struct.pack("<HHII", 257, 4, 1, 0)
    )
    yield "tiff/refused_12_bits", tiff([bytes(400)], RGB, 12, 3)
