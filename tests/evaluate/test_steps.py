"""Each step is scored, and a step that lowers a score is named."""

import numpy as np
import pytest

from glr.data.solution import Solution
from glr.evaluate.steps import Steps, before_and_after, lowered
from glr.retrieval.descriptors import Descriptors
from glr.retrieval.landmarks import LandmarkTask


def test_each_step_is_scored():
    """Two queries, each with one right image: at first both come first, then one second, then both second."""
    right = {"p": frozenset("a"), "q": frozenset("b")}
    task = LandmarkTask(Solution(right, {"p": "Public", "q": "Private"}, "retrieval"), None, {})
    index, query = Descriptors(["a", "b"], np.eye(2, dtype=np.float32)), np.eye(2, dtype=np.float32)
    steps = Steps(task, 0.1)
    steps("", index, Descriptors(["p", "q"], query))
    steps("whitening", index, Descriptors(["p", "q"], query[[0, 0]]))
    steps("reranking", index, Descriptors(["p", "q"], query[[0, 0]]), lambda _q, _i, s, p, _m: (s, p[:, ::-1]))
    scores = {step: (m["public/map_at_100"], m["private/map_at_100"]) for step, m in steps.metrics.items()}
    assert scores == {"": (1.0, 1.0), "whitening": (1.0, 0.5), "reranking": (0.5, 1.0)}
    np.testing.assert_array_equal(steps.ranking.positions, [[1, 0], [1, 0]])
    assert lowered(steps.metrics) == {
        "whitening": "whitening lowers private/map_at_100 from 1.0000 to 0.5000",
        "reranking": "reranking lowers public/map_at_100 from 1.0000 to 0.5000",
    }
    assert before_and_after(steps.metrics) == {"before": steps.metrics[""], "after": steps.metrics["reranking"]}


@pytest.mark.parametrize("metric", ["public/gap", "private/map_at_100", "gap", "easy/map"])
def test_only_what_shows_in_four_decimals_counts(metric: str):
    others = {"public/recall_at_5": 1.0, "public/mean_position": 9.0}
    states = {"": {metric: 0.5} | others, "tiny": {metric: 0.49999}, "up": {metric: 0.6}, "down": {metric: 0.5999}}
    assert lowered(states) == {"down": f"down lowers {metric} from 0.6000 to 0.5999"}
    assert before_and_after({"": others}) == {"": others}
