"""`python -m glr.export` as users run it: every refusal, and a bucket."""

from pathlib import Path

import pytest

from glr import storage
from tests.conftest import here
from tests.gcs.fixture import Gcs


def export(folder: Path, *arguments: str) -> str:
    return here("export", "study=pair", *arguments, cwd=folder)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "give run=NAME (or its id), or members=[...]: one of them"),
        ("run=one members=[2]", "give run=NAME (or its id), or members=[...]: one of them"),
        ("run=three", "there is no run with the id or the name three"),
        ("members=[1,2] weights=[1]", "weights: 1 for 2 members; give one for each"),
        ("members=[1,2] weights=[1,-1]", "weights=[1.0, -1.0]: weights must be above 0"),
        ("members=[1,2] limits.dimension=32", "the descriptor would have 40 dimensions; limits.dimension=32"),
        ("run=one format=[]", "format=[]: give at least one of saved_model, onnx"),
        ("run=one register=a/b", "register=a/b: give a name of letters, digits, blanks, dots, - and _"),
        ("run=one limits.megabytes=0.001", "submission.zip has 0.1 MB; limits.megabytes=0.001"),
    ],
)
def test_a_refusal_leaves_nothing(trained: Path, tmp_path: Path, line: str, sentence: str):
    printed = export(trained, *line.split(), f"output={tmp_path}/folder/out")
    assert printed.startswith("error: ")
    assert sentence in printed
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_nothing_is_overwritten(trained: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    printed = export(trained, "run=one", f"output={tmp_path}/out", "verify=0")
    assert printed == f"error: output={tmp_path}/out: this folder holds files already; give a new one"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]
    printed = export(trained, "run=one", f"output={tmp_path}/out/mine.txt", "verify=0")
    assert printed == f"error: output={tmp_path}/out/mine.txt: this is a file; give a new folder"


@pytest.mark.slow
def test_to_a_bucket_and_scored_from_there(trained: Path, gcs: Gcs, gcs_folder: str, tmp_path: Path):
    assert gcs is not None
    export(trained, "run=two", f"output={gcs_folder}/out", "verify=0")
    names = storage.files(f"{gcs_folder}/out")
    assert {"submission.zip", "model_card.md", "saved_model/saved_model.pb"} <= set(names)
    for model in ("saved_model", "submission.zip"):
        settings = [f"model={gcs_folder}/out/{model}", "prepared=data/folder", "gallery=0", f"cache={tmp_path}/{model}"]
        assert "map_at_100" in here("evaluate", *settings, "study=bucket", cwd=trained)
