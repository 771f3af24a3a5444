"""The loop learns, measures, continues in the middle of an epoch, and stops a hopeless run."""

import itertools
import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from glr.errors import DivergedError
from glr.model.head.triplet import Triplet
from glr.train.loop import Loop
from glr.train.state import State
from glr.train.step import TrainStep
from tests.train.test_step import BATCH, Remade, batch_of, make, remade

__all__ = ["remade"]  # a fixture of this module's own


def fed(batches: Iterable[Any], delay: float = 0) -> Iterator[tuple[Any, int]]:
    for batch in batches:
        time.sleep(delay)
        yield tuple(map(tf.constant, batch)), 1


def plain(remade: Remade) -> TrainStep:
    return remade("plain", make)


def skipping(remade: Remade) -> TrainStep:
    return remade("skipping", lambda: make(skip_non_finite=True))


def broken() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images, labels, colours = batch_of()
    return images, labels, np.full_like(colours, np.nan)


def loop(step: TrainStep, batches: Iterator, state: State, per_epoch: int, **options: Any) -> Loop:
    return Loop(step, batches, state, steps_per_epoch=per_epoch, **options)


def epoch(training: Loop) -> dict[str, float]:
    """Train the epoch: what it measured."""
    for _ in training.epoch():
        pass
    return training.metrics()


def test_a_head_without_a_scale_has_none_among_the_metrics():
    head = Triplet(num_classes=3, margin=0.1, negatives="hard")
    step: Any = SimpleNamespace(model=SimpleNamespace(head=head), batch_size=4, learning_rate=lambda: 0.1)
    state = State()
    state.sums.seconds = 1.0
    assert "head_scale" not in loop(step, iter(()), state, 10).metrics()


def test_learns_a_batch(remade: Remade):
    state = State()
    training = loop(plain(remade), fed(itertools.repeat(batch_of())), state, 10)
    history = []
    for _ in range(6):
        history.append(epoch(training))
        state.finish_epoch()
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    assert history[-1]["accuracy"] == 1.0
    assert history[0]["learning_rate"] == pytest.approx(0.01)
    assert history[0]["head_scale"] == pytest.approx(10.0)
    assert history[0]["images_per_second"] == pytest.approx(10 * BATCH / history[0]["seconds"])
    assert state.step == 60


def test_an_epoch_that_is_continued_measures_as_a_whole_one(remade: Remade):
    batches = [batch_of(seed) for seed in range(8)]
    whole = epoch(loop(plain(remade), fed(batches), State(), 8))
    step, state = plain(remade), State()
    first = loop(step, fed(batches), state, 8)
    for _ in itertools.islice(first.epoch(), 5):
        pass
    first.read()
    again = State.from_json(state.as_json())
    parts = epoch(loop(step, fed(batches[5:]), again, 8))
    for name in ("loss", "accuracy", "penalty", "learning_rate"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5)


def test_the_sums_of_an_epoch_stay_until_the_next_begins(remade: Remade):
    """A process that ends before they were recorded leaves them to the next."""
    state = State()
    training = loop(plain(remade), fed(itertools.repeat(batch_of())), state, 3)
    before = epoch(training)
    again = loop(plain(remade), fed([]), State.from_json(state.as_json()), 3)
    assert epoch(again)["loss"] == before["loss"]
    state.finish_epoch()
    assert state.sums.steps == 3
    next(training.epoch())
    assert state.sums.steps == 1


def test_the_time_between_two_steps_is_no_training(remade: Remade):
    state = State()
    for _ in loop(plain(remade), fed([batch_of()] * 4), state, 4).epoch():
        before = state.sums.seconds
        time.sleep(0.3)
        assert state.sums.seconds == before
    assert state.sums.seconds < 60


def test_waiting_for_images_is_told_from_computing():
    step = make(optimizer=keras.optimizers.SGD(0.01))
    quick = epoch(loop(step, fed([batch_of()] * 12), State(), 12))  # the first call takes seconds: it is compiled
    slow = epoch(loop(step, fed([batch_of()] * 12, delay=0.2), State(), 12))
    assert quick["data_wait_share"] < 0.2
    assert slow["seconds"] * slow["data_wait_share"] == pytest.approx(
        11 * 0.2, rel=0.2
    )  # the first starts the pipeline
    computing = slow["seconds"] * (1 - slow["data_wait_share"])
    assert slow["compute_images_per_second"] == pytest.approx(12 * BATCH / computing)


@pytest.mark.parametrize("at", [1, 4])
def test_a_loss_that_is_no_number_stops_with_its_step_and_rate(remade: Remade, at: int):
    batches = [batch_of()] * (at - 1) + [broken()] + [batch_of()] * 6
    with pytest.raises(DivergedError, match=rf"the loss became nan at step {at} \(epoch 1, learning rate 0\.01\)"):
        epoch(loop(plain(remade), fed(batches), State(), 7))


def test_so_many_batches_may_be_left_out_and_no_more(remade: Remade):
    batches = [batch_of(), broken(), batch_of(1), broken(), batch_of(2)]
    state = State()
    metrics = epoch(loop(skipping(remade), fed(batches), state, 5, max_skipped=2))
    assert (metrics["skipped_batches"], state.skipped) == (2, 2)
    sound = epoch(loop(plain(remade), fed([batch_of(), batch_of(1), batch_of(2)]), State(), 3))
    assert metrics["loss"] == pytest.approx(sound["loss"], rel=1e-5)
    reason = r"2 batches had no finite gradient, the last at step 4: more than train\.max_skipped_batches=1"
    with pytest.raises(DivergedError, match=reason):
        epoch(loop(skipping(remade), fed(batches), State(), 5, max_skipped=1))


def test_weights_that_explode_behind_bounded_cosines_stop_at_once():
    exploded = r"the head's weights exploded \(the largest is [\d.]+e\+\d+\) at or shortly before step 1 "
    with pytest.raises(DivergedError, match=exploded):
        epoch(loop(make(optimizer=keras.optimizers.SGD(1e9)), fed([batch_of()] * 5), State(), 5))
