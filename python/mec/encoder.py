"""Encoders: from images to features."""
from __future__ import annotations

import ctypes as c
import os
from typing import Any, Tuple, Union

import numpy as np

from .arrays import as_images
from .library import Device, EncoderInfo, Handle, as_path, call


class Encoder(Handle):
    """An encoder in the library. Any thread may use it; calls wait for each other.

    channels, image_size: of the images that it sees; features: the width d of a feature vector; mean, std: of each
    channel, of pixels in [0, 1].
    """
    _free = "mec_encoder_free"

    def __init__(self, handle: int) -> None:
        super().__init__(handle)
        info = EncoderInfo(size=c.sizeof(EncoderInfo))
        call("mec_encoder_describe", handle, info)
        self.channels: int = info.channels
        self.image_size: int = info.image_size
        self.features: int = info.features
        self.mean: Tuple[float, ...] = tuple(info.mean[:info.channels])
        self.std: Tuple[float, ...] = tuple(info.std[:info.channels])

    def embed(self, images: Any) -> np.ndarray:
        """Features (N,d), float32, of images (N,H,W,C): those that `mec embed` writes, to the bit.

        uint8 are pixels as files have them: they are resized and cut where they are not image_size on a side, and
        normalised. float32 are normalised already, and taken as they are.
        """
        array, struct = as_images(images, (np.uint8, np.float32))
        features = np.empty((len(array), self.features), np.float32)
        call("mec_encoder_embed", self._handle, struct, features.ctypes.data)
        return features


def load(source: Union[str, "os.PathLike[str]"], device: Device = Device()) -> Encoder:
    """The encoder of a run's folder, or of a weights file (.safetensors) as mec writes them."""
    handle = c.c_void_p()
    call("mec_encoder_open", as_path(source, "source"), device.struct(), handle)
    return Encoder(handle.value)
