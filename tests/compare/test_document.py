"""Between the markers everything is replaced, outside nothing is touched, and a write is whole or not at all."""

from pathlib import Path

import pytest

from glr.compare.document import BEGIN, END, replaced, write
from glr.errors import GlrError
from tests.conftest import no_file_beyond


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_what_is_between_the_markers_changes(tmp_path: Path, newline: str):
    path = tmp_path / "README.md"
    before = f"# Títle {newline}{BEGIN}{newline}old{newline}{END}{newline} end \t"
    path.write_bytes(before.encode())
    text, changed = replaced(path, "|a|\n|b|\n")
    assert text == before
    assert changed == before.replace("old", newline.join(["", "|a|", "|b|", ""]))
    write(path, changed)
    assert path.read_bytes() == changed.encode()
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


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path):
    path = tmp_path / "README.md"
    path.write_text("old")
    path.chmod(0o640)
    with no_file_beyond(1000), pytest.raises(OSError, match="File too large"):
        write(path, "x" * 5000)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]
    write(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
