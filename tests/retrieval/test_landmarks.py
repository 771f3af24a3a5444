"""The landmark task: an example worked by hand, what it stores, and every refusal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glr.data.solution import Solution
from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.landmarks import LandmarkTask, classify, read_index_classes
from glr.retrieval.task import Ranking, evaluate


def solution(usage: str, task: str = "retrieval", **relevant: str) -> Solution:
    """`usage` holds a letter per query: u Public, r Private, i Ignored, - none."""
    names = {"u": "Public", "r": "Private", "i": "Ignored", "-": ""}
    return Solution(
        {query: frozenset(values.split()) for query, values in relevant.items()},
        {query: names[letter] for query, letter in zip(relevant, usage, strict=True)},
        task,
    )


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def example() -> dict[str, Any]:
    """Nearest first: q1 a b c d, q2 d c b a, q3 c d b a, q4 b a c d."""
    return {
        "index_ids": ["a", "b", "c", "d"],
        "index_classes": ["x", "x", "y", "x"],
        "index_descriptors": directions(0, 20, 50, 90),
        "query_ids": ["q1", "q2", "q3", "q4"],
        "query_descriptors": directions(-5, 95, 60, 11),
        "retrieval": solution("urir", q1="a c", q2="b", q3="a", q4=""),
        "recognition": solution("uriu", "recognition", q1="x", q2="y x", q3="x", q4=""),
    }


def scored(given: dict[str, Any], **options: Any) -> dict[str, float]:
    classes = dict(zip(given["index_ids"], given["index_classes"], strict=False))
    task = LandmarkTask(given["retrieval"], given["recognition"], classes, **options)
    index = Descriptors(given["index_ids"], given["index_descriptors"])
    return evaluate(task, index, Descriptors(given["query_ids"], given["query_descriptors"]))[0]


def test_an_example_by_hand():
    result = scored(example())
    ranked = [
        "map_at_100",
        "mp_at_10",
        "recall_at_1",
        "recall_at_5",
        "recall_at_10",
        "mean_position",
        "median_position",
    ]
    assert list(result) == [
        f"{usage}/{m}" for usage in ("public", "private") for m in [*ranked, "gap", "top1_accuracy"]
    ]
    # Public: q1 finds a and c at ranks 1 and 3. Private: q2 finds b at rank 3; q4 has nothing to find.
    assert result["public/map_at_100"] == pytest.approx((1 + 2 / 3) / 2)
    assert result["private/map_at_100"] == pytest.approx(1 / 3)
    assert (result["public/mp_at_10"], result["private/mp_at_10"]) == (0.2, 0.1)
    assert (result["private/recall_at_1"], result["private/recall_at_5"]) == (0, 1)
    assert (result["public/mean_position"], result["private/median_position"]) == (1, 3)
    # Public: q1 (cos 5°) before q4 (cos 9°), which shows no landmark. Private: q2 is x.
    assert (result["public/gap"], result["public/top1_accuracy"], result["private/gap"]) == (1, 1, 1)


def test_one_solution_gives_its_metrics_alone():
    both = scored(example())
    retrieval = scored(example() | {"recognition": None})
    recognition = scored(example() | {"retrieval": None})
    assert len(retrieval) == 14
    assert retrieval | recognition == both


def test_k_neighbors_vote_with_their_similarities():
    scores = np.array([[0.9, 0.5, 0.45], [0.75, 0.5, 0.25], [0.5, -0.25, -0.25]])
    positions = np.array([[0, 1, 2], [0, 1, 2], [1, 2, 0]])
    ranking = Ranking(["a", "b", "c"], ["p", "q", "r"], scores, positions)
    classes = {"a": "x", "b": "y", "c": "y"}
    # 0.9 against 0.5 + 0.45; 0.75 twice, and x is nearer; 0.5 - 0.25 against -0.25.
    assert classify(ranking, classes, 3) == {"p": ("y", pytest.approx(0.95)), "q": ("x", 0.75), "r": ("y", 0.25)}
    assert classify(ranking, classes, 1) == {"p": ("x", 0.9), "q": ("x", 0.75), "r": ("y", 0.5)}


def test_neighbors_reach_the_score():
    given = example() | {"index_classes": ["x", "y", "y", "z"], "index_descriptors": directions(0, 25, 50, 115)}
    given["recognition"] = solution("urii", "recognition", q1="x", q2="y", q3="", q4="")
    # From q2 at 95°: z at 20° (0.94), y at 45° and 70° (0.71 + 0.34).
    assert [scored(given, neighbors=n)["private/gap"] for n in (1, 2, 3, 9)] == [0, 0, 1, 1]


def test_what_is_right_can_be_stored(tmp_path: Path):
    given = example()
    task = LandmarkTask(given["retrieval"], given["recognition"], dict(zip("abcd", "xxyx", strict=True)))
    task.save(tmp_path)
    again = LandmarkTask.load(tmp_path)
    assert (again.retrieval, again.recognition, again.index_classes) == (
        task.retrieval,
        task.recognition,
        task.index_classes,
    )
    (tmp_path / "recognition_solution.csv").unlink()
    assert LandmarkTask.load(tmp_path).recognition is None
    (tmp_path / "retrieval_solution.csv").unlink()
    with pytest.raises(GlrError, match="neither a retrieval nor a recognition solution"):
        LandmarkTask.load(tmp_path)


def test_index_classes(tmp_path: Path):
    with pytest.raises(GlrError, match=r"no such file; expected a CSV id,landmark_id of the index images"):
        read_index_classes(tmp_path / "index.csv")
    (tmp_path / "index.csv").write_text("id,class\na,1\n")
    with pytest.raises(GlrError, match=r"index\.csv, line 1: the columns id,landmark_id are needed"):
        read_index_classes(tmp_path / "index.csv")


def changed(given: dict[str, Any], name: str, **more: str) -> dict[str, Any]:
    old = given[name]
    relevant = old.relevant | {query: frozenset(values.split()) for query, values in more.items()}
    return given | {name: replace(old, relevant=relevant, usage=dict.fromkeys(more, "Public") | old.usage)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            example() | {"retrieval": None, "recognition": None},
            "there is neither a retrieval nor a recognition solution, so there is nothing to score",
        ),
        (
            changed(example(), "retrieval", q8="a", q7="b"),
            "queries of the retrieval solution that were not described: 2, the first of them q8",
        ),
        (
            changed(example(), "recognition", q9="x"),
            "queries of the recognition solution that were not described: 1, the first of them q9",
        ),
        (
            example() | {"query_ids": ["q1", "q2", "q3", "q4", "new"], "query_descriptors": directions(1, 2, 3, 4, 5)},
            "queries that no solution names, so that they cannot be scored: 1, the first of them new",
        ),
        (
            changed(example(), "retrieval", q1="a z", q2="e"),
            "relevant images of the retrieval solution that are not in the index: 2, the first of them e",
        ),
        (
            example() | {"index_classes": ["0", "0", "1", "0"]},
            "the index shows no landmark of the recognition solution; both must name landmarks in the same way",
        ),
        (
            example() | {"index_classes": ["x", "x"]},
            "index images without a landmark to classify queries by: 2, the first of them c",
        ),
    ],
)
def test_what_does_not_fit_together(given: dict[str, Any], message: str):
    with pytest.raises(GlrError) as error:
        scored(given)
    assert str(error.value) == message


def test_an_undivided_solution_is_scored_as_one_usage(tmp_path: Path):
    whole = example() | {"retrieval": solution("----", q1="a c", q2="b", q3="a", q4="")}
    whole["recognition"] = solution("----", "recognition", q1="x", q2="y x", q3="x", q4="")
    public = example() | {"retrieval": solution("uuuu", q1="a c", q2="b", q3="a", q4="")}
    public["recognition"] = solution("uuuu", "recognition", q1="x", q2="y x", q3="x", q4="")
    assert {f"public/{name}": value for name, value in scored(whole).items()} == scored(public)
    # AP of q1, q2, q3: (1 + 2/3) / 2, 1/3, 1/4
    assert scored(whole)["map_at_100"] == pytest.approx((5 / 6 + 1 / 3 + 1 / 4) / 3)
    task = LandmarkTask(whole["retrieval"], whole["recognition"], dict(zip("abcd", "xxyx", strict=True)))
    task.save(tmp_path)
    assert LandmarkTask.load(tmp_path).retrieval == whole["retrieval"]
    assert list(task.answers()) == ["All"]
    with pytest.raises(GlrError, match="one solution gives each query a Usage and the other none"):
        scored(example() | {"retrieval": whole["retrieval"]})


def test_one_query_of_one_usage_is_enough():
    one = example() | {"query_ids": ["q2"], "query_descriptors": directions(95)}
    one |= {"retrieval": solution("r", q2="b"), "recognition": None}
    assert scored(one)["private/map_at_100"] == pytest.approx(1 / 3)
    assert {name.split("/")[0] for name in scored(one)} == {"private"}
