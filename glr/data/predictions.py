"""Predictions for a retrieval or recognition task, in Kaggle's format."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite
from pathlib import Path

from glr import storage
from glr.data.rows import Rows
from glr.errors import GlrError


def read_rankings(source: str | Path | Iterable[str], k: int = 100) -> dict[str, tuple[str, ...]]:
    """Read a retrieval CSV, `id,images`: map each query to its first k images, best first; a ranking may be empty.

    Args:
        source: a path, local or gs://, or lines of text such as an open file (messages use its `name`, if it has one).
        k: images kept per query; the rest are ignored.

    Raises:
        GlrError: the file or a column is missing, the file is not text, or an id is empty or repeated.
    """
    rows = Rows(source, "predictions", ["retrieval"])
    # The garbage collector stops tracking tuples of strings; it keeps tracking lists.
    return {query: tuple(images.split(maxsplit=k)[:k]) for _, query, images, _ in rows}


def read_classes(source: str | Path | Iterable[str]) -> dict[str, tuple[str, float]]:
    """Read a recognition CSV, `id,landmarks`: map each image to its class and confidence; empty answers are left out.

    Args:
        source: a path, local or gs://, or lines of text such as an open file (messages use its `name`, if it has one).

    Raises:
        GlrError: the file or a column is missing, the file is not text, an id is empty or repeated, a prediction is not
            one class and one confidence, or a confidence is not finite.
    """
    classes = {}
    for where, query, landmarks, _ in Rows(source, "predictions", ["recognition"]):
        fields = landmarks.split()
        if not fields:
            continue
        if len(fields) != 2:
            raise GlrError(f"{where}: landmarks is {landmarks!r}; expected one class and its confidence, or nothing")
        classes[query] = fields[0], _confidence(fields[1], where)
    return classes


def write_rankings(file: str | Path, rankings: Mapping[str, Sequence[str]]) -> None:
    """Write a retrieval CSV, `id,images`: each query's images, best first.

    Raises:
        GlrError: an image's id has a space, which separates images, or the file cannot be written.
    """
    refuse_spaces(file, chain.from_iterable(rankings.values()), "image")
    _write(file, "images", ((query, " ".join(images)) for query, images in rankings.items()))


def write_classes(file: str | Path, classes: Mapping[str, tuple[str, float]]) -> None:
    """Write a recognition CSV, `id,landmarks`: each image's class and confidence, to the last digit.

    Raises:
        GlrError: a class has a space, which precedes its confidence, or the file cannot be written.
    """
    refuse_spaces(file, (name for name, _ in classes.values()), "class")
    _write(file, "landmarks", ((query, f"{name} {confidence!r}") for query, (name, confidence) in classes.items()))


def refuse_spaces(file: str | Path, names: Iterable[str], what: str) -> None:
    """Raise GlrError if a name has a space; `what` says in the message whether it is an image or a class."""
    if (wrong := next((name for name in names if name.split() != [name]), None)) is not None:
        raise GlrError(f"{file}: the {what} {wrong!r} has a space, which separates names in Kaggle's format; rename it")


def _write(file: str | Path, column: str, rows: Iterable[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("id", column), *rows])
    storage.write(file, text.getvalue().encode(), overwrite=True)


def _confidence(text: str, where: str) -> float:
    try:
        confidence = float(text)
    except ValueError:
        confidence = float("nan")
    if not isfinite(confidence):
        raise GlrError(f"{where}: the confidence {text!r} is not a finite number")
    return confidence
