"""Predictions of a retrieval or recognition task as Kaggle takes them: what a model says of each query."""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path

from glr.data.rows import Rows
from glr.errors import GlrError


def read_rankings(source: str | Path | Iterable[str], k: int = 100) -> dict[str, tuple[str, ...]]:
    """Read a retrieval CSV, `id,images`: by query, the first k images of its ranking, best first; may be empty.

    Args:
        source: a path, local or gs://, or an open text file (any lines; its `name`, if it has one, stands in messages).
        k: images that are kept; what stands behind them counts for nothing.

    Raises:
        GlrError: the file or a column is missing, the file is no text, or an id is empty or stands twice.
    """
    rows = Rows(source, "predictions", ["retrieval"])
    # Tuples of strings: unlike lists, the garbage collector stops walking through them.
    return {query: tuple(images.split(maxsplit=k)[:k]) for _, query, images, _ in rows}


def read_classes(source: str | Path | Iterable[str]) -> dict[str, tuple[str, float]]:
    """Read a recognition CSV, `id,landmarks`: by image, its class and the confidence; without those left empty.

    Args:
        source: a path, local or gs://, or an open text file (any lines; its `name`, if it has one, stands in messages).

    Raises:
        GlrError: the file or a column is missing, the file is no text, an id is empty or stands twice, or a prediction
            is not one class and its confidence, a finite number.
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


def _confidence(text: str, where: str) -> float:
    try:
        confidence = float(text)
    except ValueError:
        confidence = float("nan")
    if not isfinite(confidence):
        raise GlrError(f"{where}: the confidence {text!r} is no finite number")
    return confidence
