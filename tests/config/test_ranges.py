"""Ranges and choices as Hydra's grammar writes them."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from glr.config.ranges import Range, covering, parameter, written
from glr.errors import GlrError


def read(value: str):
    return parameter(OverridesParser.create().parse_override(f"key={value}"))


@pytest.mark.parametrize(
    ("value", "expected", "whole"),
    [
        ("interval(0.1,0.5)", Range(0.1, 0.5), False),
        ("interval(1,3)", Range(1.0, 3.0), False),
        ("int(interval(1,3))", Range(1, 3), True),
        ("tag(log,interval(1e-5,1e-2))", Range(1e-5, 1e-2, log=True), False),
        ("tag(log,int(interval(1,64)))", Range(1, 64, log=True), True),
        ("range(1,10)", Range(1, 9), True),
        ("range(16,65,16)", Range(16, 64, 16), True),
        ("range(10,1,-4)", Range(2, 10, 4), True),
        ("range(0,1,0.25)", Range(0.0, 0.75, 0.25), False),
        ("tag(log,range(1,9))", Range(1, 8, log=True), True),
        ("a,b", ["a", "b"], None),
        ("choice(1)", ["1"], None),
        ("choice('x y',[1,2])", ["x y", "[1,2]"], None),
        ("3", ["3"], None),
    ],
)
def test_a_value_is_read(value: str, expected: Range | list[str], whole: bool | None):
    actual = read(value)
    assert actual == expected
    if isinstance(actual, Range):
        assert actual.whole == whole
        assert isinstance(actual.low, int) == whole


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("interval(2,1)", "from a lower to a higher"),
        ("range(3,4)", "from a lower to a higher"),
        ("range(3,3)", "this range holds no number"),
        ("tag(log,interval(0,1))", "begins above 0"),
        ("tag(log,range(2,9,2))", "has no steps"),
    ],
)
def test_an_impossible_range_is_one_sentence(value: str, sentence: str):
    with pytest.raises(GlrError, match=sentence) as raised:
        read(value)
    assert str(raised.value).startswith(f"key={value}: ")


def test_every_value_and_end_is_seen_with_every_choice_of_a_group():
    parameters = {"head": ["a", "b"], "rate": Range(0.1, 0.2), "size": ["1", "2", "3"], "name": ["x"]}
    jobs = covering(parameters, ["head"])
    seen = {(head, other) for job in jobs for head in job for other in job if head.startswith("head")}
    others = ["rate=0.1", "rate=0.2", "size=1", "size=2", "size=3", "name=x"]
    assert {(f"head={head}", other) for head in "ab" for other in others} <= seen
    assert len(jobs) == 6
    assert all([item.split("=")[0] for item in job] == list(parameters) for job in jobs)


def test_decimal_numbers_are_written_without_their_last_digits():
    assert [written(value) for value in (0.1 + 0.2, 3.0, 1e-5, 3, "a b")] == ["0.3", "3.0", "1e-05", "3", "a b"]
