"""Which queries a gallery shows, and what it says of each."""

import random
from collections import Counter
from statistics import median

import pytest

from glr.errors import GlrError
from glr.report.gallery import choose
from tests.report.conftest import entry


@pytest.mark.parametrize("each", [1, 2, 3])
@pytest.mark.parametrize("count", [9, 10, 31, 32])
def test_the_extremes_and_the_middle_are_chosen(count: int, each: int):
    values = [i / count for i in range(count)]
    random.Random(count).shuffle(values)
    precisions = {f"q{i}": value for i, value in enumerate(values)}
    chosen = choose(precisions, each)
    actual = {g: [precisions[q] for group, q in chosen if group == g] for g in ("worst", "median", "best")}
    assert actual["worst"] == sorted(values)[:each]
    assert actual["best"] == sorted(values, reverse=True)[:each]
    assert actual["median"] == sorted(actual["median"])
    assert len(actual["median"]) == each
    # As near to the median as so many can be.
    distances = sorted(abs(value - median(values)) for value in values)
    assert max(abs(value - median(values)) for value in actual["median"]) <= distances[each - 1] + 1 / count


@pytest.mark.parametrize("count", range(1, 13))
def test_no_query_is_shown_twice_and_all_are_if_there_are_few(count: int):
    chosen = choose({f"{i:02d}": i / 20 for i in range(count)}, 3)
    assert len({query for _, query in chosen}) == len(chosen) == min(count, 9)
    sizes = Counter(group for group, _ in chosen)
    assert max(sizes.values()) <= 3
    assert sizes["worst"] - 1 <= sizes["median"] <= sizes["best"] <= sizes["worst"]
    assert [query for group, query in chosen if group != "best"] == sorted(q for group, q in chosen if group != "best")


def test_equal_queries_are_chosen_by_id_whatever_their_order():
    names = [f"{i:02d}" for i in range(20)]
    expected = [("worst", "00"), ("worst", "01"), ("median", "11"), ("median", "12"), ("best", "02"), ("best", "03")]
    for seed in range(5):
        random.Random(seed).shuffle(names)
        assert choose(dict.fromkeys(names, 0.5), 2) == expected


def test_without_queries_there_is_no_gallery():
    with pytest.raises(GlrError, match="no query has a relevant image"):
        choose({}, 3)


@pytest.mark.parametrize(
    ("right", "known", "facts"),
    [
        ("--+", {"relevant": 1}, ["1 relevant image", "first right at rank 3"]),
        ("--+", {"relevant": 2000, "first_right": 3}, ["2,000 relevant images", "first right at rank 3"]),
        ("--", {"relevant": 5, "first_right": 57}, ["5 relevant images", "first right at rank 57"]),
        ("--", {"relevant": 5}, ["5 relevant images", "none right in the top 2"]),
        ("-", {}, ["none right in the top 1"]),
        ("", {}, ["no results"]),
    ],
)
def test_the_facts_of_a_query(right: str, known: dict, facts: list[str]):
    assert entry("worst", "q", right, **known).facts == facts
