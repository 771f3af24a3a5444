"""A gallery as an HTML page: a single file, with its images inside and no scripts."""

import base64
import re
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from glr.report.gallery import QueryResults, check_entries
from glr.report.palette import RIGHT, WRONG, css
from glr.report.template import template

_LONGEST = 256  # pixels of an image's long side: twice the displayed size, for sharp displays
_QUALITY = 88
_MARKS = {True: ("right", "✓"), False: ("wrong", "✗")}


class _Thumbnail(NamedTuple):
    """A data URI and its size in pixels."""

    source: str
    width: int
    height: int


def page(entries: list[QueryResults], title: str, file: Path) -> None:
    """Write a gallery as a page: headings for the groups, each query beside its results.

    Args:
        entries: in the order of the page, grouped.
        title: the page's title.
        file: path of the file to write.

    Raises:
        GlrError: there are no entries.
    """
    check_entries(entries)
    text = template(__file__).render(
        title=title,
        groups=[(group, list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group)],
        marks=_MARKS,
        right=css(RIGHT),
        wrong=css(WRONG),
        parts=_parts,
        encoded=_encoded,
    )
    file.write_text(text, encoding="utf-8", errors="replace")


def _parts(name: str) -> list[str]:
    """Split an id at the places where a browser may break the line."""
    return re.split("(?<=[/_.-])", name)


def _encoded(image: np.ndarray) -> _Thumbnail:
    """Encode an image as JPEG or PNG, whichever is smaller; for drawings that is PNG, which keeps edges sharp."""
    smaller = min(1.0, _LONGEST / max(image.shape[:2]))
    if smaller < 1:
        size = max(round(image.shape[1] * smaller), 1), max(round(image.shape[0] * smaller), 1)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(image[..., ::-1])
    jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
    png = cv2.imencode(".png", pixels)[1].tobytes()
    kind, data = ("jpeg", jpeg) if len(jpeg) < len(png) else ("png", png)
    height, width = image.shape[:2]
    return _Thumbnail(f"data:image/{kind};base64,{base64.b64encode(data).decode()}", width, height)
