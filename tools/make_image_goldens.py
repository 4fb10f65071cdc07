#!/usr/bin/env python3
"""Makes images.safetensors: small image files of many kinds, and the pixels that Pillow reads from each.

  make_image_goldens.py --seed N --out DIR [--files DIR]

For each kind: "<kind>/file", its bytes, and "<kind>/pixels", Pillow's convert("RGB"): (H,W,3), or
(H,W) where it is gray. Where EXIF turns the picture, "<kind>/upright" likewise. Pillow's
convert("L") is not stored: it is asserted to be that of the RGB pixels. A kind that Pillow refuses
has its file alone. --files also writes each file by itself. The tests read seed 0 from
tests/golden; another seed makes other pictures of the same kinds.

Needs Pillow and numpy, in a virtual environment of your own; the project itself does not. The
versions are noted in the file.
"""

import argparse
import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from golden import image_bmp, image_gif, image_jpeg, image_png, image_pnm, image_tiff, image_webp
from golden.common import Golden

MAKERS = (image_png, image_jpeg, image_webp, image_tiff, image_gif, image_bmp, image_pnm)


def pillow(data, mode, upright=False):
    """Pillow's pixels, or None where it refuses the file."""
    try:
        image = Image.open(io.BytesIO(data))
        return np.asarray((ImageOps.exif_transpose(image) if upright else image).convert(mode))
    except Exception:  # Pillow's errors are of many classes
        return None


def without_copies(rgb):
    return rgb[..., 0] if (rgb == rgb[..., :1]).all() else rgb


def add(golden, name, data):
    golden.given(f"{name}/file", np.frombuffer(data, np.uint8))
    rgb, upright = pillow(data, "RGB"), pillow(data, "RGB", upright=True)
    if rgb is None:
        return
    assert (pillow(data, "L") == np.asarray(Image.fromarray(rgb).convert("L"))).all(), name
    golden.given(f"{name}/pixels", without_copies(rgb))
    if upright.shape != rgb.shape or (upright != rgb).any():
        golden.given(f"{name}/upright", without_copies(upright))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--files", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # of Pillow, about the kinds that are damaged
    golden = Golden("images", args.seed, ("pillow", "numpy"))
    random = golden.random()
    for maker in MAKERS:
        for name, data in maker.make(random):
            add(golden, name, data)
            if args.files:
                args.files.mkdir(parents=True, exist_ok=True)
                (args.files / name.replace("/", "_")).write_bytes(data)
    args.out.mkdir(parents=True, exist_ok=True)
    kinds = sum(name.endswith("/file") for name in golden.tensors)
    print(f"{kinds} kinds, {golden.write(args.out) / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
