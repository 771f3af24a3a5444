"""The revisited protocol against an example by hand and a slow re-implementation; ground truths in and out of shape."""

import pickle
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glr import storage
from glr.errors import GlrError
from glr.retrieval.revisited import GroundTruth, Query, read_ground_truth, revisited_metrics

BOX = (136.5, 34.1, 648.5, 955.7)


def query(name: str, easy: Any, hard: Any, junk: Any) -> Query:
    return Query(name, BOX, tuple(easy), tuple(hard), tuple(junk))


def test_an_example_by_hand():
    truth = GroundTruth(
        [f"i{n}" for n in range(8)], [query("q", easy=[0, 5], hard=[3], junk=[1, 6]), query("r", [2], [4], [])]
    )
    positions = np.array([[1, 0, 7, 3, 6, 5, 2, 4], [7, 4, 2, 0, 1, 3, 5, 6]])
    # q, easy: 0 and 5 in 0 7 5 2 4, ranks 1 and 3. medium: in 0 7 3 5 2 4, ranks 1, 3, 4. hard: 3 in 7 3 2 4, rank 2.
    # r, easy: 2 in 7 2 ..., rank 2. medium: 4 and 2 in 7 4 2 ..., ranks 2 and 3. hard: 4 in 7 4 ..., rank 2.
    q_easy = ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2
    q_medium = ((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2 + (2 / 3 + 3 / 4) / 2) / 3
    second = (0 + 1 / 2) / 2
    r_medium = (second + (1 / 2 + 2 / 3) / 2) / 2
    expected = {
        "easy/map": (q_easy + second) / 2,
        "easy/mp_at_1": (1 + 0) / 2,
        "easy/mp_at_5": (2 / 3 + 1 / 2) / 2,
        "easy/mp_at_10": (2 / 3 + 1 / 2) / 2,
        "medium/map": (q_medium + r_medium) / 2,
        "medium/mp_at_1": (1 + 0) / 2,
        "medium/mp_at_5": (3 / 4 + 2 / 3) / 2,
        "medium/mp_at_10": (3 / 4 + 2 / 3) / 2,
        "hard/map": second,
        "hard/mp_at_1": 0,
        "hard/mp_at_5": 1 / 2,
        "hard/mp_at_10": 1 / 2,
    }
    assert revisited_metrics(truth, positions) == pytest.approx(expected, abs=1e-12)


def random_truth(rng: np.random.Generator, images: int, queries: int) -> GroundTruth:
    """Labels of every kind; some queries lack easy ones, hard ones, or both."""
    rows = []
    for number in range(queries):
        most = [0 if number % 7 == 3 else 30, 0 if number % 5 == 2 else 12, 20]
        counts = [rng.integers(0, n + 1) if n else 0 for n in most]
        ends = np.cumsum(counts)
        rows.append(query(f"q{number}", *np.split(rng.permutation(images)[: ends[-1]].tolist(), ends[:-1])))
    return GroundTruth([f"i{n}" for n in range(images)], [as_int(row) for row in rows])


def as_int(row: Query) -> Query:
    return query(row.name, *(map(int, labels) for labels in (row.easy, row.hard, row.junk)))


def slow(truth: GroundTruth, positions: np.ndarray) -> dict[str, float]:
    """Write out each ranking without the ignored images, and walk through it image by image."""
    values: dict[str, list[float]] = {}
    for row, ranking in zip(truth.queries, positions.tolist(), strict=True):
        for level, right, ignored in (
            ("easy", row.easy, {*row.hard, *row.junk}),
            ("medium", row.easy + row.hard, {*row.junk}),
            ("hard", row.hard, {*row.easy, *row.junk}),
        ):
            if not right:
                continue
            left = [image for image in ranking if image not in ignored]
            area, hits, precision = 0.0, 0, 1.0
            for rank, image in enumerate(left, start=1):
                hits += image in right
                if image in right:
                    area += (precision + hits / rank) / 2 / len(right)
                precision = hits / rank
            values.setdefault(f"{level}/map", []).append(area)
            ranks = [rank for rank, image in enumerate(left, start=1) if image in right]
            last = ranks[-1] if len(ranks) == len(right) else len(truth.index)
            for k in (1, 5, 10):
                of = min(k, last)
                share = sum(image in right for image in left[:of]) / of
                values.setdefault(f"{level}/mp_at_{k}", []).append(share)
    return {name: sum(each) / len(each) for name, each in values.items()}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("length", [0, 1, 7, 40, 90])
def test_against_a_slow_reference(seed: int, length: int):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, 90, 24)
    scores = rng.normal(size=(24, 90))
    for row, of in zip(scores, truth.queries, strict=True):
        row[[*of.easy, *of.hard, *of.junk]] += rng.uniform(0, 3)
    positions = np.argsort(-scores, axis=1)[:, :length]
    assert revisited_metrics(truth, positions) == pytest.approx(slow(truth, positions), abs=1e-12)


