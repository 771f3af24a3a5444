"""Outcomes of queries against the metrics that are made of them."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from glr.data.solution import Solution, read_solution
from glr.errors import GlrError
from glr.retrieval.landmarks import LandmarkTask
from glr.retrieval.metrics import average_precision
from glr.retrieval.outcomes import SCHEMA, load, save, scores, wins
from glr.retrieval.revisited import LEVELS, GroundTruth, Query, RevisitedTask
from glr.retrieval.task import Ranking

CASES = json.loads((Path(__file__).parent / "official_cases.json").read_text())
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


@pytest.mark.parametrize("usages", [("Public", "Private", "Ignored"), ("Private",), ("",)])
def test_the_estimators_of_outcomes_are_the_tasks_scores(usages: tuple[str, ...]):
    landmarks, ranked = task(usages), ranking()
    outcomes = landmarks.outcomes(ranked)
    assert set(outcomes["usage"].to_pylist()) == {*usages} - {"Ignored"}  # ignored queries have no outcome
    assert scores(outcomes) == pytest.approx(landmarks.score(ranked), abs=1e-12, rel=0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{len(case['retrieval_solution'])} queries")
def test_the_estimators_give_the_official_values(case: dict[str, Any]):
    """Outcomes of the official predictions, made as rows: the official rankings repeat images, a search does not."""
    rows = []
    for query, relevant in case["retrieval_solution"].items():
        ranking = case["retrieval_predictions"].get(query, [])
        first = next((rank for rank, image in enumerate(ranking[:100], 1) if image in relevant), None)
        hits = len({*ranking[:10]} & {*relevant}) / 10
        rows.append(
            {"id": query, "usage": "", "relevant": len(relevant), "first_rank": first if relevant else None}
            | ({"ap": average_precision(set(relevant), ranking), "p_at_10": hits} if relevant else {})
        )
    of_retrieval = scores(pa.Table.from_pylist(rows, SCHEMA))
    answered = case["recognition_predictions"]
    rows = [
        {"id": image, "usage": "", "confidence": row["score"], "right": row["class"] in shown, "shown": bool(shown)}
        for image, shown in case["recognition_solution"].items()
        # an image without an answer is none that a search could return: as if it had the lowest confidence
        for row in [answered.get(image, {"class": None, "score": -np.inf})]
    ]
    expected = case["expected"]
    assert of_retrieval["map_at_100"] == pytest.approx(expected["map_at_100"], abs=1e-9, rel=0)
    assert of_retrieval["mp_at_10"] == pytest.approx(expected["mean_precision_at_10"], abs=1e-9, rel=0)
    assert of_retrieval["mean_position"] == pytest.approx(expected["mean_position"], abs=1e-9, rel=0)
    assert of_retrieval["median_position"] == pytest.approx(expected["median_position"], abs=1e-9, rel=0)
    assert scores(pa.Table.from_pylist(rows, SCHEMA)) == pytest.approx(
        {name: expected[name] for name in ("gap", "top1_accuracy")}, abs=1e-9, rel=0
    )


def test_queries_that_one_solution_lacks_are_left_out_of_its_metrics():
    both, ranked = task(usages=("",)), ranking()
    assert both.retrieval
    assert both.recognition
    fewer = {q: r for n, (q, r) in enumerate(both.recognition.relevant.items()) if n % 3}
    others = {q: r for n, (q, r) in enumerate(both.retrieval.relevant.items()) if n % 4 != 1}
    landmarks = LandmarkTask(
        Solution(others, dict.fromkeys(others, ""), "retrieval"),
        Solution(fewer, dict.fromkeys(fewer, ""), "recognition"),
        both.index_classes,
        neighbors=3,
    )
    assert scores(landmarks.outcomes(ranked)) == pytest.approx(landmarks.score(ranked), abs=1e-12, rel=0)


def test_wins_are_queries_with_a_higher_mean_precision_or_more_right_classes():
    landmarks = task()
    ours, theirs = ([landmarks.outcomes(ranking()) for _ in range(runs)] for runs in (2, 3))

    def counted(column: str, usage: str) -> tuple[int, int]:
        values = [
            [[row[column] for row in table.to_pylist() if row["usage"] == usage] for table in side]
            for side in (ours, theirs)
        ]
        pairs = [
            (Fraction(sum(map(Fraction, mine))) / 2, Fraction(sum(map(Fraction, other))) / 3)
            for mine, other in zip(zip(*values[0], strict=True), zip(*values[1], strict=True), strict=True)
            if None not in mine
        ]
        return sum(a - b > 1e-12 for a, b in pairs), sum(b - a > 1e-12 for a, b in pairs)

    for usage in ("Public", "Private"):
        for metric, column in [("map_at_100", "ap"), ("mean_position", "ap"), ("gap", "right")]:
            assert wins(ours, theirs, usage, metric) == counted(column, usage)
        assert min(*counted("ap", usage), *counted("right", usage)) > 0
        assert wins(ours, ours[::-1], usage, "map_at_100") == (0, 0)


def test_the_nearest_images_and_their_similarities():
    landmarks, ranked = task(usages=("",)), ranking()
    outcomes = landmarks.outcomes(ranked).to_pylist()
    assert [row["id"] for row in outcomes] == ranked.query_ids
    for row, positions, similarities in zip(outcomes, ranked.positions, ranked.scores, strict=True):
        assert row["nearest"] == [f"i{position}" for position in positions[:5]]
        assert row["similarities"] == similarities[:5].tolist()
    few = landmarks.outcomes(ranking(ranks=2)).to_pylist()
    assert {len(row["nearest"]) for row in few} == {2}


def test_one_task_leaves_the_columns_of_the_other_empty():
    both, ranked = task(), ranking()
    only = LandmarkTask(both.retrieval, None, {}).outcomes(ranked)
    assert only["class"].null_count == only["right"].null_count == len(only)
    only = LandmarkTask(None, both.recognition, both.index_classes).outcomes(ranked)
    assert only["relevant"].null_count == only["ap"].null_count == len(only)


def test_precision_at_recall_is_the_highest_from_there_on():
    landmarks, ranked = task(usages=("",)), ranking()
    assert landmarks.retrieval
    for row, positions in zip(landmarks.outcomes(ranked).to_pylist(), ranked.positions, strict=True):
        relevant = landmarks.retrieval.relevant[row["id"]]
        if not relevant:
            assert row["precisions"] is None
            continue
        right = [f"i{position}" in relevant for position in positions[:100]]
        points = [(sum(right[:rank]), sum(right[:rank]) / rank) for rank in range(1, 101)]
        for step, precision in enumerate(row["precisions"]):
            reaching = [value for hits, value in points if 10 * hits >= step * len(relevant)]
            assert precision == pytest.approx(max(reaching, default=0), abs=1e-7), (row["id"], step)


def test_a_level_of_revisited_paris_is_a_usage():
    truth = GroundTruth(
        [f"i{n}" for n in range(30)],
        [Query(f"q{n}", (0, 0, 9, 9), (n, n + 1), (n + 9,) if n else (), (n + 20,)) for n in range(4)],
    )
    revisited, ranked = RevisitedTask(truth), ranking(30, 4, 30)
    outcomes, logged = revisited.outcomes(ranked), revisited.score(ranked)
    assert outcomes["usage"].to_pylist() == ["easy"] * 4 + ["medium"] * 4 + ["hard"] * 3  # q0 has no hard image
    named = {f"{level}/{name}": logged[f"{level}/{name}"] for level in LEVELS for name in ("map", "mp_at_10")}
    assert scores(outcomes) == pytest.approx(named, abs=1e-12, rel=0)
    assert wins([outcomes], [outcomes], "hard", "map") == (0, 0)


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


def _written(file: Path, **columns: Any) -> Path:
    table = task(usages=("",)).outcomes(ranking())
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, [values])
    return save(table, file, {})


def test_columns_are_read_alone(tmp_path: Path):
    file = save(task().outcomes(ranking()), tmp_path, {"neighbors": 3})
    table, settings = load(file, ["ap", "nearest", "id"])
    assert table.equals(load(file)[0].select(["ap", "nearest", "id"]))
    assert settings == {"neighbors": 3}


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"id": ["q0"] * QUERIES}, "a query that stands in two rows of one usage"),
        ({"usage": pa.nulls(QUERIES, pa.string())}, "a row without a query or a usage"),
        ({"ap": ["high"] * QUERIES}, "Failed to parse"),
        ({"class": pa.array([b"\xff"] * QUERIES).view(pa.string())}, "Invalid UTF8"),
        ({"nearest": [["x" * 10_000] * 20] * QUERIES}, "more than 9,999,999 bytes of text"),
    ],
)
def test_foreign_content_is_one_sentence(
    columns: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glr.retrieval.outcomes._MOST", 9_999_999)
    file = _written(tmp_path, **columns)
    assert file.stat().st_size < 100_000
    with pytest.raises(GlrError, match=rf"outcomes\.parquet cannot be read as the outcomes of queries \(.*{why}"):
        load(file)


def test_a_file_of_countless_values_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = _written(tmp_path)
    monkeypatch.setattr("glr.retrieval.outcomes._MOST", 1000)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.read", None)
    with pytest.raises(GlrError, match=r"\(more than 1,000 values\)$"):
        load(file)


def test_a_flipped_bit_is_noticed(tmp_path: Path):
    content = _written(tmp_path).read_bytes()
    noticed = 0
    for place in range(4, 4000, 197):
        (tmp_path / "flipped").write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        try:
            assert load(tmp_path / "flipped")[0].equals(load(tmp_path / "outcomes.parquet")[0])
        except GlrError:
            noticed += 1
    assert noticed > 15
