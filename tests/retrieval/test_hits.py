"""Hits as lists, a table and pictures; a name cannot break the page, and a deleted file leaves a gap."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import PIL.Image

from glr.retrieval.hits import Hit, Hits, Results
from tests.retrieval.conftest import photo


def results(folder: Path) -> Results:
    one = Hits("q.png", photo(folder / "q.png", 1), [Hit("<b>.png", 0.75, str(photo(folder / "<b>.png", 2)))])
    pixels = np.zeros((4, 8), np.uint8)
    two = Hits("query 1", pixels, [Hit("gone.png", 0.5, str(folder / "gone.png")), Hit("added", 0.25, "")])
    return Results([one, two, Hits("query 2", None, [])])


def test_lists_and_table(tmp_path: Path):
    found = results(tmp_path)
    assert (found[1].ids, found[1].scores) == (["gone.png", "added"], [0.5, 0.25])
    assert found[1].paths == [str(tmp_path / "gone.png"), ""]
    assert found[1][0].score == 0.5
    assert found.table.columns.tolist() == ["query", "rank", "id", "score", "path"]
    assert found.table["rank"].tolist() == [1, 1, 2]
    assert found[1].table["id"].tolist() == ["gone.png", "added"]
    assert repr(found[1]) == "query 1\n   1  0.5000  gone.png\n   2  0.2500  added"
    assert repr(Hits("\x1b[2J", None, [Hit("\x9b1m", 1, "")])) == "\\x1b[2J\n   1  1.0000  \\x9b1m"


def test_pictures(tmp_path: Path):
    html = results(tmp_path)._repr_html_()
    sources = re.findall(r'src="data:image/\w+;base64,([^"]+)"', html)
    sizes = [PIL.Image.open(io.BytesIO(base64.b64decode(source))).size for source in sources]
    assert sizes == [(32, 32), (32, 32), (8, 4)]
    assert "<b>.png" not in html
    assert html.count('aria-label="no picture of gone.png"') == 1
    assert html.count(">no picture<") == 3
    assert "1 query more" not in html
    short = results(tmp_path).html(shown=2)
    assert "query 2" not in short
    assert "1 more query is not shown." in short
    assert "gone.png" in results(tmp_path)[1]._repr_html_()
