"""PBM, PGM and PPM, as text and as bytes."""

import numpy as np

from .image_common import HEIGHT, WIDTH, noise, packed


def text(values):
    return " ".join(map(str, values.ravel().tolist())).encode()


def make(random):
    size = b"%d %d" % (WIDTH, HEIGHT)
    bits, gray, color = noise(random, 1, 1), noise(random, 1), noise(random, 3)
    yield "pnm/p1", b"P1\n# bits\n" + size + b"\n" + text(bits)
    yield "pnm/p2", b"P2\n" + size + b"\n255\n" + text(gray)
    yield "pnm/p3", b"P3 " + size + b" # a comment\n 31\n" + text(color % 32)
    yield "pnm/p4", b"P4\n" + size + b"\n" + packed(bits, 1).tobytes()
    yield "pnm/p5", b"P5\n" + size + b"\n255\n" + gray.tobytes()
    yield "pnm/p5_100", b"P5\n" + size + b"\n100\n" + (gray % 101).tobytes()
    yield "pnm/p5_16_bits", b"P5\n" + size + b"\n65535\n" + noise(random, 1, 9).astype(
        ">u2"
    ).tobytes()
    yield "pnm/p5_1000", b"P5\n" + size + b"\n1000\n" + (noise(random, 1, 3)).astype(
        ">u2"
    ).tobytes()
    yield "pnm/p6", b"P6\n" + size + b"\n255\n" + color.tobytes()
    yield "pnm/p6_16_bits", b"P6\n" + size + b"\n4095\n" + noise(random, 3, 12).astype(
        ">u2"
    ).tobytes()
    yield "pnm/refused_half", b"P6\n" + size + b"\n255\n" + color.tobytes()[:99]
    yield "pnm/refused_no_size", b"P5\n0 4\n255\n"
    yield "pnm/refused_word", b"P2\n" + size + b"\n255\n" + b"seven " * 200
