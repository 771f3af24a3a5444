"""`python -m glr.score` as users run it: small files whose scores can be computed by hand."""

import json
from functools import partial
from pathlib import Path

import pytest

from glr import storage
from tests.config.test_command import glr
from tests.conftest import here

RETRIEVAL = "id,images,Usage\nq1,a b,Public\nq2,c,Public\nq3,,Public\nq4,d,Private\nq5,e,Ignored\n"
RANKINGS = "id,images\nq1,a x b\nq2,\nq3,x\nq4,x d\n"
RECOGNITION = "id,landmarks,Usage\nt1,7,Public\nt2,,Public\nt3,8 9,Private\n"
CLASSES = "id,landmarks\nt1,7 0.4\nt2,7 0.9\nt3,\n"

RETRIEVAL_TABLE = """\
Public: 1 of 2 scored queries answered
Private: 1 of 1 scored queries answered

                        Public     Private
map_at_100              0.4167      0.5000
mp_at_10                0.1000      0.1000
recall_at_1             0.5000      0.0000
recall_at_5             0.5000      1.0000
recall_at_10            0.5000      1.0000
mean_position          51.0000      2.0000
median_position        51.0000      2.0000
"""
RECOGNITION_TABLE = """\
Public: 1 of 1 scored queries answered
Private: 0 of 1 scored queries answered

                        Public     Private
gap                     0.5000      0.0000
top1_accuracy           1.0000      0.0000
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    contents = {"retrieval": RETRIEVAL, "recognition": RECOGNITION, "rankings": RANKINGS, "classes": CLASSES}
    for name, text in contents.items():
        Path(f"{name}.csv").write_text(text)
    return tmp_path


@pytest.fixture
def command(folder: Path):
    """Run `python -m glr.score` in this process and `folder`: what it prints, or the sentence with which it ends."""
    return partial(here, "score", cwd=folder)


def test_a_process_of_its_own_imports_neither_tensorflow_nor_mlflow(folder: Path):
    line = ["predictions=rankings.csv", "solution=retrieval.csv", "task=retrieval"]
    done = glr(*line, command="score", cwd=folder, PYTHONPROFILEIMPORTTIME="1")
    assert (done.returncode, done.stdout) == (0, RETRIEVAL_TABLE)
    imported = {text.split("|")[-1].strip() for text in done.stderr.splitlines()}
    assert "hydra" in imported
    assert not imported & {"tensorflow", "keras", "mlflow"}
    assert sorted(path.name for path in folder.iterdir()) == [
        "classes.csv",
        "rankings.csv",
        "recognition.csv",
        "retrieval.csv",
    ]


@pytest.mark.parametrize("task", [[], ["task=retrieval"]])
def test_retrieval(command, folder: Path, task: list[str]):
    shown = command("predictions=rankings.csv", "solution=retrieval.csv", "output=new/scores.json", *task)
    assert shown == f"{RETRIEVAL_TABLE}\nnew/scores.json written\n"
    scores = json.loads((folder / "new/scores.json").read_text())
    assert len(scores) == 14
    assert scores["public/map_at_100"] == pytest.approx(5 / 12)
    assert scores["private/median_position"] == 2


@pytest.mark.parametrize("task", [[], ["task=recognition"]])
def test_recognition_in_place_of_what_was_there(command, folder: Path, task: list[str]):
    (folder / "scores.json").write_text("old")
    shown = command("predictions=classes.csv", "solution=recognition.csv", "output=scores.json", *task)
    assert shown == f"{RECOGNITION_TABLE}\nscores.json written\n"
    assert json.loads((folder / "scores.json").read_text()) == {
        "public/gap": 0.5,
        "public/top1_accuracy": 1.0,
        "private/gap": 0.0,
        "private/top1_accuracy": 0.0,
    }


def test_all_files_in_a_bucket(command, gcs_folder: str):
    storage.write(f"{gcs_folder}/submission.csv", CLASSES.encode())
    storage.write(f"{gcs_folder}/solution.csv", RECOGNITION.encode())
    for _ in range(2):
        line = {"predictions": "submission.csv", "solution": "solution.csv", "output": "scores.json"}
        shown = command(*(f"{key}={gcs_folder}/{name}" for key, name in line.items()))
        assert shown == f"{RECOGNITION_TABLE}\n{gcs_folder}/scores.json written\n"
    assert json.loads(storage.read(f"{gcs_folder}/scores.json"))["public/gap"] == 0.5


def test_the_solution_as_predictions_scores_full_marks(command):
    shown = command("predictions=retrieval.csv", "solution=retrieval.csv")
    assert "map_at_100              1.0000      1.0000\n" in shown


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("solution=retrieval.csv", "predictions: a value is needed; give it as predictions=VALUE"),
        (
            "predictions=none.csv solution=retrieval.csv",
            "none.csv: no such file; expected a predictions CSV",
        ),
        (
            "predictions=classes.csv solution=retrieval.csv",
            "classes.csv, line 1: the columns id,images are needed",
        ),
        (
            "predictions=classes.csv solution=retrieval.csv task=recognition",
            "task=recognition: retrieval.csv is a solution of retrieval (its column is images); correct task or "
            "solution",
        ),
        (
            "predictions=rankings.csv solution=other.csv",
            "other.csv, line 1: the columns id,images or id,landmarks are needed",
        ),
        (
            "predictions=strange.csv solution=retrieval.csv output=scores.json",
            "strange.csv: queries that retrieval.csv does not name: 2, the first of them q7; leave them out, or give "
            "the solution that fits",
        ),
        (
            "predictions=rankings.csv solution=ignored.csv",
            "ignored.csv: no query that is scored has images, so there is nothing to score",
        ),
        (
            "predictions=rankings.csv solution=retrieval.csv task=ranking",
            "task=ranking: expected one of retrieval, recognition",
        ),
        (
            "predictions=rankings.csv solution=retrieval.csv output=results",
            "results is a folder; give a file",
        ),
    ],
)
def test_mistakes(command, folder: Path, line: str, sentence: str):
    Path("strange.csv").write_text("id,images\nq1,a\nq7,b\nq8,\n")
    Path("ignored.csv").write_text("id,images,Usage\nq1,a,Ignored\n")
    Path("other.csv").write_text("query,images\nq1,a\n")
    Path("results").mkdir()
    assert command(*line.split()) == f"error: {sentence}"
    assert not list(folder.glob("*.json*"))
    assert not list(folder.glob("*.part"))


def test_a_solution_without_usage_has_one_set_of_scores(command, folder: Path):
    Path("whole.csv").write_text("id,images\nq1,a b\nq2,c\nq3,None\nq4,d\n")
    text = command("predictions=rankings.csv", "solution=whole.csv", "output=scores.json")
    assert text.splitlines()[0] == "all: 2 of 3 scored queries answered"
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["map_at_100"] == pytest.approx(((1 + 2 / 3) / 2 + 0 + 1 / 2) / 3)
