"""A SavedModel that comes as a zip is unpacked only if it is whole, small enough and stays in its folder."""

import io
import zipfile
from pathlib import Path

import pytest

from glr.errors import GlrError
from glr.model.saved_model import on_disk


@pytest.mark.parametrize(
    ("names", "megabytes", "sentence"),
    [
        (["variables"], 50, "holds 1 files of 0.1 GB together; max_model_gb=0.02 and 10,000 files are the limits"),
        ([f"variables/{number}" for number in range(10_001)], 0, "holds 10,001 files of 0.0 GB together"),
        (["../called"], 0, "holds ../called, a path outside of the zip"),
        (["/called"], 0, "holds /called, a path outside of the zip"),
        (["a\\..\\called"], 0, "a path outside of the zip"),
    ],
    ids=["bomb", "files", "parent", "root", "backslashes"],
)
def test_a_zip_that_is_not_unpacked(tmp_path: Path, names: list[str], megabytes: int, sentence: str):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, bytes(megabytes * 10**6))
    (tmp_path / "x").mkdir()
    (tmp_path / "x/model.zip").write_bytes(content.getvalue())
    with pytest.raises(GlrError) as refusal, on_disk(str(tmp_path / "x/model.zip"), 0.02):
        pass
    assert sentence in str(refusal.value)
    assert not list(tmp_path.rglob("called"))


KINDS = {kind: getattr(zipfile, f"ZIP_{kind}") for kind in ("DEFLATED", "BZIP2", "LZMA")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_zip_is_one_sentence(tmp_path: Path, kind: str):
    file = tmp_path / "model.zip"
    with zipfile.ZipFile(file, "w", KINDS[kind]) as archive:
        archive.writestr("saved_model.pb", bytes(range(256)) * 40)
    content = bytearray(file.read_bytes())
    content[60:75] = bytes([255]) * 15
    file.write_bytes(content)
    with pytest.raises(GlrError, match=rf"^{file} cannot be unpacked \(\S.*\)$"), on_disk(str(file), 1):
        pass


def test_a_zip_with_names_that_no_disk_takes(tmp_path: Path):
    file = tmp_path / "model.zip"
    for names in (["x" * 300], ["a", "a/b"], ["nul"]):
        with zipfile.ZipFile(file, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
        file.write_bytes(file.read_bytes().replace(b"nul", b"\0ul"))  # a name without characters
        with pytest.raises(GlrError, match=rf"^{file} cannot be unpacked \("), on_disk(str(file), 1):
            pass
