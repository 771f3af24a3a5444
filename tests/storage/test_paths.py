"""Files alike on a local disk and in a loopback Google Cloud Storage."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from glr import storage
from glr.errors import GlrError
from glr.storage import FileInfo, bucket
from tests.conftest import no_file_beyond

ROOT = Path(__file__).parents[2]
MIB = 2**20


def noise(size: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def crc32c(data: bytes) -> str:
    return f"{google_crc32c.value(data):08x}"


@pytest.fixture(params=["local", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "files") if request.param == "local" else request.getfixturevalue("gcs_folder")


def test_a_path_says_where_it_lies():
    assert storage.is_bucket("gs://bucket/name")
    assert not storage.is_bucket("data/gs")
    assert not storage.is_bucket(Path("/data"))
    assert storage.join("gs://bucket", "a", "b.txt") == storage.join("gs://bucket/", "a/b.txt") == "gs://bucket/a/b.txt"
    assert storage.join(Path("data"), "a", "b.txt") == storage.join("data/", "a/b.txt") == "data/a/b.txt"


@pytest.mark.parametrize("data", [b"", b"\r\n--=\n\r", noise(3 * MIB)], ids=["empty", "lines", "noise"])
def test_what_is_written_is_read(folder: str, data: bytes):
    path = storage.join(folder, "a b", "ü#?%2F.bin")
    assert not storage.exists(path)
    storage.write(path, data)
    assert storage.exists(path)
    assert storage.read(path) == data
    assert storage.files(folder) == {
        "a b/ü#?%2F.bin": FileInfo(len(data), crc32c(data) if storage.is_bucket(folder) else None)
    }


def test_ranges(folder: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bucket, "CHUNK", MIB // 4)
    path, data = storage.join(folder, "file"), noise(MIB)
    storage.write(path, data)
    third, end = MIB // 4 * 3 + 1, MIB
    for span in (
        (0, 10),
        (5, None),
        (MIB // 4 - 1, third),
        (third, 2 * MIB),
        (7, 7),
        (8, 7),
        (end, None),
        (MIB * 2, None),
    ):
        assert storage.read(path, *span) == data[slice(*span)]


def test_writing_over_a_file_has_to_be_asked_for(folder: str):
    path = storage.join(folder, "file")
    storage.write(path, b"one", overwrite=True)
    for data in (b"two", b"one"):
        with pytest.raises(GlrError, match=r"/file exists already; look at it, then delete it or take another name$"):
            storage.write(path, data)
    assert storage.read(path) == b"one"
    storage.write(path, b"three", overwrite=True)
    assert storage.read(path) == b"three"


def test_of_two_writers_at_once_one_wins(folder: str):
    with ThreadPoolExecutor(2) as pool:
        for number in range(8):
            path, data = storage.join(folder, str(number)), (b"a" * 100, b"b" * 200)
            attempts = [pool.submit(storage.write, path, content) for content in data]
            errors = [str(attempt.exception()) for attempt in attempts]
            assert sorted(error.partition(" ")[2][:14] for error in errors) == ["", "exists already"]
            assert storage.read(path) == data[errors.index("None")]


def test_files_lists_all_below_a_folder_and_nothing_else(folder: str):
    assert storage.files(folder) == {}
    for name in ("one", "a/two", "a/b/three"):
        storage.write(storage.join(folder, name), name.encode())
    storage.write(f"{folder}-neighbour/four", b"4")
    assert {name: info.size for name, info in storage.files(folder).items()} == {"one": 3, "a/two": 5, "a/b/three": 9}
    assert list(storage.files(storage.join(folder, "a"))) == ["b/three", "two"]
    assert storage.files(storage.join(folder, "missing")) == {}


def test_delete(folder: str):
    path = storage.join(folder, "file")
    storage.write(path, b"1")
    storage.delete(path)
    assert not storage.exists(path)
    storage.delete(path)


def test_a_file_that_is_missing(folder: str, tmp_path: Path):
    with pytest.raises(GlrError, match=r"/nothing does not exist; correct the path$"):
        storage.read(storage.join(folder, "nothing"))
    with pytest.raises(GlrError, match=r"/nothing does not exist; correct the path$"):
        storage.checksum(tmp_path / "nothing")


def test_a_full_disk_leaves_nothing(tmp_path: Path):
    storage.write(tmp_path / "old", b"old")
    for name in ("new", "old"):
        with pytest.raises(GlrError, match=rf"/{name}: File too large; make room"), no_file_beyond(MIB):
            storage.write(tmp_path / name, bytes(2 * MIB), overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["old"]
    assert storage.read(tmp_path / "old") == b"old"


def test_a_path_is_checked_before_the_work_for_it(gcs_folder: str, tmp_path: Path):
    for path in (tmp_path / "new/file.csv", "/dev/stdout", f"{gcs_folder}/file.csv"):
        storage.check_writable(path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(GlrError, match=f"^{tmp_path} is a folder; give a file$"):
        storage.check_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(
        GlrError, match=f"^{tmp_path}/file/a/b: {tmp_path}/file is not a folder that may be written; co"
    ):
        storage.check_writable(tmp_path / "file/a/b")
    with pytest.raises(GlrError, match="no-such-bucket"):
        storage.check_writable("gs://no-such-bucket/file.csv")


def test_a_path_with_a_null_character_is_one_sentence(tmp_path: Path):
    for use in (storage.read, lambda path: storage.write(path, b"")):
        with pytest.raises(GlrError, match=r"a\\x00b' holds a null character; correct the path"):
            use(f"{tmp_path}/a\0b")
