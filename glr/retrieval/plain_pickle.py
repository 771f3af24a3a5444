"""Pickles of plain values and NumPy arrays of numbers, read without executing anything that they ask for."""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from glr.errors import GlrError


class _Recorded:
    """Stands in for an object of NumPy: keeps what the pickle makes it of, and does nothing.

    NumPy itself must not see it: an array whose pickle lies about its type can point to any place in memory.
    """

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        self.state: Any = None

    # Every stand-in has this, so that the pickle cannot set attributes of an object or, worse, of the class.
    def __setstate__(self, state: object) -> None:
        self.state = state


class _Type(_Recorded):
    """`numpy.dtype`."""

    def dtype(self) -> np.dtype:
        """The type, one of plain numbers.

        Raises:
            ValueError: it is another.
        """
        code, order = self.arguments[0], self.state[1] if self.state else "="
        if not re.fullmatch(r"[iu][1248]|f[248]", str(code)) or order not in ("<", ">", "=", "|"):
            raise ValueError(f"an array of {code}, not of numbers")
        return np.dtype(f"{order}{code}")


class _Array(_Recorded):
    """`numpy.ndarray`, which is made empty; its state is (version, shape, type, in Fortran's order, bytes)."""

    def numbers(self) -> list[int | float]:
        """The values of an array of one axis; one of a single row counts as such."""
        _, shape, kind, _, data = self.state
        dtype = kind.dtype()
        values = np.frombuffer(_bytes(data), dtype)
        if values.size != np.prod(shape) or values.size not in (0, max(shape, default=1)):
            raise ValueError(f"an array of shape {shape}")
        return values.tolist()


class _Scalar(_Recorded):
    """A number of NumPy, made of type and bytes."""

    def number(self) -> int | float:
        """Its value."""
        kind, data = self.arguments
        return np.frombuffer(_bytes(data), kind.dtype()).item()


class _NoBytes(_Recorded):
    """`bytes`, which is asked for where there are none; of a number it would fill the memory."""


# All that may be asked for. Python 3 writes bytes for Python 2 as a string to encode, or, without any, as bytes().
_ALLOWED: dict[tuple[str, str], object] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Recorded,
    ("_codecs", "encode"): str.encode,  # unlike codecs.encode, it knows encodings of text only
    ("__builtin__", "bytes"): _NoBytes,
    ("builtins", "bytes"): _NoBytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise GlrError(f"asks for {module}.{name}, which plain values do not need")
        return _ALLOWED[module, name]


def read_pickle(data: bytes, name: str) -> Any:
    """The content of a pickle, of Python 2 or 3; arrays in it are to be read with `numbers`.

    Args:
        data: the pickle.
        name: of the file, for messages.

    Raises:
        GlrError: it is damaged, or asks for anything but plain values and NumPy's arrays and numbers.
    """
    try:
        _check_memo(data)
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except GlrError as refused:
        raise GlrError(f"{name}: the pickle {refused}; do not trust this file") from refused
    except Exception as error:  # a damaged pickle can raise almost any
        reason = str(error) or type(error).__name__
        raise GlrError(f"{name}: cannot be read as a pickle ({reason}); it is damaged, or no pickle at all") from error


def numbers(value: object, where: str) -> list[int | float]:
    """The numbers of a list, a tuple or an array that `read_pickle` gave.

    Raises:
        GlrError: it is something else, or not all are numbers.
    """
    try:
        if isinstance(value, _Array):
            return value.numbers()
        if isinstance(value, list | tuple):
            return [_number(each) for each in value]
    except Exception as error:  # the state of a stand-in is whatever the file says
        raise GlrError(f"{where}: cannot be read as numbers ({error})") from error
    raise GlrError(f"{where}: expected a list or an array of numbers")


def _check_memo(data: bytes) -> None:
    """Refuse high numbers of remembered objects: the unpickler makes room for all below, be it the whole memory."""
    for operation, number, _ in pickletools.genops(data):
        if "PUT" in operation.name and isinstance(number, int) and number > len(data):
            raise ValueError(f"it remembers an object as number {number:,}")


def _number(value: object) -> int | float:
    if isinstance(value, _Scalar):
        return value.number()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value


def _bytes(data: object) -> bytes:
    """Python 2 wrote bytes as a string, which is read as Latin-1."""
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, _NoBytes) and not data.arguments:
        return b""
    if not isinstance(data, bytes):
        raise ValueError(f"{type(data).__name__} in the place of bytes")
    return data
