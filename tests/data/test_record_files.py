"""Files of records are found and read, plain or compressed, whole or in parts."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from glr import storage
from glr.data import record_files
from glr.data.record_files import index_gzip, opened, read_part
from glr.data.record_files import record_files as found_in
from glr.data.tfrecord import framed
from glr.errors import GlrError

CONTENT = framed(np.random.default_rng(0).bytes(400_000)) + framed(b"end")


def test_parts_of_a_gzip_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(record_files, "_SPACING", 2**16)
    (file := tmp_path / "a").write_bytes(gzip.compress(CONTENT))
    (index := tmp_path / "index").write_bytes(index_gzip(str(file)))
    assert index.stat().st_size > 4 * 2**15  # several points, each with 32 KiB
    for start, end in ((0, 12), (300_000, 300_500), (65_536, 200_000), (len(CONTENT) - 5, len(CONTENT))):
        assert read_part(str(file), start, end, str(index)) == CONTENT[start:end]
    with opened(str(file)) as stream:
        assert stream.read() == CONTENT


def test_files_are_recognised_by_their_content(tmp_path: Path):
    (tmp_path / "deep/.hidden").mkdir(parents=True)
    for name in ("train-00000-of-00002", "deep/x", ".y", "deep/.hidden/z"):
        (tmp_path / name).write_bytes(CONTENT)
    (tmp_path / "packed.tfrec").write_bytes(gzip.compress(CONTENT))
    for name in ("notes", "relabeling.csv", "packed.tar.gz"):
        (tmp_path / name).write_bytes(b"\x1f\x8btext")
    records, others = found_in(str(tmp_path), "*")
    assert records == ["deep/x", "packed.tfrec", "train-00000-of-00002"]
    assert others == ["notes", "packed.tar.gz"]
    assert found_in(str(tmp_path), "train*") == (["train-00000-of-00002"], [])
    (tmp_path / "a.tfrecord").write_bytes(CONTENT[1:])
    with pytest.raises(GlrError, match=r"a\.tfrecord does not begin with a record"):
        found_in(str(tmp_path), "*")


def test_files_in_a_bucket(gcs_folder: str):
    storage.write(f"{gcs_folder}/in/a", CONTENT)
    storage.write(f"{gcs_folder}/in/b", gzip.compress(CONTENT))
    assert found_in(f"{gcs_folder}/in", "*") == (["a", "b"], [])
    for name in "ab":
        with opened(f"{gcs_folder}/in/{name}") as stream:
            assert stream.read() == CONTENT
    assert read_part(f"{gcs_folder}/in/a", 5, 5000, None) == CONTENT[5:5000]
    with pytest.raises(GlrError, match="gzip files are read in place on a disk only"):
        index_gzip(f"{gcs_folder}/in/b")
