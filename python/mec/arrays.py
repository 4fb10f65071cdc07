"""Arrays of others as NumPy's, without a copy where they are dense, and in the types that the library takes."""
from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from . import library
from .errors import DtypeError, ShapeError

CODES = {np.dtype(np.uint8): library.U8, np.dtype(np.float32): library.F32, np.dtype(np.float64): library.F64}


def as_array(values: Any, what: str, dtypes: Sequence[type], ndim: int) -> np.ndarray:
    """A dense array of one of the types. By DLPack or the buffer protocol; copied only where rows have gaps."""
    if not isinstance(values, np.ndarray):
        try:
            values = np.from_dlpack(values) if hasattr(values, "__dlpack__") else np.asarray(memoryview(values))
        except Exception as error:  # of whoever made the array: a tensor on a GPU, one that wants its gradient
            raise DtypeError(f"{what}: a {type(values).__name__} gives no array of the CPU ({error})") from error
    if values.dtype not in [np.dtype(dtype) for dtype in dtypes]:
        names = " or ".join(np.dtype(dtype).name for dtype in dtypes)
        raise DtypeError(f"{what}: elements are {names}, but are {values.dtype}")
    if values.ndim != ndim:
        raise ShapeError(f"{what}: the array has {ndim} dimensions, but has the shape {values.shape}")
    return np.ascontiguousarray(values)


def as_images(values: Any, dtypes: Sequence[type]) -> "tuple[np.ndarray, library.Images]":
    """(N,H,W,C), and the struct that points to it. The array must outlive the call."""
    array = as_array(values, "images (N,H,W,C)", dtypes, 4)
    return array, library.Images(array.ctypes.data, CODES[array.dtype], *array.shape)