def test_less_than_the_whole_index_bounds_the_scores_from_below():
    rng = np.random.default_rng(1)
    truth = random_truth(rng, 400, 30)
    positions = np.argsort(rng.normal(size=(30, 400)), axis=1)
    whole = revisited_metrics(truth, positions)
    for length in (5, 20, 100):
        part = revisited_metrics(truth, positions[:, :length])
        assert all(part[name] <= whole[name] + 1e-12 for name in whole)
    same = {name for name in whole if name.rpartition("/")[2] != "map"}
    part = revisited_metrics(truth, positions[:, :100])  # at most 50 are ignored
    assert {name: part[name] for name in same} == pytest.approx({name: whole[name] for name in same}, abs=1e-12)


def test_a_perfect_ranking():
    truth = GroundTruth([f"i{n}" for n in range(30)], [query("q", range(10), range(10, 12), range(12, 20))])
    assert set(revisited_metrics(truth, np.arange(30)[None]).values()) == {1.0}


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (np.zeros((1, 3), int), "positions are int64 [1, 3]; expected whole numbers, a row for each of the 2 queries"),
        (np.zeros((2, 3)), "positions are float64 [2, 3]; expected whole numbers, a row for each of the 2 queries"),
        (np.zeros(2, int), "positions are int64 [2]; expected whole numbers, a row for each of the 2 queries"),
        (np.array([[0, 4], [1, 2]]), "positions reach from 0 to 4; the index has 0 to 3"),
        (np.array([[0, 1], [-1, 2]]), "positions reach from -1 to 2; the index has 0 to 3"),
        (np.array([[0, 1], [2, 2]]), "the ranking of query r names an index position twice"),
        (np.array([[0, 1], [1, 2]]), "no query has a relevant image at the level hard, so there is nothing to score"),
    ],
)
def test_positions_that_do_not_fit(positions: np.ndarray, message: str):
    truth = GroundTruth(list("abcd"), [query("q", [0], [], []), query("r", [], [], [1])])
    with pytest.raises(GlrError, match=f"^{re.escape(message)}$"):
        revisited_metrics(truth, positions)


def content(of=list) -> dict[str, Any]:
    """A ground truth as the published files hold it."""
    return {
        "imlist": ["i0", "i1", "i2", "i3"],
        "qimlist": ["q", "r"],
        "gnd": [
            {"bbx": of(BOX), "easy": of([0, 3]), "hard": of([]), "junk": of([2])},
            {"bbx": of(BOX), "easy": of([]), "hard": of([1]), "junk": of([0, 2])},
        ],
    }


EXPECTED = GroundTruth(["i0", "i1", "i2", "i3"], [query("q", [0, 3], [], [2]), query("r", [], [1], [0, 2])])


@pytest.mark.parametrize("of", [list, np.array])
def test_ground_truth(tmp_path: Path, of: Any):
    file = tmp_path / "gnd.pkl"
    file.write_bytes(pickle.dumps(content(of), 2))
    read = read_ground_truth(file)
    assert read.index == EXPECTED.index
    assert [(q.name, q.easy, q.hard, q.junk) for q in read.queries] == [
        (q.name, q.easy, q.hard, q.junk) for q in EXPECTED.queries
    ]
    assert read.queries[0].box == pytest.approx(BOX, rel=1e-6)
    assert all(type(position) is int for q in read.queries for position in q.easy)


