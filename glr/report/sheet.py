"""A gallery as a PNG: a row for each query, its results framed and marked right or wrong."""

import re
from functools import cache
from itertools import groupby
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from glr.html.palette import RIGHT, WRONG
from glr.report.gallery import QueryResults, Result, check_entries

# Pixels; with ten results the sheet is 1600 wide.
CELL, FRAME = 114, 6
_MARGIN, _TEXT, _SPACE, _GAP = 28, 172, 8, 34
_QUERY = _MARGIN + _TEXT + 12
FIRST_RESULT = _QUERY + CELL + _GAP
HEADER, HEADING, ROW = 92, 52, CELL + 46
_FEWEST = 5  # columns; with fewer, the title has no room
_BADGE = 26

_PAPER, _CELL, _INK, _FAINT, _RULE = (255, 255, 255), (236, 238, 241), (27, 31, 36), (95, 104, 115), (218, 222, 227)


def draw(entries: list[QueryResults], title: str, file: Path) -> None:
    """Draw a gallery as a PNG: a heading for each group, each query on the left, its results on the right.

    Args:
        entries: in the order of the sheet, grouped.
        title: printed above the rows.
        file: path of the PNG to write.

    Raises:
        GlrError: there are no entries.
    """
    check_entries(entries)
    groups = [(group, list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group)]
    columns = max(_FEWEST, *(len(entry.results) for entry in entries))
    width = FIRST_RESULT + columns * (CELL + _SPACE) - _SPACE + _MARGIN
    sheet = Image.new("RGB", (width, HEADER + len(groups) * HEADING + len(entries) * ROW), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _head(sheet, pen, title)
    y = HEADER
    for group, rows in groups:
        pen.line((_MARGIN, y, width - _MARGIN, y), _RULE, 1)
        pen.text((_MARGIN, y + 27), f"{group.capitalize()} queries", _INK, _font(18, bold=True), "lm")
        y += HEADING
        for entry in rows:
            _row(sheet, pen, y, entry)
            y += ROW
    sheet.save(file, "PNG")


def _head(sheet: Image.Image, pen: ImageDraw.ImageDraw, title: str) -> None:
    """Draw the title and the legend of the marks."""
    big, small = _font(24, bold=True), _font(13)
    pen.text((_MARGIN, 36), _lines(title, big, sheet.width - 2 * _MARGIN, 1)[0], _INK, big, "lm")
    x = _MARGIN
    for relevant, text in ((True, "right"), (False, "wrong")):
        sheet.paste(_badge(relevant, 18), (x, 59), _badge(relevant, 18))
        pen.text((x + 24, 68), text, _FAINT, small, "lm")
        x += 24 + round(small.getlength(text)) + 22
    pen.text((x, 68), "below each result: its rank and its similarity to the query", _FAINT, small, "lm")


def _row(sheet: Image.Image, pen: ImageDraw.ImageDraw, y: int, entry: QueryResults) -> None:
    name, large, small = _font(13, bold=True), _font(19), _font(12)
    at = y - 2
    for line in _lines(entry.query_id, name, _TEXT, 3):
        pen.text((_MARGIN, at), line, _INK, name, "la")
        at += 17
    pen.text((_MARGIN, at + 6), f"AP {entry.average_precision:.3f}", _INK, large, "la")
    at += 35
    for fact in entry.facts:
        pen.text((_MARGIN, at), fact, _FAINT, small, "la")
        at += 16
    pen.rectangle((_QUERY, y, _QUERY + CELL - 1, y + CELL - 1), _RULE)
    sheet.paste(_cell(entry.image, CELL - 2), (_QUERY + 1, y + 1))
    pen.text((_QUERY + CELL // 2, y + CELL + 18), "query", _FAINT, small, "ms")
    x = FIRST_RESULT - _GAP // 2
    pen.line((x, y, x, y + CELL), _RULE, 1)
    for rank, result in enumerate(entry.results, start=1):
        _result(sheet, pen, FIRST_RESULT + (rank - 1) * (CELL + _SPACE), y, rank, result)


def _result(sheet: Image.Image, pen: ImageDraw.ImageDraw, x: int, y: int, rank: int, result: Result) -> None:
    colour = RIGHT if result.relevant else WRONG
    pen.rectangle((x, y, x + CELL - 1, y + CELL - 1), colour)
    sheet.paste(_cell(result.image, CELL - 2 * FRAME), (x + FRAME, y + FRAME))
    # The badge lies in the cell's corner; it covers the frame and a little of the image.
    badge = _badge(result.relevant, _BADGE)
    sheet.paste(badge, (x + CELL - _BADGE, y + CELL - _BADGE), badge)
    middle, below = x + CELL // 2, y + CELL + 18
    pen.text((middle - 15, below), f"{rank}", _FAINT, _font(12), "rs")
    pen.text((middle - 8, below), f"{result.score:.3f}", _INK, _font(13), "ls")


def _cell(image: np.ndarray, size: int) -> Image.Image:
    """Fit an image into a square, and fill the rest with neutral bands."""
    height, width = image.shape[:2]
    scale = size / max(height, width)
    high, wide = max(round(height * scale), 1), max(round(width * scale), 1)
    method = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    cell = Image.new("RGB", (size, size), _CELL)
    cell.paste(Image.fromarray(image).resize((wide, high), method), ((size - wide) // 2, (size - high) // 2))
    return cell


@cache
def _badge(relevant: bool, size: int) -> Image.Image:
    """A disc with a tick or a cross, for readers who cannot tell green from red."""
    large = size * 8  # Pillow does not antialias; downscaling smooths the edges
    badge = Image.new("RGBA", (large, large))
    pen = ImageDraw.Draw(badge)
    pen.ellipse((0, 0, large - 1, large - 1), _PAPER)
    inset = large * 0.07
    pen.ellipse((inset, inset, large - 1 - inset, large - 1 - inset), RIGHT if relevant else WRONG)
    tick = [[(0.29, 0.53), (0.44, 0.68), (0.72, 0.36)]]
    cross = [[(0.34, 0.34), (0.66, 0.66)], [(0.66, 0.34), (0.34, 0.66)]]
    for stroke in tick if relevant else cross:
        pen.line([(x * large, y * large) for x, y in stroke], _PAPER, round(large * 0.11), joint="curve")
    return badge.resize((size, size), Image.Resampling.LANCZOS)


@cache
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    # A font that Matplotlib ships, so that the sheet looks the same everywhere.
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(file, size, layout_engine=ImageFont.Layout.BASIC)


def _lines(text: str, font: ImageFont.FreeTypeFont, width: int, most: int) -> list[str]:
    """Break text into at most `most` lines; longer text loses its middle, because ids differ at their ends."""
    text = " ".join(text.encode("utf-8", "replace").decode().split())
    kept = min(len(text), 200)
    lines = _broken(_without_middle(text, kept), font, width)
    while len(lines) > most and kept > 1:
        kept -= 1 + kept // 20
        lines = _broken(_without_middle(text, kept), font, width)
    return lines[:most]


def _without_middle(text: str, kept: int) -> str:
    return text if kept == len(text) else f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def _broken(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Break text into lines, where possible after a character that separates an id's words."""
    lines = [""]
    for part in re.findall(r"[^/_.\- ]*[/_.\- ]+|[^/_.\- ]+", text):
        if lines[-1] and font.getlength(lines[-1] + part.rstrip()) > width:
            lines.append("")
        for sign in part:
            if lines[-1] and font.getlength(lines[-1] + sign.strip()) > width:
                lines.append("")
            lines[-1] += sign
    return lines
