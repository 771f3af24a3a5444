"""A run on one batch ends when its loss is near its minimum, and fails with a sentence if it never is."""

import math

import pytest

from glr.config.check import composed
from glr.data.augment import Unchanged
from glr.data.pipeline import TrainPipeline
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.train.assembly import overfit
from glr.train.overfit import Overfit


@pytest.fixture
def pipeline(small_data: PreparedData) -> TrainPipeline:
    return TrainPipeline(
        small_data, Unchanged(), image_size=8, batch_size=24, seed=0, shuffle_buffer=30, parallelism=1
    ).shortened(1, one_batch=True)


def test_the_target_is_a_distance_from_the_minimum(capsys: pytest.CaptureFixture[str]):
    fit = Overfit(0.1, minimum=0.5, guessing=3.0, epochs=3)
    fit.check(1, 20, 0.61, 1.0)
    assert not fit.reached
    fit.conclude()
    assert capsys.readouterr().out == ""
    fit.check(2, 40, 0.59, 1.0)
    assert fit.reached
    fit.conclude()
    assert capsys.readouterr().out == (
        "the model fits one batch: after 40 steps on one batch the loss is 0.5900, the accuracy 1.0000; the target is "
        "0.6000, the head's minimum + debug.target_loss=0.1\n"
    )


def test_a_loss_that_stays_high_fails_after_the_last_epoch():
    fit = Overfit(0.1, minimum=0.0, guessing=3.0, epochs=2)
    fit.check(1, 20, 2.9, 0.1)
    with pytest.raises(GlrError, match=r"^the model did not fit one batch: after 40 steps .* the loss is 2\.8000"):
        fit.check(2, 40, 2.8, 0.1)


def test_a_run_without_a_target_is_left_alone(capsys: pytest.CaptureFixture[str]):
    fit = Overfit(None, minimum=0.0, guessing=0.0, epochs=1)
    fit.check(1, 20, 9.0, 0.0)
    fit.conclude()
    assert not fit.reached
    assert capsys.readouterr().out == ""


def test_a_head_whose_loss_cannot_fall_is_refused(pipeline: TrainPipeline):
    """C = 9 classes: s = 0.1 leaves log(1 + 8 exp(-0.1 (1 + 1/8))) of log 9 even to ideal descriptors."""
    minimum = math.log(1 + 8 * math.exp(-0.1 * 9 / 8))
    flat, _ = composed("train", ["debug=overfit", "head=norm_softmax", "head.scale=0.1"])
    with pytest.raises(GlrError, match=rf"cannot fall: it is {math.log(9):.3g} .* and {minimum:.3g} for ideal"):
        overfit(flat, 9, pipeline)
    usual, _ = composed("train", ["debug=overfit"])  # the default head, whose loss does not approach 0
    assert not overfit(usual, 9, pipeline).reached


def test_a_target_that_guesses_reach_is_refused(pipeline: TrainPipeline):
    """Guesses have the triplet loss of a distance of 0, the margin."""
    loose, _ = composed("train", ["debug=overfit", "head=triplet", "head.margin=0.12"])
    with pytest.raises(GlrError, match=r"^debug.target_loss=0.1: it tells nothing, .* is 0.12 for guesses and 0 for"):
        overfit(loose, 9, pipeline)
    strict, _ = composed("train", ["debug=overfit", "head=triplet", "head.margin=0.2"])
    assert not overfit(strict, 9, pipeline).reached
    beyond, _ = composed("train", ["debug=overfit", "head=triplet", "head.negatives=semihard"])
    assert not overfit(beyond, 9, pipeline).reached


def test_a_batch_without_pairs_is_refused(small_data: PreparedData):
    alone = TrainPipeline(
        small_data, Unchanged(), image_size=8, batch_size=1, seed=0, shuffle_buffer=30, parallelism=1
    ).shortened(1, one_batch=True)
    pairs, _ = composed("train", ["debug=overfit", "head=supcon"])
    with pytest.raises(GlrError, match=r"has no loss on this batch, .*; give data\.sampler=classes "):
        overfit(pairs, 9, alone)
