"""What goes wrong: one class for each status of mec.h. The text says which call, which rule, both values, and what to do."""


class Error(RuntimeError):
    """Base of all errors of mec."""


class HandleError(Error):
    """An encoder, objective or trainer that was closed."""


class ShapeError(Error, ValueError):
    """Sizes that do not fit together."""


class DtypeError(Error, TypeError):
    """An element type that the call does not take."""


class InputError(Error, ValueError):
    """An argument or setting out of range, or a setting that is not known."""


class FileError(Error, OSError):
    """A file that is missing, damaged, or cannot be written."""


class NumericalError(Error, ArithmeticError):
    """A result that is not finite, or a series that does not converge."""


class OutOfMemory(Error, MemoryError):
    """Too little memory."""


class DeviceError(Error):
    """A device that is not there, or that refuses work."""


BY_STATUS: "dict[int, type[Error]]" = {1: HandleError, 2: ShapeError, 3: DtypeError, 4: InputError, 5: FileError,
                                       6: NumericalError, 7: OutOfMemory, 8: DeviceError}
