"""The pace of a run: the remaining time, and a warning of a slow input pipeline once an epoch."""

import json
from pathlib import Path

import pytest

from glr.config.check import composed
from glr.sweep.progress import VARIABLE
from glr.train.state import EpochSums, State
from glr.train.watch import Watch


def watch(state: State, *overrides: str) -> Watch:
    config, _ = composed("train", ["train.epochs=4", "train.batch_size=8", *overrides])
    return Watch(config, state, steps_per_epoch=10)


@pytest.mark.parametrize(("every", "evaluations"), [("1", 3), ("2", 2), ("null", 1)])
def test_what_is_left_is_steps_and_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: str, evaluations: int
):
    """The run is in the second of four epochs, after 4 of 10 steps: 26 steps of half a second remain."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress"))
    state = State(step=14, evaluated=1, sums=EpochSums(seconds=2.0, steps=4))
    watch(state, f"evaluate.every={every}").report(evaluation_seconds=7.0)
    told = json.loads((tmp_path / "progress").read_text())
    assert told == {"epoch": 2, "epochs": 4, "seconds_left": 26 * 0.5 + evaluations * 7.0}


def test_a_long_epoch_is_not_silent(capsys: pytest.CaptureFixture[str]):
    """The first step of a process compiles, and does not count."""
    state = State(step=11, evaluated=1, sums=EpochSums(seconds=50.0, steps=1))
    follower = watch(state)
    for step, seconds in ((11, 50.0), (14, 79.0), (15, 82.0), (16, 90.0)):
        assert capsys.readouterr().out == ""
        state.step, state.sums.seconds = step, seconds
        follower.report(evaluation_seconds=7.0)
        if step == 15:  # 4 steps in 32 s, and 25 to go
            assert capsys.readouterr().out == "step 15 of 40: 1 images/s, about 3 min of training to go\n"


def test_the_pace_is_measured_within_an_epoch(capsys: pytest.CaptureFixture[str]):
    state = State(step=9, evaluated=0, sums=EpochSums(seconds=2.0, steps=9))
    follower = watch(state)
    for evaluated, step, seconds in ((0, 9, 2.0), (1, 11, 5.0), (1, 15, 36.0)):
        state.evaluated, state.step, state.sums.seconds = evaluated, step, seconds
        follower.report(evaluation_seconds=0.0)
    assert capsys.readouterr().out == "step 15 of 40: 1.03 images/s, about 3 min of training to go\n"


def test_a_slow_input_pipeline_is_warned_of_once_an_epoch(capsys: pytest.CaptureFixture[str]):
    state = State(step=20, evaluated=1, sums=EpochSums(seconds=40.0, waited=30.0, steps=10))
    follower = watch(state)
    follower.warn()
    follower.warn()
    output = capsys.readouterr().err
    assert output.count("the device waited for images 75% of the time") == 1
    assert "it computes 8 images/s, the input pipeline delivered 2" in output
    state.evaluated, state.step = 2, 30
    follower.warn()
    assert "75%" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "waited"), [(100.0, 19.0), (10.0, 4.9)])
def test_a_short_wait_is_not_worth_a_word(capsys: pytest.CaptureFixture[str], seconds: float, waited: float):
    watch(State(step=10, sums=EpochSums(seconds=seconds, waited=waited, steps=10))).warn()
    assert capsys.readouterr().err == ""
