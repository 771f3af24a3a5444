"""Similarities of an ensemble's members: each is computed once."""

import numpy as np
import pytest

from glr.ensemble.combining import Candidates
from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.joint import Member


def test_each_similarity_is_computed_once(members: list[Member], monkeypatch: pytest.MonkeyPatch):
    computed = []
    similarities = __import__("glr.ensemble.combining", fromlist=["_similarities"])._similarities
    monkeypatch.setattr(
        "glr.ensemble.combining._similarities",
        lambda member, scales, queries: computed.append(len(queries)) or similarities(member, scales, queries),
    )
    Candidates(members, np.arange(40), depth=5, memory=1e-5)
    assert sum(computed) == 40 * 5
    assert max(computed) < 40


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_descriptors_that_are_no_numbers(members: list[Member], bad: float):
    values = members[0].index.values.copy()
    values[17] = bad
    broken = Descriptors(members[0].index.ids, values)
    with pytest.raises(GlrError, match=r"^row 17 of a member's descriptors is zero or holds NaN; the model"):
        Candidates([Member(broken, members[0].query)], np.arange(3), depth=5, memory=1.0)
