"""Members and weights are checked before anything is imported for them."""

from math import inf, nan

import pytest

from glr.ensemble.settings import check_given, check_weights
from glr.errors import GlrError


@pytest.mark.parametrize(
    ("members", "weights", "sentence"),
    [
        ([True], None, "members: True is no table index, name or id"),
        ([["a"]], None, "members: .* is no table index, name or id"),
        (["a", 2], [1], "weights: 1 for 2 members; give one for each"),
        ([], [1], "weights: 1 for 0 members"),
        *((["a"], [weight], r"weights=\[.*\]: weights must be above 0") for weight in (0, -1, inf, nan)),
    ],
)
def test_a_mistake_is_one_sentence(members: list, weights: list | None, sentence: str):
    with pytest.raises(GlrError, match=f"^{sentence}"):
        check_given(members, weights)


def test_what_is_right_passes():
    check_given(["a", 2], [1, 0.5])
    check_given([], None)
    check_weights("ensemble.weights", [2.0])
