"""Runs of a sweep that differ in nothing that is compiled share a step."""

from glr.config.check import composed
from glr.preflight.measuring import Step


def step(*overrides: str) -> str:
    return Step(composed("preflight", list(overrides))[0], "v3-8", 1000, 10).key


def test_runs_that_differ_in_schedule_rate_or_length_share_a_step():
    one = step("experiment=published/09_xception")
    assert one == step("experiment=published/15_xception_cosine_high_rate")
    assert one == step("experiment=published/09_xception", "train.epochs=3", "backbone.weights=null", "seed=3")
    others = ["train.batch_size=64", "train.precision=mixed_bfloat16", "head=arcface", "pooling=avg", "optimizer=sgd"]
    others += ["data.image_size=300", "data.normalization=imagenet", "model.embedding_size=64", "regularization=none"]
    others += ["train.steps_per_execution=4"]
    keys = {step("experiment=published/09_xception", other) for other in others}
    assert len(keys | {one}) == len(others) + 1
