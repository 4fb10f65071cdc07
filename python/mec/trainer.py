"""Training in the caller's loop."""
from __future__ import annotations

import ctypes as c
import os
from typing import Any, Callable, Dict, Optional, Sequence, Union

import numpy as np

from .arrays import as_images
from .encoder import Encoder
from .library import NOTE, Device, Figures, Handle, Images, TrainerInfo, TrainerOptions, as_int, as_path, as_text, call
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
        self._tell = note
        self._raised: Optional[BaseException] = None  # by note
        self._note = NOTE(self._on_note)  # kept as long as the library may call it
        options = TrainerOptions(c.sizeof(TrainerOptions), as_int(images, "images", 64), as_int(channels, "channels", 64),
                                 None if folder is None else as_path(folder, "folder"), bool(resume),
                                 None if checkpoint is None else as_path(checkpoint, "checkpoint"), self._note, None)
        handle = c.c_void_p()
        self._call("mec_trainer_open", as_text(to_text(settings), "settings"), options, device.struct(), handle)
        self._handle = handle.value
        info = self._info()
        self.batch: int = info.batch
        self.views: int = info.views
        self.steps: int = info.steps
        self.steps_per_epoch: int = info.steps_per_epoch

    def _on_note(self, line: bytes, _: Any) -> None:
        try:
            if self._tell:
                self._tell(line.decode(errors="replace"))
        except BaseException as error:  # no exception passes through C
            self._raised = error

    def _call(self, name: str, *arguments: Any) -> None:
        """The call, and then what the caller's note raised in it."""
        try:
            call(name, *arguments)
        finally:
            raised, self._raised = self._raised, None
            if raised is not None:
                raise raised

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
        self._call("mec_trainer_step", self._handle, struct, figures)
        return figures.as_dict()

    def step_views(self, views: Sequence[Any]) -> Dict[str, float]:
        """One step on views that the caller made: each (batch,size,size,C), float32, normalised."""
        pairs = [as_images(view, (np.float32,)) for view in views]  # the arrays outlive the call
        structs = (Images * len(pairs))(*(struct for _, struct in pairs))
        figures = Figures()
        self._call("mec_trainer_step_views", self._handle, structs, len(pairs), figures)
        return figures.as_dict()

    def encoder(self) -> Encoder:
        """A copy of the encoder as it is now."""
        handle = c.c_void_p()
        call("mec_trainer_encoder", self._handle, handle)
        return Encoder(handle.value)

    def save_encoder(self, file: Path) -> None:
        """Its weights, safetensors under torchvision's names."""
        self._call("mec_trainer_save_encoder", self._handle, as_path(file, "file"))

    def save_checkpoint(self, file: Path) -> None:
        """All that training changes: a run that goes on from it ends with the same bits."""
        self._call("mec_trainer_save_checkpoint", self._handle, as_path(file, "file"))

    def finish(self) -> None:
        """Ends training, and writes the last files of the folder."""
        self._call("mec_trainer_finish", self._handle)
