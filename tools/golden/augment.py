"""Each augmentation with given parameters, and whole chains of them, by torchvision.transforms.v2.functional.

Single operations run on u8 tensors, as a user would run them, and so include torchvision's own rounding. A chain runs
on a float image and is rounded once, at its end: rounding after each operation would add up to more than the one
gray level that the test allows. The official recipe runs on PIL images: all operations agree with these to one gray
level but hue (8 bits of it) and blur (three box filters), which PIL does more coarsely: up to 13 and 11 levels apart
on images like these.
"""
import math

import numpy as np
import torch
from torchvision.transforms.v2 import functional as tv

IMAGES = {"gray": (28, 28, 1), "square": (32, 32, 3), "photo": (50, 37, 3)}  # (H,W,C)
JITTER = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


def photograph(rng, shape):
    """Smooth shading, edges and a little noise, the full range of values included."""
    height, width, channels = shape
    y, x = np.mgrid[0:height, 0:width]
    image = np.zeros(shape)
    for channel in range(channels):
        for _ in range(4):
            fx, fy, phase = rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), rng.uniform(0, 2 * math.pi)
            image[:, :, channel] += np.sin(fx * x + fy * y + phase)
    edge = (y - height * rng.uniform(0.3, 0.7)) * rng.normal() + (x - width * rng.uniform(0.3, 0.7)) * rng.normal() > 0
    image += edge[:, :, None] * rng.normal(size=channels) + 0.15 * rng.normal(size=shape)
    low, high = np.quantile(image, (0.02, 0.98))
    return np.clip(255 * (image - low) / (high - low), 0, 255).round().astype(np.uint8)


def draw_crop(rng, shape):
    height, width = (int(rng.integers(side // 2, side + 1)) for side in shape[:2])
    return {"top": int(rng.integers(0, shape[0] - height + 1)), "left": int(rng.integers(0, shape[1] - width + 1)),
            "height": height, "width": width}


def draw_blur(rng, side):
    """σ exact in f32, and an odd kernel that reaches ±3σ and no farther than reflection allows."""
    sigma = float(np.float32(rng.uniform(0.4, 2)))
    return {"sigma": sigma, "kernel": 2 * min(math.ceil(3 * sigma), side - 1) + 1}


def crop(image, size, top, left, height, width):
    return tv.resized_crop(image, top, left, height, width, list(size), antialias=True)


def blur(image, sigma, kernel):
    return tv.gaussian_blur(image, [kernel, kernel], [sigma, sigma])


def gray(image):
    return tv.rgb_to_grayscale(image, num_output_channels=image.shape[0])


def single_operations(rng, shape):
    """(name, parameters, function of a (C,H,W) image) of each."""
    factors = {name: {"factor": float(np.float32(rng.uniform(0.6, 1.4)))}
               for name in ("brightness", "contrast", "saturation")}
    box = draw_crop(rng, shape)
    for name, (height, width) in (("crop_down", (int(rng.integers(8, 15)), int(rng.integers(8, 15)))),
                                  ("crop_up", (int(rng.integers(45, 70)), int(rng.integers(45, 70))))):
        yield name, {**box, "to_height": height, "to_width": width}, lambda i, s=(height, width): crop(i, s, **box)
    for (name, parameters), function in zip(factors.items(), JITTER):
        yield name, parameters, lambda i, f=function, p=parameters: f(i, p["factor"])
    for name, sign in (("hue_forward", 1), ("hue_backward", -1)):  # some hues pass the circle's end
        shift = float(np.float32(sign * rng.uniform(0.25, 0.5)))
        yield name, {"shift": shift}, lambda i, s=shift: tv.adjust_hue(i, s)
    yield "grayscale", {}, gray
    parameters = draw_blur(rng, min(shape[:2]))
    yield "blur", parameters, lambda i: blur(i, **parameters)
    threshold = int(rng.integers(60, 200))
    yield "solarize", {"threshold": threshold}, lambda i: tv.solarize(i, threshold)
    yield "flip", {}, tv.horizontal_flip


def chain(rng, image, to_gray):
    """(result, parameters): crop, jitter in some order, gray, blur, solarise, flip, as in the official recipe."""
    size = int(rng.integers(16, 33))
    box, order = draw_crop(rng, image.shape[1:]), rng.permutation(4)
    strength = (0.4, 0.4, 0.2, 0.1)
    jitter = [float(np.float32(rng.uniform(-s, s) + (i < 3))) for i, s in enumerate(strength)]
    smooth = draw_blur(rng, size)
    x = crop(image.to(torch.float32) / 255, (size, size), **box)
    for which in order:
        x = JITTER[which](x, jitter[which])
    x = gray(x) if to_gray else x
    x = tv.horizontal_flip(tv.solarize(blur(x, **smooth), 128 / 255))
    parameters = {**box, **smooth, "size": size, "gray": int(to_gray), "threshold": 128}
    parameters.update({f"order{i}": which for i, which in enumerate(order)})
    parameters.update({f"jitter{i}": value for i, value in enumerate(jitter)})
    return (255 * x).round().clamp(0, 255).to(torch.uint8), parameters


def make(golden):
    rng = golden.random()
    golden.parameter(layout="(H,W,C) u8", operations="torchvision.transforms.v2.functional")

    def add(name, picture, result, parameters):
        golden.given(f"{name}.{picture}", result.permute(1, 2, 0).contiguous())
        golden.parameter(**{f"{name}.{picture}.{key}": repr(value) if isinstance(value, float) else value
                            for key, value in parameters.items()})

    for picture, shape in IMAGES.items():
        pixels = photograph(rng, shape)
        golden.given(f"image.{picture}", pixels)
        image = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
        for name, parameters, function in single_operations(rng, shape):
            add(name, picture, function(image), parameters)
        for name, to_gray in (("chain", False), ("chain_gray", True)):
            add(name, picture, *chain(rng, image, to_gray))


CASES = {"augment": make}
