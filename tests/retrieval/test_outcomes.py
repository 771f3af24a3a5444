"""Outcomes of queries against the metrics that are made of them."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from glr.data.solution import read_solution
from glr.errors import GlrError
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.outcomes import load, save
from glr.retrieval.revisited import GroundTruth, Query, RevisitedTask
from glr.retrieval.task import Ranking
from glr.statistics.estimators import GlobalAveragePrecision, Mean, Median

random = np.random.default_rng(0)
QUERIES, INDEX, RANKS = 60, 150, 120


def ranking(index: int = INDEX, queries: int = QUERIES, ranks: int = RANKS) -> Ranking:
    positions = np.array([random.permutation(index)[:ranks] for _ in range(queries)])
    scores = -np.sort(-random.random((queries, ranks)).astype(np.float32), axis=1)
    return Ranking([f"i{n}" for n in range(index)], [f"q{n}" for n in range(queries)], scores, positions)


def task(usages: tuple[str, ...] = ("Public", "Private", "Ignored"), classes: int = 6) -> LandmarkTask:
    of_index = {f"i{n}": str(n % classes) for n in range(INDEX)}
    retrieval, recognition = ["id,images,Usage"], ["id,landmarks,Usage"]
    for number in range(QUERIES):
        usage = usages[number % len(usages)]
        shown = "" if number % 5 == 0 else str(random.integers(classes))
        images = " ".join(image for image, landmark in of_index.items() if landmark == shown)
        retrieval.append(f"q{number},{images},{usage}")
        recognition.append(f"q{number},{shown},{usage}")
    return LandmarkTask(read_solution(retrieval), read_solution(recognition), of_index, neighbors=3)


def scores_of(outcomes: pa.Table) -> dict[str, float]:
    """Every metric, recomputed from one usage's outcomes."""
    rows = {name: np.array(column.to_pylist()) for name, column in zip(outcomes.column_names, outcomes, strict=True)}
    once = np.ones((1, len(rows["id"])), np.uint8)
    measured = rows["relevant"] > 0
    first = np.where(measured, [101 if rank is None else rank for rank in rows["first_rank"]], np.nan)
    right = np.where(rows["shown"], rows["right"].astype(float), np.nan)
    estimators = {
        "map_at_100": Mean(rows["ap"].astype(float)),
        "mp_at_10": Mean(rows["p_at_10"].astype(float)),
        "recall_at_5": Mean(np.where(measured, first <= 5, np.nan)),
        "mean_position": Mean(first),
        "median_position": Median(first),
        "gap": GlobalAveragePrecision(rows["id"], rows["confidence"], rows["right"], rows["shown"]),
        "top1_accuracy": Mean(right),
    }
    return {name: float(estimator(once)[0]) for name, estimator in estimators.items()}


def test_the_metrics_of_each_usage_are_made_of_its_queries_outcomes():
    landmarks, ranked = task(), ranking()
    outcomes, scores = landmarks.outcomes(ranked), landmarks.score(ranked)
    assert set(outcomes["usage"].to_pylist()) == {"Public", "Private"}  # ignored queries have no outcome
    for usage in ("Public", "Private"):
        of_usage = outcomes.filter(pa.compute.equal(outcomes["usage"], usage))
        assert len(of_usage) == QUERIES / 3
        for name, value in scores_of(of_usage).items():
            assert value == pytest.approx(scores[f"{usage.lower()}/{name}"], abs=1e-12), name


def test_the_nearest_images_and_their_similarities():
    landmarks, ranked = task(usages=("",)), ranking()
    outcomes = landmarks.outcomes(ranked).to_pylist()
    assert [row["id"] for row in outcomes] == ranked.query_ids
    for row, positions, scores in zip(outcomes, ranked.positions, ranked.scores, strict=True):
        assert row["nearest"] == [f"i{position}" for position in positions[:5]]
        assert row["similarities"] == scores[:5].tolist()
    few = landmarks.outcomes(ranking(ranks=2)).to_pylist()
    assert {len(row["nearest"]) for row in few} == {2}


def test_one_task_leaves_the_columns_of_the_other_empty():
    both, ranked = task(), ranking()
    only = LandmarkTask(both.retrieval, None, {}).outcomes(ranked)
    assert only["class"].null_count == only["right"].null_count == len(only)
    only = LandmarkTask(None, both.recognition, both.index_classes).outcomes(ranked)
    assert only["relevant"].null_count == only["ap"].null_count == len(only)


def test_a_level_of_revisited_paris_is_a_usage():
    truth = GroundTruth(
        [f"i{n}" for n in range(30)],
        [Query(f"q{n}", (0, 0, 9, 9), (n, n + 1), (n + 9,) if n else (), (n + 20,)) for n in range(4)],
    )
    revisited, ranked = RevisitedTask(truth), ranking(30, 4, 30)
    outcomes, scores = revisited.outcomes(ranked), revisited.score(ranked)
    for level in ("easy", "medium", "hard"):
        rows = outcomes.filter(pa.compute.equal(outcomes["usage"], level))
        assert len(rows) == (3 if level == "hard" else 4)  # q0 has no hard image
        assert np.mean(rows["ap"].to_pylist()) == pytest.approx(scores[f"{level}/map"])
        assert np.mean(rows["p_at_10"].to_pylist()) == pytest.approx(scores[f"{level}/mp_at_10"])


def test_a_file_keeps_outcomes_and_settings_and_damage_is_one_sentence(tmp_path: Path):
    outcomes = task().outcomes(ranking())
    file = save(outcomes, tmp_path, {"neighbors": 3, "set": "abc"})
    table, settings = load(file)
    assert table.equals(outcomes)
    assert settings == {"neighbors": 3, "set": "abc"}
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(GlrError, match=rf"^{re.escape(str(file))} cannot be read as the outcomes of queries"):
        load(file)
    (tmp_path / "other.parquet").write_bytes(b"")
    pa.parquet.write_table(pa.table({"id": ["q"]}), tmp_path / "other.parquet")
    with pytest.raises(GlrError, match=r"other\.parquet cannot be read"):
        load(tmp_path / "other.parquet")
