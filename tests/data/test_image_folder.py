"""The images below a folder and their stamps, which change with the files."""

import os
from pathlib import Path

import pytest

from glr import storage
from glr.data.image_folder import stamps
from glr.errors import GlrError


def test_stamps(tmp_path: Path):
    for name in ("b.jpg", "a/c.PNG", "a/.d.jpg", ".e/f.jpg", "__MACOSX/g.jpg", "h.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12")
    os.utime(tmp_path / "b.jpg", ns=(1, 5))
    (tmp_path / "a/round").symlink_to(tmp_path)
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nothing")
    before = stamps(str(tmp_path))
    assert list(before) == ["a/c.PNG", "b.jpg"]
    status = (tmp_path / "b.jpg").stat()
    assert before["b.jpg"] == f"2 5 {status.st_ctime_ns} {status.st_ino}"
    (tmp_path / "b.jpg").write_bytes(b"123")
    os.utime(tmp_path / "b.jpg", ns=(1, 5))
    after = stamps(str(tmp_path))
    assert after == before | {"b.jpg": f"3 5 {(tmp_path / 'b.jpg').stat().st_ctime_ns} {status.st_ino}"}


def test_two_files_of_equal_size_and_time_swap_their_names(tmp_path: Path):
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_text(name)
        os.utime(tmp_path / f"{name}.jpg", ns=(5, 5))
    before = stamps(str(tmp_path))
    (tmp_path / "a.jpg").rename(tmp_path / "c.jpg")
    (tmp_path / "b.jpg").rename(tmp_path / "a.jpg")
    (tmp_path / "c.jpg").rename(tmp_path / "b.jpg")
    after = stamps(str(tmp_path))
    assert not set(after.items()) & set(before.items())


def test_a_bucket(gcs_folder: str):
    for name in ("b.jpg", "a/c.png", "a/.d.jpg"):
        storage.write(f"{gcs_folder}/{name}", b"12")
    crc = storage.checksum(f"{gcs_folder}/b.jpg")
    assert stamps(gcs_folder) == {"a/c.png": f"2 {crc}", "b.jpg": f"2 {crc}"}


def test_what_is_refused(tmp_path: Path):
    with pytest.raises(GlrError, match="nowhere: there is no such folder"):
        stamps(str(tmp_path / "nowhere"))
    (tmp_path / "two\nlines.jpg").touch()
    (tmp_path / "one.jpg").touch()
    with pytest.raises(GlrError, match="has a line break; rename it"):
        stamps(str(tmp_path))
    unnamed: dict[str, str] = {}
    assert list(stamps(str(tmp_path), unnamed)) == ["one.jpg"]
    assert list(unnamed) == ["two\nlines.jpg"]
