"""Everything between the markers is replaced, and nothing outside them is touched."""

from pathlib import Path

import pytest

from glr.compare.document import BEGIN, END, replaced
from glr.errors import GlrError


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_what_is_between_the_markers_changes(tmp_path: Path, newline: str):
    path = tmp_path / "README.md"
    before = f"# Títle {newline}{BEGIN}{newline}old{newline}{END}{newline} end \t"
    path.write_bytes(before.encode())
    text, changed = replaced(path, "|a|\n|b|\n")
    assert text == before
    assert changed == before.replace("old", newline.join(["", "|a|", "|b|", ""]))
    path.write_bytes(changed.encode())
    assert replaced(path, "|a|\n|b|\n") == (changed, changed)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nothing", "expected the line <!-- glr.compare: begin --> once, found it 0 times"),
        (BEGIN, "expected the line <!-- glr.compare: end --> once, found it 0 times"),
        (f"{BEGIN}{BEGIN}{END}", "begin --> once, found it 2 times"),
        (f"{BEGIN}{END}{END}", "end --> once, found it 2 times"),
        (f"{END}{BEGIN}", "end --> stands before <!-- glr.compare: begin -->"),
    ],
)
def test_wrong_markers_are_said(tmp_path: Path, text: str, sentence: str):
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(GlrError, match=sentence):
        replaced(path, "new")
    assert path.read_text() == text
