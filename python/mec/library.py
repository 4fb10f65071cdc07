"""mec.h for ctypes: the library, its structs, and calls that raise."""
from __future__ import annotations

import ctypes as c
import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, TypeVar, Union

from .errors import BY_STATUS, Error, InputError

ABI = 1  # MEC_ABI of the header that these structs are written from
U8, F32, F64 = 0, 1, 2


class DeviceStruct(c.Structure):
    _fields_ = [("size", c.c_size_t), ("name", c.c_char_p), ("kernels", c.c_char_p), ("threads", c.c_int32),
                ("gpu", c.c_int32), ("tf32", c.c_int32), ("reserved", c.c_int32)]


class Images(c.Structure):
    _fields_ = [("pixels", c.c_void_p), ("dtype", c.c_int), ("count", c.c_int64), ("height", c.c_int64),
                ("width", c.c_int64), ("channels", c.c_int64)]


class Figures(c.Structure):
    _fields_ = [("count", c.c_int64), ("names", c.POINTER(c.c_char_p)), ("values", c.POINTER(c.c_double))]

    def as_dict(self) -> Dict[str, float]:
        return {self.names[i].decode(): self.values[i] for i in range(self.count)}


class Embeddings(c.Structure):
    _fields_ = [("size", c.c_size_t), ("dtype", c.c_int), ("m", c.c_int64), ("d", c.c_int64), ("p", c.c_void_p),
                ("z", c.c_void_p), ("queue", c.c_void_p), ("queue_rows", c.c_int64), ("dp", c.c_void_p), ("dz", c.c_void_p)]


class EncoderInfo(c.Structure):
    _fields_ = [("size", c.c_size_t), ("channels", c.c_int64), ("image_size", c.c_int64), ("features", c.c_int64),
                ("mean", c.c_double * 3), ("std", c.c_double * 3)]


NOTE = c.CFUNCTYPE(None, c.c_char_p, c.c_void_p)


class TrainerOptions(c.Structure):
    _fields_ = [("size", c.c_size_t), ("images", c.c_int64), ("channels", c.c_int64), ("folder", c.c_char_p),
                ("resume", c.c_int32), ("checkpoint", c.c_char_p), ("note", NOTE), ("context", c.c_void_p)]


class TrainerInfo(c.Structure):
    _fields_ = [("size", c.c_size_t), ("batch", c.c_int64), ("views", c.c_int64), ("steps", c.c_int64),
                ("steps_per_epoch", c.c_int64), ("steps_done", c.c_int64)]


HANDLE, TEXT, ADDRESS, NUMBER = c.c_void_p, c.c_char_p, c.c_void_p, c.c_int64
CALLS = {
    "mec_encoder_open": [TEXT, c.POINTER(DeviceStruct), c.POINTER(HANDLE)],
    "mec_encoder_describe": [HANDLE, c.POINTER(EncoderInfo)],
    "mec_encoder_embed": [HANDLE, c.POINTER(Images), ADDRESS],
    "mec_encoder_free": [HANDLE],
    "mec_objective_open": [TEXT, c.POINTER(DeviceStruct), c.POINTER(HANDLE)],
    "mec_objective_evaluate": [HANDLE, c.POINTER(Embeddings), c.POINTER(Figures)],
    "mec_objective_free": [HANDLE],
    "mec_trainer_open": [TEXT, c.POINTER(TrainerOptions), c.POINTER(DeviceStruct), c.POINTER(HANDLE)],
    "mec_trainer_describe": [HANDLE, c.POINTER(TrainerInfo)],
    "mec_trainer_next": [HANDLE, ADDRESS],
    "mec_trainer_step": [HANDLE, c.POINTER(Images), c.POINTER(Figures)],
    "mec_trainer_step_views": [HANDLE, c.POINTER(Images), NUMBER, c.POINTER(Figures)],
    "mec_trainer_encoder": [HANDLE, c.POINTER(HANDLE)],
    "mec_trainer_save_encoder": [HANDLE, TEXT],
    "mec_trainer_save_checkpoint": [HANDLE, TEXT],
    "mec_trainer_finish": [HANDLE],
    "mec_trainer_free": [HANDLE],
}


def _open_library() -> c.CDLL:
    """The library in this package (a wheel has it there), or the one that the system finds."""
    name = f"libmec.so.{ABI}"
    beside = Path(__file__).with_name(name)
    try:
        library = c.CDLL(str(beside) if beside.exists() else name)
    except OSError as error:
        raise ImportError(f"mec: {name} cannot be loaded ({error}); install mec, or set LD_LIBRARY_PATH to where it is") from None
    for call, arguments in CALLS.items():
        getattr(library, call).argtypes = arguments
        getattr(library, call).restype = c.c_int
    library.mec_last_error.restype = library.mec_version.restype = c.c_char_p
    return library


_library = _open_library()


def version() -> str:
    """Of the library."""
    return _library.mec_version().decode()


def call(name: str, *arguments: Any) -> None:
    """Calls the library; raises what the status stands for, with the library's message."""
    status = getattr(_library, name)(*arguments)
    if status:
        raise BY_STATUS.get(status, Error)(_library.mec_last_error().decode(errors="replace"))


def as_text(value: Union[str, bytes], what: str) -> bytes:
    """For C, which would read a text up to its first NUL."""
    text = value.encode() if isinstance(value, str) else value
    if b"\0" in text:
        raise InputError(f"{what}: a text has no NUL, but is {value!r}")
    return text


def as_path(value: Union[str, "os.PathLike[str]"], what: str) -> bytes:
    return as_text(os.fsencode(value), what)


def as_int(value: Any, what: str, bits: int) -> int:
    """For C, where ctypes would drop the upper bits without a word."""
    number = operator.index(value)
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise InputError(f"{what}: {number} is no number of {bits} bits")
    return number


@dataclass(frozen=True)
class Device:
    """Where something computes: name is "cpu", "cuda" or "reference"; threads 0: one for each processor."""
    name: str = "cpu"
    threads: int = 0
    kernels: str = "auto"
    gpu: int = 0
    tf32: bool = False

    def struct(self) -> DeviceStruct:
        return DeviceStruct(c.sizeof(DeviceStruct), as_text(self.name, "name"), as_text(self.kernels, "kernels"),
                            as_int(self.threads, "threads", 32), as_int(self.gpu, "gpu", 32), bool(self.tf32))


Self = TypeVar("Self", bound="Handle")


class Handle:
    """What the library opened; freed with the object, or by close() and at the end of a `with`."""
    _free = ""

    def __init__(self, value: Optional[int]) -> None:
        self._handle = value

    def close(self) -> None:
        """Frees it; later calls raise HandleError. May be called again."""
        handle, self._handle = self._handle, None
        if handle:
            call(self._free, handle)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library[self._free](c.c_void_p(self._handle))
