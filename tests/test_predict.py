"""Predictions score as the evaluation of the same model, set and steps does."""

import csv
import json
from pathlib import Path

import pytest

import glr
from tests.conftest import here
from tests.evaluate.test_evaluate import evaluate, runs

STEPS = ["query_expansion=alpha", "database_augmentation=alpha", "reranking=k_reciprocal"]


def scored(trained: Path, task: str, *settings: str, solution: Path | None = None) -> dict[str, float]:
    """The scores of the predictions that these settings make."""
    printed = here("predict", f"task={task}", "output=out/predictions.csv", *settings, cwd=trained)
    assert printed.endswith(f"out/predictions.csv: {task} of 12 queries\n"), printed
    solution = solution or trained / f"data/folder/{task}_solution.csv"
    files = ["predictions=out/predictions.csv", f"solution={solution}", "output=out/scores.json"]
    assert "map_at_100" in (printed := here("score", *files, cwd=trained)) or "gap" in printed
    return json.loads((trained / "out/scores.json").read_text())


@pytest.mark.parametrize("steps", [[], STEPS])
def test_the_score_of_predictions_is_that_of_the_evaluation(trained: Path, steps: list[str]):
    assert "map_at_100" in evaluate(trained, "run=two", "gallery=0", *steps)  # run `two` classifies by 3 neighbours
    expected = runs(trained)[0].data.metrics
    for task, metric in (("retrieval", "map_at_100"), ("recognition", "gap")):
        scores = scored(trained, task, "run=two", *steps)
        assert f"private/{metric}" in scores
        for name, value in scores.items():
            assert value == pytest.approx(expected[name], abs=1e-12), name


def test_folders_need_no_solution(trained: Path, pair: tuple[Path, dict]):
    folder, images = pair
    folders = ["run=one", f"index={folder}/index", f"queries={folder}/queries"]
    scores = scored(trained, "retrieval", *folders, solution=folder / "retrieval_solution.csv")
    assert 0 < scores["public/map_at_100"] <= 1
    classes = ["neighbors=2", f"index_classes={folder}/index.csv"]
    scored(trained, "recognition", *folders, *classes, solution=folder / "recognition_solution.csv")
    with (trained / "out/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == sorted(images["queries"])
    assert all(0 < float(row["landmarks"].split()[1]) <= 2 for row in rows)  # the sum of two similarities
    assert "give index_classes=FILE" in here("predict", *folders, "task=recognition", cwd=trained)
    (trained / "few.csv").write_text("id,landmark_id\nother,1\n")
    few = here("predict", *folders, "task=recognition", "index_classes=few.csv", cwd=trained)
    assert "index images that few.csv does not name: 36" in few


def test_the_result_is_the_files_table(trained: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(trained)
    settings = {"run": "pair/one", "tracking.uri": f"sqlite:///{trained}/mlruns/mlflow.db", "output": "mine.csv"}
    table = glr.run("predict", **settings).table
    assert list(table.columns) == ["id", "images"]
    assert all(len(images.split()) == 36 for images in table["images"])  # the whole index


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "give run=NAME"),
        ("run=one index=a", "index: give prepared=FOLDER, or index=FOLDER queries=FOLDER"),
        ("model=x", "model has no data set"),
        ("run=one index_classes=x.csv", "index_classes belongs to index=FOLDER queries=FOLDER"),
        ("run=one task=classification", "task=classification: expected one of retrieval, recognition"),
        ("run=lost", "there is no run with the id or the name lost"),
        ("run=lost output=data", "data is a folder; give a file"),
    ],
)
def test_a_mistake_is_one_sentence(trained: Path, settings: str, message: str):
    assert message in here("predict", "output=none.csv", *settings.split(), cwd=trained)
    assert not (trained / "none.csv").exists()


def test_names_with_spaces_are_refused_before_images_are_read(trained: Path, tmp_path: Path):
    for name in ("index/a b", "queries/q"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.jpg").touch()  # no image
    (tmp_path / "classes.csv").write_text("id,landmark_id\na b,old mill\n")
    folders = ["run=one", f"index={tmp_path}/index", f"queries={tmp_path}/queries", "output=none.csv"]
    said = "has a space, which separates names in Kaggle's format; rename it"
    assert f"none.csv: the image 'a b' {said}" in here("predict", *folders, cwd=trained)
    recognition = ["task=recognition", f"index_classes={tmp_path}/classes.csv"]
    assert f"none.csv: the class 'old mill' {said}" in here("predict", *folders, *recognition, cwd=trained)
