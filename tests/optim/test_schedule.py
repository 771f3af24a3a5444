"""Learning rates against plain Python, and every YAML of conf/schedule built and run."""

import importlib
import inspect
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from glr.optim.schedule import Constant, Cosine, Ramp, StepDecay, WarmupCosine

FILES = sorted((Path(__file__).parents[2] / "conf/schedule").glob("*.yaml"))
RUNTIME = {"steps_per_epoch": 7, "total_steps": 140}


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_choices_and_labels():
    labels = {}
    for file in FILES:
        config = OmegaConf.create({"optimizer": {"learning_rate": 4e-4}, "schedule": OmegaConf.load(file)})
        arguments: Any = OmegaConf.to_container(config.schedule, resolve=True)
        module, _, name = arguments.pop("_target_").rpartition(".")
        labels[file.stem] = arguments.pop("label")
        factory = getattr(importlib.import_module(module), name)
        parameters = inspect.signature(factory).parameters
        assert all(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters.values())
        assert set(arguments) == set(parameters) - set(RUNTIME), file
        schedule = factory(**arguments, **{key: RUNTIME[key] for key in RUNTIME if key in parameters})
        assert max(rates(schedule, range(140))) == pytest.approx(4e-4)
    assert labels == {
        "constant": "0.0004",
        "cosine": "CosineDecay(0.0004)",
        "ramp": "0.00001->0.0004->0.00001",
        "step": "StepDecay(0.0004, 0.1 at [10, 15])",
        "warmup_cosine": "WarmupCosine(0.0004, warmup_epochs=1)",
    }


def test_ramp_is_the_study_s():
    expected = [0.00001, 0.000205, 0.0004, 0.000205, 0.0001075, 0.00005875, 0.000034375]  # by hand, epochs 0 to 6
    schedule = Ramp(peak=4e-4, floor=1e-5, ramp_epochs=2, decay=0.5, steps_per_epoch=7)
    np.testing.assert_allclose(rates(schedule, range(49)), np.repeat(expected, 7), rtol=1e-6)
    for epoch in range(2, 40):
        late = 1e-5 + (4e-4 - 1e-5) / 2 ** (epoch - 2)
        assert rates(schedule, [7 * epoch, 7 * epoch + 6]) == pytest.approx([late, late], rel=1e-6)


def test_ramp_without_a_rise_starts_at_the_peak():
    schedule = Ramp(peak=1e-3, floor=1e-4, ramp_epochs=0, decay=0.1, steps_per_epoch=2)
    assert rates(schedule, range(5)) == pytest.approx([1e-3, 1e-3, 1.9e-4, 1.9e-4, 1.09e-4])


@pytest.mark.parametrize("floor", [0.0, 2e-4])
def test_cosine(floor):
    schedule = Cosine(peak=1e-3, floor=floor, total_steps=60)
    expected = [floor + (1e-3 - floor) * math.cos(math.pi / 2 * min(step, 60) / 60) ** 2 for step in range(80)]
    np.testing.assert_allclose(rates(schedule, range(80)), expected, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize(("warmup", "steps"), [(2, 20), (0.25, 2), (0, 0)])
def test_warmup_cosine(warmup, steps):
    schedule = WarmupCosine(peak=1e-3, floor=1e-5, warmup_epochs=warmup, steps_per_epoch=10, total_steps=60)

    def expected(step):
        if step < steps:
            return 1e-5 + 99e-5 / steps * step
        return 1e-5 + 99e-5 * math.cos(math.pi / 2 * min(step - steps, 60 - steps) / (60 - steps)) ** 2

    np.testing.assert_allclose(rates(schedule, range(70)), [expected(step) for step in range(70)], rtol=1e-5)
    assert rates(schedule, [steps]) == pytest.approx([1e-3])


def test_step_decay():
    schedule = StepDecay(peak=0.8, factor=0.5, epochs=[2, 3, 5], steps_per_epoch=3)
    expected = np.repeat([0.8, 0.8, 0.4, 0.2, 0.2, 0.1, 0.1], 3)
    np.testing.assert_allclose(rates(schedule, range(21)), expected, rtol=1e-6)


def test_constant():
    assert rates(Constant(peak=0.25), [0, 7, 10**9]) == [0.25] * 3


ALL = [
    Ramp(peak=4e-4, floor=1e-5, ramp_epochs=2, decay=0.5, steps_per_epoch=7),
    Cosine(peak=1e-3, floor=1e-5, total_steps=60),
    WarmupCosine(peak=1e-3, floor=1e-5, warmup_epochs=1.5, steps_per_epoch=10, total_steps=60),
    StepDecay(peak=0.8, factor=0.5, epochs=[2, 3, 5], steps_per_epoch=3),
    Constant(peak=0.25),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: type(s).__name__)
def test_int_and_float_steps_in_graph_and_optimizer_and_config_round_trip(schedule):
    steps = [0, 1, 6, 7, 13, 29, 59, 60, 61, 500]
    expected = rates(schedule, steps)
    again = type(schedule).from_config(schedule.get_config())
    assert rates(again, steps) == expected
    compiled = tf.function(schedule)
    optimizer: Any = keras.optimizers.Adam(schedule)
    for step, rate in zip(steps, expected, strict=True):
        optimizer.iterations.assign(step)
        by_type = [
            schedule(float(step)),
            schedule(tf.constant(step, tf.int32)),
            schedule(tf.constant(step, tf.float32)),
        ]
        by_type += [compiled(tf.constant(step, tf.int64)), optimizer.learning_rate]
        np.testing.assert_allclose([float(value) for value in by_type], rate, rtol=1e-6)


def test_epochs_are_exact_beyond_what_float32_counts():
    edge = 2**24 + 1  # float32 rounds it to 2^24
    decay = StepDecay(peak=1.0, factor=0.5, epochs=[edge], steps_per_epoch=1)
    assert rates(decay, [edge - 1, edge]) == [1.0, 0.5]
    ramp = Ramp(peak=1.0, floor=0.0, ramp_epochs=1, decay=0.5, steps_per_epoch=edge)
    assert rates(ramp, [edge - 1, edge, 2 * edge - 1, 2 * edge]) == [0.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("schedule", "argument", "value"),
    [
        (Constant, "peak", 0.0),
        (Constant, "peak", -1e-3),
        (Cosine, "floor", 0.5),
        (Cosine, "floor", -0.1),
        (Cosine, "total_steps", 0),
        (Ramp, "ramp_epochs", -1),
        (Ramp, "decay", 1.1),
        (Ramp, "decay", 0.0),
        (Ramp, "steps_per_epoch", 0),
        (WarmupCosine, "warmup_epochs", 20),
        (WarmupCosine, "warmup_epochs", -1),
        (StepDecay, "factor", 0.0),
        (StepDecay, "epochs", []),
        (StepDecay, "epochs", [3, 2]),
        (StepDecay, "epochs", [0, 2]),
    ],
)
def test_wrong_values_are_named(schedule, argument, value):
    right = {
        "peak": 0.1,
        "floor": 0.0,
        "ramp_epochs": 2,
        "decay": 0.5,
        "warmup_epochs": 1,
        "factor": 0.1,
        "epochs": [1],
    }
    right |= RUNTIME
    arguments = {name: right[name] for name in inspect.signature(schedule).parameters} | {argument: value}
    with pytest.raises(ValueError) as error:  # noqa: PT011
        schedule(**arguments)
    assert str(error.value).startswith(f"{argument}={value}: ")
