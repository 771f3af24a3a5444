"""Pickles of plain values and NumPy arrays of numbers, read without executing anything that they ask for."""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from glr.errors import GlrError


class _Recorded:
    """Stands in for an object of NumPy: only records the arguments and the state that the pickle gives the object.

    NumPy itself must not load the object: an array whose pickle lies about its type can point to any place in memory.
    """

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        self.state: Any = None

    # Without this method the pickle could set attributes of an object or, worse, of the class.
    def __setstate__(self, state: object) -> None:
        self.state = state


class _Type(_Recorded):
    """Stands in for `numpy.dtype`."""

    def dtype(self) -> np.dtype:
        """Return the type, which must be numeric.

        Raises:
            ValueError: the type is not numeric.
        """
        code, order = self.arguments[0], self.state[1] if self.state else "="
        if not re.fullmatch(r"[iu][1248]|f[248]", str(code)) or order not in ("<", ">", "=", "|"):
            raise ValueError(f"an array of {code}, not of numbers")
        return np.dtype(f"{order}{code}")


class _Array(_Recorded):
    """Stands in for `numpy.ndarray`, created empty; its state is (version, shape, type, in Fortran's order, bytes)."""

    def numbers(self) -> list[int | float]:
        """Return the values of an array of one axis, or of a single row or column."""
        _, shape, kind, _, data = self.state
        return _values(data, kind, shape)


class _BufferedArray(_Recorded):
    """Stands in for `numpy.ndarray` as of protocol 5, made by one call with (bytes, type, shape, order)."""

    def numbers(self) -> list[int | float]:
        """Return the values of an array of one axis, or of a single row or column."""
        data, kind, shape, *_ = self.arguments
        return _values(data, kind, shape)


class _Scalar(_Recorded):
    """Stands in for a number of NumPy, built from type and bytes."""

    def number(self) -> int | float:
        """Return the number's value."""
        kind, data = self.arguments
        return np.frombuffer(_bytes(data), kind.dtype()).item()


class _NoBytes(_Recorded):
    """Stands in for `bytes()`, which gives empty bytes; the real `bytes` of a large number could fill the memory."""


# All that a pickle may ask for. For Python 2, Python 3 writes bytes as a string to encode, empty bytes as bytes().
_ALLOWED: dict[tuple[str, str], object] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Recorded,
    ("_codecs", "encode"): str.encode,  # unlike codecs.encode, it knows encodings of text only
    ("__builtin__", "bytes"): _NoBytes,
    ("builtins", "bytes"): _NoBytes,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _BufferedArray for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise GlrError(f"asks for {module}.{name}, which plain values do not need")
        return _ALLOWED[module, name]


def read_pickle(data: bytes, name: str) -> Any:
    """Return the content of a pickle of Python 2 or 3; `numbers` reads the arrays in it.

    Args:
        data: the pickle.
        name: the file's name, for messages.

    Raises:
        GlrError: the pickle is damaged, or asks for anything but plain values and NumPy's arrays and numbers.
    """
    try:
        _check_memo(data)
        return _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except GlrError as refused:
        raise GlrError(f"{name}: the pickle {refused}; do not trust this file") from refused
    except Exception as error:  # a damaged pickle can raise almost any exception
        reason = str(error) or type(error).__name__
        raise GlrError(f"{name}: cannot be read as a pickle ({reason}); it is damaged, or no pickle at all") from error


def numbers(value: object, where: str) -> list[int | float]:
    """Return the numbers of a list, a tuple or an array in the result of `read_pickle`.

    Raises:
        GlrError: the value is something else, or not all are numbers.
    """
    try:
        if isinstance(value, _Array | _BufferedArray):
            return value.numbers()
        if isinstance(value, list | tuple):
            return [_number(each) for each in value]
    except Exception as error:  # the state of a stand-in is whatever the file says
        raise GlrError(f"{where}: cannot be read as numbers ({error})") from error
    raise GlrError(f"{where}: expected a list or an array of numbers")


def _check_memo(data: bytes) -> None:
    """Refuse high memo indices: the unpickler allocates room for all lower ones, which can fill the memory."""
    for operation, number, _ in pickletools.genops(data):
        if "PUT" in operation.name and isinstance(number, int) and number > len(data):
            raise ValueError(f"it remembers an object as number {number:,}")


def _values(data: object, kind: _Type, shape: tuple[int, ...]) -> list[int | float]:
    dtype = kind.dtype()  # an array of objects holds a list in place of bytes
    values = np.frombuffer(_bytes(data), dtype)
    if values.size != np.prod(shape) or values.size not in (0, max(shape, default=1)):
        raise ValueError(f"an array of shape {shape}")
    return values.tolist()


def _number(value: object) -> int | float:
    if isinstance(value, _Scalar):
        return value.number()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    return value


def _bytes(data: object) -> bytes | bytearray:
    """Return the bytes of an object; Python 2 wrote them as a string, which is read as Latin-1."""
    if isinstance(data, str):
        return data.encode("latin1")
    if isinstance(data, _NoBytes) and not data.arguments:
        return b""
    if not isinstance(data, bytes | bytearray):
        raise ValueError(f"{type(data).__name__} instead of bytes")
    return data
