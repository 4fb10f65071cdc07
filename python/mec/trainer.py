"""Training in the caller's loop."""
from __future__ import annotations

import ctypes as c
import os
from typing import Any, Callable, Dict, Optional, Sequence, Union

import numpy as np

from .arrays import as_images
from .encoder import Encoder
from .library import NOTE, Device, Figures, Handle, Images, TrainerInfo, TrainerOptions, call
from .settings import Settings, to_text

Path = Union[str, "os.PathLike[str]"]


class Trainer(Handle):
    """A run whose batches come from memory.

    settings: TOML text, a pathlib.Path to a file, or nested dictionaries; data.mean and data.std must be there.
    images: in the data set, or so many as make an epoch; 0: each step is an epoch. folder: the run's, with the files
    that `mec pretrain` writes; resume: goes on with the run there. checkpoint: a file or a run's folder to go on from,
    without a folder. note: is told what a user should know, a line at a time.

    batch: images of a step; views, steps, steps_per_epoch.
    """
    _free = "mec_trainer_free"

    def __init__(self, settings: Settings, images: int = 0, channels: int = 3, folder: Optional[Path] = None,
                 resume: bool = False, checkpoint: Optional[Path] = None, note: Optional[Callable[[str], None]] = None,
                 device: Device = Device()) -> None:
        super().__init__(None)
        self._note = NOTE(lambda line, _: note(line.decode()) if note else None)  # kept as long as the library may call it
        options = TrainerOptions(c.sizeof(TrainerOptions), images, channels, folder and os.fsencode(folder), resume,
                                 checkpoint and os.fsencode(checkpoint), self._note, None)
        handle = c.c_void_p()
        call("mec_trainer_open", to_text(settings), options, device.struct(), handle)
        self._handle = handle.value
        info = self._info()
        self.batch: int = info.batch
        self.views: int = info.views
        self.steps: int = info.steps
        self.steps_per_epoch: int = info.steps_per_epoch

    def _info(self) -> TrainerInfo:
        info = TrainerInfo(size=c.sizeof(TrainerInfo))
        call("mec_trainer_describe", self._handle, info)
        return info

    @property
    def steps_done(self) -> int:
        return self._info().steps_done

    def next(self) -> np.ndarray:
        """(batch) int64: which images of the data set the next step takes, as `mec pretrain` would."""
        numbers = np.empty(self.batch, np.int64)
        call("mec_trainer_next", self._handle, numbers.ctypes.data)
        return numbers

    def step(self, images: Any) -> Dict[str, float]:
        """One step on images (batch,H,W,C), uint8. The step's figures: "loss", what the method measures, "lr", …"""
        _array, struct = as_images(images, (np.uint8, np.float32))  # the library says what it takes
        figures = Figures()
        call("mec_trainer_step", self._handle, struct, figures)
        return figures.as_dict()

    def step_views(self, views: Sequence[Any]) -> Dict[str, float]:
        """One step on views that the caller made: each (batch,size,size,C), float32, normalised."""
        pairs = [as_images(view, (np.float32,)) for view in views]  # the arrays outlive the call
        structs = (Images * len(pairs))(*(struct for _, struct in pairs))
        figures = Figures()
        call("mec_trainer_step_views", self._handle, structs, len(pairs), figures)
        return figures.as_dict()

    def encoder(self) -> Encoder:
        """A copy of the encoder as it is now."""
        handle = c.c_void_p()
        call("mec_trainer_encoder", self._handle, handle)
        return Encoder(handle.value)

    def save_encoder(self, file: Path) -> None:
        """Its weights, safetensors under torchvision's names."""
        call("mec_trainer_save_encoder", self._handle, os.fsencode(file))

    def save_checkpoint(self, file: Path) -> None:
        """All that training changes: a run that goes on from it ends with the same bits."""
        call("mec_trainer_save_checkpoint", self._handle, os.fsencode(file))

    def finish(self) -> None:
        """Ends training, and writes the last files of the folder."""
        call("mec_trainer_finish", self._handle)
