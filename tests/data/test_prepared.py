"""A prepared set is verified when it is opened."""

import json
from pathlib import Path
from typing import Any

import pytest

from glr.data.preparation import prepare
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from tests.data.conftest import Listed


def test_damage_is_noticed_on_opening(few: Listed, tmp_path: Path):
    data = prepare(few, tmp_path / "out", settings={})
    file = Path(data.files("train")[0])
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with pytest.raises(GlrError, match=r"train-00000-of-00001-3\.tfrec has [\d,]+ bytes, the manifest says"):
        PreparedData(data.path)
    file.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    with pytest.raises(GlrError, match=r"train-00000-of-00001-3\.tfrec is damaged"):
        PreparedData(data.path)
    file.unlink()
    with pytest.raises(GlrError, match=r"train-00000-of-00001-3\.tfrec is missing"):
        PreparedData(data.path)
    Path(data.file("manifest.json")).write_text("{}")
    with pytest.raises(GlrError, match=r"manifest\.json cannot be read"):
        PreparedData(data.path)
    with pytest.raises(GlrError, match="holds no prepared data set"):
        PreparedData(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", "9"),
        ("block", None),
        ("settings", []),
        ("report", "x"),
        ("shards", []),
        ("shards", {"train": 3}),
        ("shards", {"train": [3]}),
        ("shards", {"train": [{"file": 1, "records": 1, "size": 1, "crc32c": "", "blocks": []}]}),
        ("shards", {"train": [{"file": "a", "records": "1", "size": 1, "crc32c": "", "blocks": []}]}),
        ("shards", {"train": [{"file": "a", "records": 1, "size": 1, "crc32c": "", "blocks": ["x"]}]}),
    ],
    ids=str,
)
def test_a_manifest_of_wrong_types_is_one_sentence(small_data: PreparedData, tmp_path: Path, key: str, value: Any):
    manifest = json.loads(Path(small_data.file("manifest.json")).read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {key: value}))
    with pytest.raises(GlrError, match=r"manifest\.json cannot be read as a manifest"):
        PreparedData(tmp_path)


def test_another_source_is_refused(small_data: PreparedData):
    small_data.check_settings({"source.seed": 3, "source.path": None, "max_side": None})
    with pytest.raises(GlrError, match=r"was prepared with data\.source\.seed=3, this run says 4"):
        small_data.check_settings({"source.seed": 4})
    with pytest.raises(GlrError, match=r"was prepared with data\.max_side=None, this run says 512"):
        small_data.check_settings({"max_side": 512})


def test_the_manifest_is_plain_json(small_data: PreparedData):
    manifest = json.loads(Path(small_data.file("manifest.json")).read_text())
    assert (manifest["classes"], manifest["block"]) == (9, 64)
    assert manifest["images"] == {"train": 72, "index": 18, "query": 6}
    assert manifest["settings"]["source.seed"] == 3
    assert manifest["settings"]["seed"] == 0
