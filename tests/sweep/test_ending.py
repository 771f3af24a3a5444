"""The report at a sweep's end, of runs in a real store."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from glr.config.schema import Tracking
from glr.retrieval import outcomes
from glr.sweep.ending import report
from glr.tracking.recorder import Recorder
from glr.tracking.run import run
from tests.report.study.test_page import Elements

QUERIES = 40


class Kept(Recorder):
    """Keeps what a sweep's run would record."""

    def __init__(self):
        self.files: dict[str, str] = {}
        self.kept: dict[str, object] = {}

    def record(self, entry) -> None:
        self.kept |= entry.values

    def file(self, path: Path, folder: str | None = None) -> None:  # noqa: ARG002
        self.files[path.name] = path.read_text()

    def text(self, content: str, name: str) -> None:
        self.files[name] = content


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], Path]) -> Tracking:
    """A store with the study `one` of one run, and `heads` of two heads with two seeds, ArcFace by 0.1 the better."""
    folder = tmp_path_factory.mktemp("store")
    settings = Tracking(f"sqlite:///{new_store(folder)}", str(folder / "artifacts"), str(folder / "journal"), 60)
    random = np.random.default_rng(0)
    common = random.uniform(0.2, 0.6, QUERIES)
    for study, head, seed in (
        ("one", "arcface", 1),
        *(("heads", h, s) for h in ("arcface", "cosface") for s in (1, 2)),
    ):
        precisions = common + random.normal(0, 0.01, QUERIES) + (0.1 if head == "arcface" else 0)
        columns = {"id": [f"q{n}" for n in range(QUERIES)], "usage": [""] * QUERIES, "relevant": [2] * QUERIES}
        columns |= {"ap": precisions, "p_at_10": precisions / 2, "first_rank": np.ones(QUERIES, np.int32)}
        tags = {"key": f"{head}{seed}", "configuration": head, "data_digest": "d"}
        with run(settings, study, f"{head} {seed}", tags=tags, kind="train") as opened:
            opened.params({"head": head, "seed": seed, "evaluate.score": "map_at_100", "data.path": "nowhere"})
            scores = {"map_at_100": precisions.mean(), "mp_at_10": precisions.mean() / 2}
            scores |= {"recall_at_1": 1.0, "recall_at_5": 1.0, "recall_at_10": 1.0}
            opened.metrics(scores | {"mean_position": 1.0, "median_position": 1.0, "loss": 0.5}, 1)
            opened.file(outcomes.save(outcomes.outcome_table(columns), folder, {"set": "d", "neighbors": 1}))
    return settings


def test_the_answer_is_printed_and_stored_with_page_and_table(tracking, tmp_path: Path, capsys):
    kept = Kept()
    report(kept, tracking, "heads", tmp_path / "swept")
    printed = capsys.readouterr()
    answer = printed.out.splitlines()[1]
    assert answer.startswith("head=arcface is better than head=cosface by 0.1")
    assert answer.endswith("2 seeds each.")
    assert printed.out.splitlines()[2] == f"report: {tmp_path}/swept/report.html"
    assert printed.err == ""
    assert kept.kept["answer"] == answer
    assert answer in Elements(kept.files["report.html"]).text
    assert kept.files["report.html"] == (tmp_path / "swept/report.html").read_text()
    table = json.loads(kept.files["configurations.json"])
    assert [row[1] for row in table["data"]] == ["arcface", "cosface"]
    assert len(table["columns"]) == len(table["data"][0])
    assert json.loads(str(kept.kept["mlflow.loggedArtifacts"])) == [{"path": "configurations.json", "type": "table"}]


def test_a_study_of_one_run_has_no_report(tracking, tmp_path: Path, capsys):
    kept = Kept()
    report(kept, tracking, "one", tmp_path)
    assert (kept.files, kept.kept, capsys.readouterr().out) == ({}, {}, "")
    assert not list(tmp_path.iterdir())


def test_a_report_that_fails_is_one_line(tracking, tmp_path: Path, capsys):
    report(Kept(), tracking, "unknown", tmp_path)
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    assert "the study has no report (study=unknown: " in output.err
    assert "python -m glr.compare study=unknown format=html output=report.html tries again" in output.err
    (tmp_path / "file").touch()
    report(Kept(), tracking, "heads", tmp_path / "file" / "below")  # no folder can be made there
    assert "the study has no report" in capsys.readouterr().err
