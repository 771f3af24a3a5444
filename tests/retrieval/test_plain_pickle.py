"""Pickles of every protocol and of Python 2 are read; a sentence refuses those that execute, lie or are damaged."""

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glr.errors import GlrError
from glr.retrieval.plain_pickle import numbers, read_pickle


def scalars(values: list) -> list:
    return [np.float64(v) if isinstance(v, float) else np.uint16(v) for v in values]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("values", [[0, 300, 7], [], [136.5, 34.25]])
@pytest.mark.parametrize(
    "of",
    [list, tuple, np.array, scalars, lambda v: np.array([v], ">f4" if 34.25 in v else "<u2", order="F")],
    ids=["list", "tuple", "array", "scalars", "one row"],
)
def test_numbers(of: Any, values: list, protocol: int):
    read = numbers(read_pickle(pickle.dumps(of(values), protocol), "x"), "x")
    assert read == values
    assert [type(value) for value in read] == [type(value) for value in values]


@pytest.mark.parametrize("core", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_as_every_numpy_names_itself(core: bytes):
    data = re.sub(rb"numpy\._?core\.multiarray", core, pickle.dumps(np.array([1, 2]), 2))
    assert core in data
    assert numbers(read_pickle(data, "x"), "x") == [1, 2]


def test_protocol_5_as_numpy_1_names_itself():
    before = pickle.dumps(np.array([1, 2]), 5)
    # Opcode and length of the name, which loses a letter; the frame gets shorter by as much.
    data = before.replace(b"\x8c\x13numpy._core", b"\x8c\x12numpy.core")
    data = data.replace(b"\x95" + bytes([before[3]]), b"\x95" + bytes([before[3] - 1]), 1)
    assert b"numpy.core.numeric" in data
    assert numbers(read_pickle(data, "x"), "x") == [1, 2]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.array([1 + 2j]), "an array of c16, not of numbers"),
        (np.array(["a"]), "an array of U1, not of numbers"),
        (np.ones((2, 2)), r"an array of shape \(2, 2\)"),
    ],
    ids=["complex", "text", "matrix"],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_arrays_of_other_things(value: np.ndarray, reason: str, protocol: int):
    with pytest.raises(GlrError, match=rf"^x: cannot be read as numbers \({reason}\)$"):
        numbers(read_pickle(pickle.dumps(value, protocol), "x"), "x")


def test_an_array_outside_of_the_pickle_is_refused():
    data = pickle.dumps(np.array([1, 2]), 5, buffer_callback=lambda _: None)
    with pytest.raises(GlrError, match=r"^x: cannot be read as a pickle \(.*out-of-band"):
        read_pickle(data, "x")


def test_an_array_as_python_2_wrote_it():
    """Python 2's strings are bytes here, among them the content of arrays."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value  # SHORT_BINSTRING

    kind = b"cnumpy\ndtype\n(" + text(b"i8") + b"K\x00K\x01tR(K\x03" + text(b"<")
    kind += b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    array = empty + b"(K\x01(K\x02t" + kind + b"\x89" + text(np.array([0, 200], "<i8").tobytes()) + b"tb"
    read = read_pickle(b"\x80\x02}(" + text(b"q\xe9") + array + b"u.", "x")
    assert list(read) == ["qé"]
    assert numbers(read["qé"], "x") == [0, 200]


class Malicious:
    """Its pickle would run this call."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "posix.system"), (eval, "__builtin__.eval"), (getattr, "__builtin__.getattr")],
)
def test_nothing_is_executed(tmp_path: Path, function: Any, name: str):
    trace = tmp_path / "trace"
    arguments = {"posix.system": [f"touch {trace}"], "__builtin__.eval": [f"open({str(trace)!r}, 'w')"]}
    harmful = pickle.dumps({"more": Malicious(function, *arguments.get(name, [trace, "unlink"]))}, 2)
    sentence = f"gnd.pkl: the pickle asks for {name}, which plain values do not need; do not trust this file"
    with pytest.raises(GlrError, match=f"^{re.escape(sentence)}$"):
        read_pickle(harmful, "gnd.pkl")
    assert not trace.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.__new__\x93.",  # a name with a dot
        b"cnumpy\ndtype\n}(U\x01aU\x01bub.",  # set a class's attributes
        b"cnumpy\ndtype\nN}(U\x01aU\x01bu\x86b.",
        b"c__builtin__\nbytes\nN}(U\x01aU\x01bu\x86b.",
        b"c_codecs\nencode\n(U\x01aU\x03hextR.",
        b"c__builtin__\nbytes\n(\x8a\x07\x00\x00\x00\x00\x00\x00\x7ftR.",
        b"\x80\x02}r\xff\xff\xff\xff.",  # remembered as number 4 billion
        b"\x82\x01.",  # an extension code
        b"U\x01aQ.",  # a persistent id
        b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x7f.",  # a buffer of 8 exabytes
        pickle.dumps(np.array([1, 2]), 5).replace(b"K\x02\x85", b"K\x09\x85"),  # more values than bytes
    ],
)
def test_tricks_come_to_nothing(data: bytes):
    with pytest.raises(GlrError, match=r"^gnd\.pkl: "):
        numbers(read_pickle(data, "gnd.pkl"), "gnd.pkl")


def test_every_truncation_is_noticed():
    data = pickle.dumps({"easy": np.arange(3), "names": ["a", "b"]}, 2)
    for length in range(len(data)):
        with pytest.raises(GlrError, match=r"gnd\.pkl: cannot be read as a pickle \(.+\); it is damaged, or no pickle"):
            read_pickle(data[:length], "gnd.pkl")
