"""Temporary folders go with their command; tests/attacks/test_bookkeeping.py kills some."""

from contextlib import suppress
from pathlib import Path

import pytest

from glr.storage.temporary import temporary_folder


def test_a_folder_lasts_as_long_as_its_block(tmp_path: Path):
    with temporary_folder(tmp_path) as folder, temporary_folder(tmp_path) as other:
        assert folder != other
        assert folder.parent == tmp_path
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_it_goes_with_an_exception_too(tmp_path: Path):
    with suppress(ValueError), temporary_folder(tmp_path) as folder:
        (folder / "below").mkdir()
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_it_lies_where_temporary_files_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert folder.parent == tmp_path
