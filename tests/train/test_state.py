"""The position of a run survives JSON to the last bit."""

import json

import pytest

from glr.train.state import Best, EpochSums, State


@pytest.mark.parametrize("best", [None, Best(0.1 + 0.2, 1, 10)])
def test_json_keeps_every_bit(best: Best | None):
    state = State(
        step=12,
        sums=EpochSums(loss=1 / 3, penalty=1e-300, steps=2, seconds=1e-9),
        skipped=1,
        evaluated=1,
        best=best,
        scores={"trained": {"public/gap": 0.1}},
        metrics=[{"kind": "metrics", "values": {"loss": 2 / 3}, "step": 1, "time": 5}],
    )
    assert State.from_json(json.loads(json.dumps(state.as_json()))) == state


def test_the_sums_of_an_epoch_stay_until_the_next_begins():
    state = State(step=10, evaluated=0, sums=EpochSums(steps=10))
    state.begin_epoch(10)  # the first epoch, trained but not evaluated
    assert state.sums.steps == 10
    state.finish_epoch()
    assert (state.evaluated, state.sums.steps) == (1, 10)
    state.begin_epoch(10)
    assert state.sums == EpochSums()