def test_from_a_bucket(gcs_folder: str):
    storage.write(f"{gcs_folder}/gnd.pkl", pickle.dumps(content(), 2))
    assert read_ground_truth(f"{gcs_folder}/gnd.pkl") == EXPECTED


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # damaged strings hold invalid escapes
def test_any_damage_is_a_sentence_or_passes(tmp_path: Path):
    rng, file = np.random.default_rng(0), tmp_path / "gnd.pkl"
    data = np.frombuffer(pickle.dumps(content(np.array), 2), np.uint8)
    for _ in range(400):
        damaged = data.copy()
        damaged[rng.integers(0, len(data), 2)] = rng.integers(0, 256, 2)
        file.write_bytes(damaged.tobytes())
        with suppress(GlrError):
            read_ground_truth(file)


def changed(key: str, value: Any) -> dict[str, Any]:
    """Replace one key of the ground truth or of its first query; the value `...` removes the key."""
    made = content()
    place = made if key in made else made["gnd"][0]
    place[key] = value
    if value is ...:
        del place[key]
    return made


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], ": holds no dictionary; expected one of imlist, qimlist and gnd"),
        (changed("imlist", ...), ": imlist is missing; expected a ground truth such as gnd_roxford5k.pkl"),
        (changed("gnd", ...), ": gnd is missing; expected a ground truth such as gnd_roxford5k.pkl"),
        (changed("imlist", []), ": imlist is not a list of image names"),
        (changed("qimlist", ["q", 3]), ": qimlist is not a list of image names"),
        (changed("imlist", ["i0", "i1", "i2", "i1"]), ": imlist names i1 twice"),
        (changed("gnd", content()["gnd"][:1]), ": gnd is not a list of as many entries as qimlist has names, 2"),
        (changed("gnd", [[], []]), ", query q: its entry in gnd is not a dictionary"),
        (changed("junk", ...), ", query q: junk is missing; expected a ground truth such as gnd_roxford5k.pkl"),
        (changed("easy", [0, 4]), ", query q, easy: 4 is not a position in the index, 0 to 3"),
        (changed("hard", [-1]), ", query q, hard: -1 is not a position in the index, 0 to 3"),
        (changed("hard", np.array([0.5])), ", query q, hard: 0.5 is not a position in the index, 0 to 3"),
        (changed("easy", ["0"]), ", query q, easy: cannot be read as numbers ('0' is not a number)"),
        (changed("easy", [True]), ", query q, easy: cannot be read as numbers (True is not a number)"),
        (changed("easy", "03"), ", query q, easy: expected a list or an array of numbers"),
        (
            changed("easy", np.array([0, None])),
            ", query q, easy: cannot be read as numbers (an array of O8, not of numbers)",
        ),
        (
            changed("junk", np.array([[0, 1], [2, 3]])),
            ", query q, junk: cannot be read as numbers (an array of shape (2, 2))",
        ),
        (
            changed("bbx", [1.0, 2.0, 3.0]),
            ", query q: bbx is [1.0, 2.0, 3.0]; expected left, top, right, bottom in pixels",
        ),
        (
            changed("bbx", [5, 0, 3, float("inf")]),
            ", query q: bbx is [5, 0, 3, inf]; expected left, top, right, bottom in pixels",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, given: Any, message: str):
    file = tmp_path / "gnd.pkl"
    file.write_bytes(pickle.dumps(given, 2))
    with pytest.raises(GlrError, match=f"^{re.escape(f'{file}{message}')}$"):
        read_ground_truth(file)


def test_no_such_file(tmp_path: Path):
    with pytest.raises(GlrError, match=r"gnd\.pkl: no such file; expected a ground truth such as gnd_roxford5k"):
        read_ground_truth(tmp_path / "gnd.pkl")
