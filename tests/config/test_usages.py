"""The names of scores by usage, and the score that counts."""

import pytest

from glr.config.usages import headline, main_metric, main_score
from glr.errors import GlrError


def test_scores_by_usage():
    divided = {"public/gap": 0.5, "private/gap": 0.25, "private/map_at_100": 0.75}
    assert headline(divided, "gap") == {"public_score": 0.5, "private_score": 0.25}
    assert headline(divided, "map_at_100") == {"private_score": 0.75}
    assert headline({"gap": 0.5}, "gap") == {"score": 0.5}
    with pytest.raises(GlrError, match=r"^score=gap: .* no solution for this metric; its metrics are map_at_100$"):
        headline({"map_at_100": 0.5}, "gap")


def test_public_counts_before_private_and_a_plain_score():
    assert main_score({"loss": 1.0, "private_score": 0.5, "public_score": 0.25}) == 0.25
    assert main_score({"private_score": 0.5}) == 0.5
    assert main_score({"score": 0.125}) == 0.125
    assert main_score({"loss": 1.0}) is None
    assert main_metric({"loss": 1.0, "private_score": 0.5, "public_score": 0.25}, "gap") == "public/gap"
    assert main_metric({"score": 0.125}, "map_at_100") == "map_at_100"
