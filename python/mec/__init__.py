"""Encoders of images that are trained without labels, their losses, and their training, from Python.

    features = mec.load("run").embed(images)                  # uint8 (N,H,W,C) -> float32 (N,d)
    coding = mec.coding_length(p, z, eps2=64)                 # .value, and .dp, .dz: its gradients
    loss = mec.loss("vicreg", p, z, variance=25)              # the same of any method
    figures = mec.Trainer(settings).step(batch)               # one step, in your own loop

Arrays are NumPy's, or anything with the buffer protocol or DLPack, as PyTorch's tensors on the CPU; where
they are dense they are not copied. All work is done by libmec, without Python's lock.
"""
from .encoder import Encoder, load
from .errors import DeviceError, DtypeError, Error, FileError, HandleError, InputError, NumericalError, OutOfMemory, ShapeError
from .library import Device, version
from .objective import Coding, Loss, Objective, coding_length, loss
from .trainer import Trainer

__version__ = version()
__all__ = ["Coding", "Device", "DeviceError", "DtypeError", "Encoder", "Error", "FileError", "HandleError", "InputError",
           "Loss", "NumericalError", "Objective", "OutOfMemory", "ShapeError", "Trainer", "coding_length", "load", "loss",
           "version"]
