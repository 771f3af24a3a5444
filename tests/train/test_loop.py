"""The loop: it learns, measures, goes on in the middle of an epoch, and stops where nothing can come of it."""

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.errors import DivergedError
from glr.train.interruption import Interruption
from glr.train.loop import Loop
from glr.train.state import State
from glr.train.step import TrainStep
from tests.train.test_step import BATCH, batch_of, make


def fed(batches: Iterable[Any], delay: float = 0) -> Iterator[tuple[Any, int]]:
    for batch in batches:
        time.sleep(delay)
        yield tuple(map(tf.constant, batch)), 1


def broken() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, labels, colours = batch_of()
    return images, labels, np.full_like(colours, np.nan)


def loop(step: TrainStep, batches: Iterator, state: State, per_epoch: int, **options: Any) -> Loop:
    return Loop(step, batches, state, steps_per_epoch=per_epoch, interruption=Interruption(), **options)


def test_learns_a_batch():
    state = State()
    training = loop(make(), fed(itertools.repeat(batch_of())), state, 10)
    history = []
    for _ in range(6):
        history.append(training.epoch())
        state.sums, state.evaluated = type(state.sums)(), state.evaluated + 1
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    assert history[-1]["accuracy"] == 1.0
    assert history[0]["learning_rate"] == pytest.approx(0.01)
    assert history[0]["head_scale"] == pytest.approx(10.0)
    assert history[0]["images_per_second"] == pytest.approx(10 * BATCH / history[0]["seconds"])
    assert state.step == 60


def test_an_epoch_that_is_continued_measures_as_a_whole_one():
    batches = [batch_of(seed) for seed in range(8)]
    whole = loop(make(), fed(batches), State(), 8).epoch()
    step, state = make(), State()

    class StoppedError(Exception):
        pass

    def stop() -> None:
        if state.step == 5:
            raise StoppedError

    first = loop(step, fed(batches), state, 8, boundary=stop)
    with pytest.raises(StoppedError):
        first.epoch()
    first.read()
    again = State.from_json(state.as_json())
    parts = loop(step, fed(batches[5:]), again, 8).epoch()
    for name in ("loss", "accuracy", "penalty", "learning_rate"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)


def test_waiting_for_images_is_told_from_computing():
    quick = loop(make(), fed([batch_of()] * 12), State(), 12).epoch()
    slow = loop(make(), fed([batch_of()] * 12, delay=0.2), State(), 12).epoch()
    assert quick["data_wait_share"] < 0.2
    assert slow["seconds"] * slow["data_wait_share"] == pytest.approx(
        11 * 0.2, rel=0.2
    )  # the first starts the pipeline
    computing = slow["seconds"] * (1 - slow["data_wait_share"])
    assert slow["compute_images_per_second"] == pytest.approx(12 * BATCH / computing)


@pytest.mark.parametrize("at", [1, 4])
def test_a_loss_that_is_no_number_stops_with_its_step_and_rate(at: int):
    batches = [batch_of()] * (at - 1) + [broken()] + [batch_of()] * 6
    with pytest.raises(DivergedError, match=rf"the loss became nan at step {at} \(epoch 1, learning rate 0\.01\)"):
        loop(make(), fed(batches), State(), 7).epoch()


def test_so_many_batches_may_be_left_out_and_no_more():
    batches = [batch_of(), broken(), batch_of(1), broken(), batch_of(2)]
    state = State()
    metrics = loop(make(skip_non_finite=True), fed(batches), state, 5, max_skipped=2).epoch()
    assert (metrics["skipped_batches"], state.skipped) == (2, 2)
    sound = loop(make(), fed([batch_of(), batch_of(1), batch_of(2)]), State(), 3).epoch()
    assert metrics["loss"] == pytest.approx(sound["loss"], rel=1e-5)
    reason = r"2 batches had no finite gradient, the last at step 4: more than train\.max_skipped_batches=1"
    with pytest.raises(DivergedError, match=reason):
        loop(make(skip_non_finite=True), fed(batches), State(), 5, max_skipped=1).epoch()


def test_weights_that_explode_behind_bounded_cosines_stop_at_once():
    exploded = r"the head's weights exploded \(the largest is [\d.]+e\+\d+\) at or shortly before step 1 "
    with pytest.raises(DivergedError, match=exploded):
        loop(make(optimizer=keras.optimizers.SGD(1e9)), fed([batch_of()] * 5), State(), 5).epoch()
