"""Losses of embeddings, with their gradients."""
from __future__ import annotations

import ctypes as c
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Dict, Mapping, Optional

import numpy as np

from .arrays import CODES, as_array
from .errors import ShapeError
from .library import Device, Embeddings, Figures, Handle, as_text, call
from .settings import to_text


@dataclass(frozen=True)
class Loss:
    """value: the loss; figures: it and what the method measures, by name; dp, dz (m,d): its gradients."""
    value: float
    figures: Dict[str, float]
    dp: Optional[np.ndarray]
    dz: Optional[np.ndarray]


@dataclass(frozen=True)
class Coding:
    """value: the coding length in nats; loss: that of MEC; spectral_norm: of the matrix of the series, which converges
    where it is below 1; dp, dz (m,d): the gradients of value."""
    value: float
    loss: float
    spectral_norm: float
    dp: Optional[np.ndarray]
    dz: Optional[np.ndarray]


class Objective(Handle):
    """The loss of a method, for pairs of embeddings of any size. Its settings are those of its section in a settings file."""
    _free = "mec_objective_free"

    def __init__(self, method: str = "mec", device: Device = Device(), **settings: Any) -> None:
        super().__init__(None)
        self._open(_text(method, settings), device)

    def _open(self, text: bytes, device: Device) -> None:
        handle = c.c_void_p()
        call("mec_objective_open", text, device.struct(), handle)
        self._handle = handle.value

    @classmethod
    def _of(cls, text: bytes, device: Device) -> "Objective":
        objective = cls.__new__(cls)
        Handle.__init__(objective, None)
        objective._open(text, device)
        return objective

    def __call__(self, p: Any, z: Any, queue: Any = None, gradients: bool = True) -> Loss:
        """p, z (m,d), float32 or float64: two views' embeddings, or a student's and its teacher's; queue (L,d): keys of
        earlier batches, for moco-v2 alone. Computed in the type of p."""
        p = as_array(p, "p (m,d)", (np.float32, np.float64), 2)
        z = as_array(z, "z (m,d)", (p.dtype,), 2)
        if p.shape != z.shape:
            raise ShapeError(f"p is {p.shape} and z is {z.shape}, but both must be (m,d)")
        keys = None if queue is None else as_array(queue, "queue (L,d)", (p.dtype,), 2)
        if keys is not None and keys.shape[1] != p.shape[1]:
            raise ShapeError(f"queue is {keys.shape}, but must be (L,{p.shape[1]}) like the embeddings")
        dp, dz = (np.empty_like(p), np.empty_like(p)) if gradients else (None, None)
        figures = Figures()
        embeddings = Embeddings(c.sizeof(Embeddings), CODES[p.dtype], *p.shape, _address(p), _address(z), _address(keys),
                                0 if keys is None else len(keys), _address(dp), _address(dz))
        call("mec_objective_evaluate", self._handle, embeddings, figures)
        named = figures.as_dict()
        return Loss(named["loss"], named, dp, dz)


def _text(method: str, settings: Mapping[str, Any]) -> bytes:
    return as_text(to_text({"method": method, method: settings}), "settings")


def _address(array: Optional[np.ndarray]) -> Optional[int]:
    return None if array is None else array.ctypes.data


@lru_cache(maxsize=16)
def _objective(text: bytes, device: Device) -> Objective:
    return Objective._of(text, device)


if hasattr(os, "register_at_fork"):  # handles do not survive it
    os.register_at_fork(after_in_child=_objective.cache_clear)


def loss(method: str, p: Any, z: Any, queue: Any = None, gradients: bool = True, device: Device = Device(),
         **settings: Any) -> Loss:
    """The method's loss of one pair, as Objective(method, device, **settings)(p, z), which is kept for further calls."""
    return _objective(_text(method, settings), device)(p, z, queue, gradients)


def coding_length(p: Any, z: Any, eps2: float = 64, order: int = 4, exact: bool = False, gradients: bool = True,
                  device: Device = Device()) -> Coding:
    """The coding length of a pair (m,d), in nats, by the series of `order` terms or exactly (log det), and its gradients.
    Warns (RuntimeWarning) where the series does not converge: more terms then make it worse."""
    p = as_array(p, "p (m,d)", (np.float32, np.float64), 2)
    pair = loss("mec", p, z, None, gradients, device, eps2=float(eps2), order=order, exact=exact, on_divergence="warn")
    norm = pair.figures["spectral_norm"]
    if norm >= 1 and not exact and order > 1:
        warnings.warn(f"mec.coding_length: the series does not converge, its matrix has norm {norm:.6g} >= 1; raise eps2 above "
                      f"{eps2 * norm:.6g}, or set exact=True", RuntimeWarning, stacklevel=2)
    m, d = p.shape
    slope = -(m + d) / 2 * d / eps2  # coding length over loss: docs/mec.md
    scaled = [None if g is None else g * g.dtype.type(slope) for g in (pair.dp, pair.dz)]
    return Coding(pair.figures["coding_length"], pair.value, norm, *scaled)
