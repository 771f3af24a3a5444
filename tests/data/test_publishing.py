"""A file appears when it is whole, and not at all where writing it failed."""

from pathlib import Path

import pytest

from glr import storage
from glr.data.publishing import published, write_csv


@pytest.fixture(params=["local", "gs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("gcs_folder")


def test_a_file_appears_when_it_is_published(folder: str):
    storage.write(storage.join(folder, "there"), b"old")
    with published(folder) as (file, publish):
        file.write(b"content")
        assert not storage.exists(storage.join(folder, "new"))
        publish("new")
        assert storage.read(storage.join(folder, "new")) == b"content"
    with published(folder) as (file, publish):
        file.write(b"other")
        publish("there")
    assert set(storage.files(folder)) == {"new", "there"}
    assert storage.read(storage.join(folder, "there")) == b"other"


def test_a_failure_leaves_nothing(folder: str):
    with pytest.raises(ZeroDivisionError):
        write_csv(folder, "table.csv", ("id",), ((1 / value,) for value in (1, 0)))
    assert storage.files(folder) == {}


def test_a_table(folder: str):
    path = write_csv(folder, "table.csv", ("id", "what"), [("a,b", 1), ("é", None)])
    assert storage.read(path).decode() == 'id,what\n"a,b",1\né,\n'
