"""Concatenated descriptors: their inner products are means of cosines."""

from pathlib import Path

import numpy as np
import pytest

from glr.errors import GlrError
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.joint import Member, check_members, joined
from tests.ensemble.conftest import INDEX, members, normalised

__all__ = ["members"]  # the fixture


def test_inner_products_of_the_joint_descriptors_are_weighted_means_of_cosines(members: list[Member], tmp_path: Path):
    weights = [2.0, 0.5, 1.0]
    index = joined([member.index for member in members[1:4]], weights, tmp_path / "index.npy").values
    query = joined([member.query for member in members[1:4]], weights, tmp_path / "query.npy").values
    cosines = [
        normalised(m.query.values.astype(float)) @ normalised(m.index.values.astype(float)).T for m in members[1:4]
    ]
    expected = sum(w * c for w, c in zip(weights, cosines, strict=True)) / 3.5
    assert index.shape == (INDEX, 12 + 6 + 16)
    np.testing.assert_allclose(query @ index.T, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(index, axis=1), 1, atol=1e-6)


def test_members_of_different_sets(members: list[Member]):
    other = Member(members[1].index, Descriptors([*members[1].query.ids[:-1], "new"], members[1].query.values))
    check_members(members, list("abcde"))
    with pytest.raises(
        GlrError, match=r"^a and b describe different query images \(60 and 60, 59 of them the same\); members have"
    ):
        check_members([members[0], other], ["a", "b"])


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_descriptors_that_are_no_numbers(members: list[Member], bad: float, tmp_path: Path):
    values = members[0].index.values.copy()
    values[17] = bad
    broken = Descriptors(members[0].index.ids, values)
    with pytest.raises(GlrError, match=r"^row 17 of a member's descriptors is zero or holds NaN; the model"):
        joined([broken], [1.0], tmp_path / "x.npy")
