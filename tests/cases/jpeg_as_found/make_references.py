#!/usr/bin/env python3
"""Pillow's pixels of each JPEG file here, as a PNG beside it. Made with Pillow 13.0.0 (libjpeg-turbo 3.2.0).

Pillow refuses height_0.jpg, which has no reference.
"""
from pathlib import Path

from PIL import Image, UnidentifiedImageError

for path in sorted(Path(__file__).parent.glob("*.jpg")):
    try:
        Image.open(path).convert("RGB").save(path.with_suffix(".png"))
    except UnidentifiedImageError:
        print(path.name, "is refused")
