"""The sheet: where frames are, which colour they have, and that the images are in them."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.errors import GlrError
from glr.html.palette import RIGHT, WRONG
from glr.report.gallery import QueryResults
from glr.report.sheet import CELL, FIRST_RESULT, FRAME, draw
from tests.report.conftest import GREY, entry, plain


def drawn(entries: list[QueryResults], file: Path, title: str = "A run") -> np.ndarray:
    draw(entries, title, file)
    return np.asarray(PIL.Image.open(file), int)


def frames(sheet: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Corners (y, x) of the frames of a colour: where a straight edge as long as a cell begins, and goes down too."""
    same = (sheet == colour).all(-1)
    along = [
        (y, x)
        for y, x in np.argwhere(same)
        if not same[y - 1, x]
        and not same[y, x - 1]
        and same[y, x : x + CELL].all()
        and same[y : y + CELL - 40, x].all()
    ]
    return [(int(y), int(x)) for y, x in along]


def test_right_is_framed_green_and_wrong_red(entries: list[QueryResults], tmp_path: Path):
    sheet = drawn(entries, tmp_path / "a.png")
    assert sheet.shape[1] == 1600
    green, red = frames(sheet, RIGHT), frames(sheet, WRONG)
    assert len(green) == 13
    assert len(red) == 27
    rows = sorted({y for y, _ in green + red})
    assert len(rows) == 4
    for y, expected in zip(rows, entries, strict=True):
        row = sorted([(x, True) for top, x in green if top == y] + [(x, False) for top, x in red if top == y])
        assert [right for _, right in row] == [result.relevant for result in expected.results]
        assert row[0][0] == FIRST_RESULT
        assert len({b - a for (a, _), (b, _) in pairwise(row)}) == 1


def test_green_is_green_and_red_is_red_and_they_differ_in_lightness():
    assert RIGHT[1] > 1.5 * max(RIGHT[0], RIGHT[2])
    assert WRONG[0] > 1.5 * max(WRONG[1], WRONG[2])
    light = [np.dot((0.299, 0.587, 0.114), colour) for colour in (RIGHT, WRONG)]
    assert light[0] - light[1] > 25


def test_frames_are_thick_and_marks_differ_without_colour(tmp_path: Path):
    sheet = drawn([entry("worst", "q", "+-")], tmp_path / "a.png")
    cells = []
    for colour in (RIGHT, WRONG):
        ((y, x),) = frames(sheet, colour)
        cell = sheet[y : y + CELL, x : x + CELL]
        assert (cell[:FRAME] == colour).all()
        assert (cell[:, :FRAME] == colour).all()
        assert not (cell[FRAME, FRAME : CELL - FRAME] == colour).all(-1).any()
        cells.append((cell == 255).all(-1))  # the white of tick and cross
    assert (cells[0] != cells[1]).sum() > 20
    for white in cells:
        at = np.argwhere(white)
        assert len(at) > 20
        assert at.min() > CELL // 2  # all in the corner


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 64), (400, 300), (300, 400), (1, 500), (500, 1)])
def test_images_of_any_size_are_fitted_into_the_cell(size: tuple[int, int], tmp_path: Path):
    made = entry("worst", "q", "+")
    made = replace(made, results=[replace(made.results[0], image=plain(*size, shade=0))])
    sheet = drawn([made], tmp_path / "a.png")
    ((y, x),) = frames(sheet, RIGHT)
    inside = sheet[y + FRAME : y + CELL - FRAME, x + FRAME : x + CELL - FRAME]
    black = np.argwhere((inside == 0).all(-1))
    high, wide = black.max(0) - black.min(0) + 1
    side, (height, width) = len(inside), size
    assert max(high, wide) == side
    assert abs(high - max(1, side * height / max(size))) <= 1
    assert abs(wide - max(1, side * width / max(size))) <= 1
    # In the middle, between neutral bands.
    assert abs(black.min(0) + black.max(0) + 1 - side).max() <= 2
    bands = inside[:60, :60][(inside[:60, :60] != 0).any(-1)]
    assert (np.ptp(bands, axis=1) < 10).all()


def test_the_query_stands_on_the_left(entries: list[QueryResults], tmp_path: Path):
    sheet = drawn(entries, tmp_path / "a.png")
    for y, _ in (corner for corner in frames(sheet, WRONG) + frames(sheet, RIGHT) if corner[1] == FIRST_RESULT):
        left = (sheet[y : y + CELL, :FIRST_RESULT] == GREY).all(-1)
        assert left.sum() > 0.5 * CELL * CELL * 0.8  # 50 x 90 in a square


def test_the_sheet_is_the_same_each_time_and_says_what_it_is_given(entries: list[QueryResults], tmp_path: Path):
    first = drawn(entries, tmp_path / "a.png")
    drawn(entries, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    changes = [
        replace(entries[0], query_id="other"),
        replace(entries[0], average_precision=0.123),
        replace(entries[0], relevant=4),
        replace(entries[0], group="odd"),
        replace(entries[0], results=[replace(entries[0].results[0], score=0.1), *entries[0].results[1:]]),
    ]
    for changed in changes:
        other = drawn([changed, *entries[1:]], tmp_path / "c.png")
        assert other.shape != first.shape or (other != first).any()
    assert (drawn(entries, tmp_path / "c.png", "Other") != first).any()


@pytest.mark.parametrize(
    "text", ["x" * 5000, "$x^{$ \\frac", "two\nlines\tand a tab", "", "名前/é_\udcff", "a/b_c-d." * 30]
)
def test_any_text_is_drawn_within_its_column(text: str, tmp_path: Path):
    sheet = drawn([replace(entry("worst", "q", "+-" * 6), query_id=text)], tmp_path / "a.png", title=text)
    ((y, _), *_) = frames(sheet, RIGHT)
    assert (sheet[y:, 201:212] == 255).all()  # between the text and the query's image
    assert (sheet[:y, -20:] == 255).all()  # right of the title


def test_an_unanswered_query_is_drawn(tmp_path: Path):
    assert drawn([entry("worst", "q", "")], tmp_path / "a.png").std() > 5


def test_nothing_is_not_drawn(tmp_path: Path):
    with pytest.raises(GlrError, match="no queries"):
        draw([], "A run", tmp_path / "a.png")
