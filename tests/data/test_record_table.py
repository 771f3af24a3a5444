"""The table of a set's records: their places and classes, computed once and stored beside the set."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr.data import record_table
from glr.data.prepared import PreparedData
from glr.data.record_table import record_tables
from glr.errors import GlrError


@pytest.fixture
def data(blocks: PreparedData, tmp_path: Path) -> PreparedData:
    shutil.copytree(blocks.path, tmp_path / "data")
    return PreparedData(tmp_path / "data")


def test_every_record_with_its_class(data: PreparedData):
    tables = record_tables(data, "train")
    for shard, file, table in zip(data.shards["train"], data.files("train"), tables, strict=True):
        records = list(tf.data.TFRecordDataset(file).as_numpy_iterator())
        features = [tf.train.Example.FromString(record).features.feature for record in records]
        assert table["label"].tolist() == [f["image/class/label"].int64_list.value[0] for f in features]
        for n, record in enumerate(records):
            assert data.read_places(shard, table[n : n + 1]) == [(table["offset"][n], record)]
        assert table["offset"][::5].tolist() == shard.blocks


def test_it_is_read_again_and_computed_again_if_damaged(data: PreparedData, monkeypatch: pytest.MonkeyPatch):
    first = record_tables(data, "train")
    (file,) = Path(data.path).glob("places-train-*.npy")
    with monkeypatch.context() as patch:
        patch.setattr(record_table, "_scanned", lambda *_: pytest.fail("it was stored"))
        again = record_tables(PreparedData(data.path), "train")
    for content in (b"", file.read_bytes()[:-40], b"nothing of the kind"):
        file.write_bytes(content)
        anew = record_tables(data, "train")
        for one, two, three in zip(first, again, anew, strict=True):
            np.testing.assert_array_equal(one, two)
            np.testing.assert_array_equal(one, three)


def test_a_folder_that_cannot_be_written_costs_a_line(
    data: PreparedData, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refused(*_: object, **__: object) -> None:
        raise GlrError("read-only")

    expected = record_tables(data, "train")
    next(Path(data.path).glob("places-train-*.npy")).unlink()
    monkeypatch.setattr("glr.storage.write", refused)
    np.testing.assert_array_equal(np.concatenate(record_tables(data, "train")), np.concatenate(expected))
    assert "cannot be stored, so each run reads the records again: read-only" in capsys.readouterr().err


def test_a_set_in_a_bucket(data: PreparedData, gcs_folder: str):
    from glr import storage

    files = [file for file in Path(data.path).iterdir() if file.is_file()]
    storage.upload([(file, f"{gcs_folder}/set/{file.name}") for file in files])
    remote = PreparedData(f"{gcs_folder}/set")
    expected = np.concatenate(record_tables(data, "train"))
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(record_tables(remote, "train")), expected)
    assert sum(name.startswith("places-train-") for name in storage.files(remote.path)) == 1


def test_a_damaged_shard_is_named(data: PreparedData):
    file = Path(data.files("train")[1])
    content = bytearray(file.read_bytes())
    content[3] ^= 1  # the length of the first record
    file.write_bytes(content)
    with pytest.raises(GlrError, match=rf"{file.name}: the record at byte 0 is damaged"):
        record_tables(data, "train")
    data.shards["train"][1] = data.shards["train"][0].__class__(**{**vars(data.shards["train"][0]), "records": 23})
    with pytest.raises(GlrError, match=r"has 21 records, the manifest says 23"):
        record_tables(data, "train")
