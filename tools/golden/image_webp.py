"""WebP files, lossy and without loss, with and without alpha, animated."""

from PIL import Image

from .image_common import exif, noise, saved, smooth


def make(random):
    picture = smooth(random, 18, 17)
    alpha = noise(random, 4)
    yield "webp/lossy", saved(picture, "WEBP", quality=70)
    yield "webp/lossy_alpha", saved(alpha, "WEBP", quality=50)
    yield "webp/lossless", saved(noise(random, 3), "WEBP", lossless=True)
    yield "webp/lossless_alpha", saved(alpha, "WEBP", lossless=True, exact=True)
    yield "webp/exif_5", saved(picture[:9], "WEBP", quality=40, exif=exif(5))
    first, second = Image.fromarray(noise(random, 4)), Image.fromarray(noise(random, 4))
    yield "webp/animated", saved(
        first, "WEBP", save_all=True, append_images=[second], lossless=True
    )
    whole = saved(picture, "WEBP", quality=70)
    yield "webp/refused_half", whole[: len(whole) // 2]
    yield "webp/refused_header", whole[:20]
