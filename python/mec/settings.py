"""Settings as the TOML text that the library reads."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Union

from .errors import InputError

Settings = Union[str, Path, Mapping[str, Any]]


def _value(value: Any) -> str:
    if hasattr(value, "tolist"):  # of NumPy: numbers and arrays
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(ch):04X}" if ord(ch) < 0x20 or ord(ch) == 0x7F else "\\" + ch if ch in '"\\' else ch
                          for ch in value)
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, (int, float)):
        return repr(value)
    raise InputError(f"settings: {value!r} is a {type(value).__name__}, but values are texts, numbers, bools and lists of these")


def _lines(settings: Mapping[str, Any], prefix: str = "") -> "list[str]":
    lines = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        lines += _lines(value, name + ".") if isinstance(value, Mapping) else [f"{name} = {_value(value)}"]
    return lines


def to_text(settings: Settings) -> bytes:
    """TOML as it is, of a file, or of nested dictionaries: {"train": {"lr": 0.1}}."""
    if isinstance(settings, Path):
        return settings.read_bytes()
    return (settings if isinstance(settings, str) else "\n".join(_lines(settings))).encode()
