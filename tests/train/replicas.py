"""Trains one small model on 1, 2 and 8 replicas with every head: correctly, and with one deliberate mistake each.

Logical devices must be asked for before TensorFlow starts, so a test needs a process of its own for this: `main`
pickles the results into a file.
"""

import pickle
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from omegaconf import OmegaConf

from glr.config.component import build
from glr.config.installation import CONF
from glr.config.resolvers import setup
from glr.devices import strategy
from glr.model.drop_path import drop_paths
from glr.model.head import adacos, curricularface, pairs
from glr.model.network import RetrievalModel
from glr.optim.optimizer import Adam, AdamW, decay_kernels_only
from glr.optim.regularization import L2, Unregularized
from glr.optim.schedule import Constant
from glr.train.step import Outcome, TrainStep, outcomes
from tests.train.tiny import BATCH, CLASSES, STEPS, batches, network

OVER_PAIRS = {"circle", "multi_similarity", "supcon", "triplet"}
HEADS = sorted(path.stem for path in (CONF / "head").glob("*.yaml"))
RATE = 0.05


def momentum(**options: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(RATE, momentum=0.9, **options)


@dataclass(frozen=True)
class Case:
    """A model to train, and the deliberate mistake, if any."""

    head: str = "norm_softmax"
    regularization: Any = field(default_factory=lambda: L2(weight_decay=0.01, scope="all"))
    optimizer: Callable[[], keras.optimizers.Optimizer] = momentum
    precision: str = "float32"
    synchronised: bool = True
    drop_path: float = 0.0
    frozen: bool = False  # freeze BatchNorm, so that only the sum of gradients connects the replicas
    broken: int | None = None  # the step whose last image has no finite gradient
    options: dict[str, Any] = field(default_factory=dict)
    replicas: tuple[int, ...] = (1, 2)
    mistake: Callable[[TrainStep], Any] = lambda _: None


@dataclass
class Snapshot:
    """The state after a step: its metrics, and every variable with its name."""

    outcome: Outcome
    variables: list[tuple[str, np.ndarray]]


def loss_scaled() -> keras.optimizers.Optimizer:
    return keras.optimizers.LossScaleOptimizer(momentum(), initial_scale=1024.0)


def cases() -> dict[str, Case]:
    """Return the cases that must give the same result on any number of replicas; on 8, the heads that gather values."""
    many = {"adacos_dynamic", "curricularface", "proxy_anchor", *OVER_PAIRS}
    skipping = {"broken": 1, "options": {"skip_non_finite": True}}
    return {head: Case(head, replicas=(1, 2, 8) if head in many else (1, 2)) for head in HEADS} | {
        "clipped": Case(optimizer=lambda: momentum(global_clipnorm=0.05)),
        "loss scaling, broken": Case(optimizer=loss_scaled, **skipping),
        "broken": Case("curricularface", **skipping),
        "broken in one share": Case(frozen=True, **skipping),
        "adam": Case(optimizer=lambda: Adam(0.01, epsilon=0.1)),
        "free, adamw": Case(
            optimizer=lambda: AdamW(0.01, epsilon=0.1, weight_decay=0.1), regularization=Unregularized()
        ),
        "averaged": Case(optimizer=lambda: momentum(use_ema=True, ema_momentum=0.5)),
        "two steps a call": Case("adacos_dynamic", options={"steps_per_call": 2}),
        "float16": Case(optimizer=loss_scaled, precision="mixed_float16"),
        "bfloat16": Case("adacos_dynamic", precision="mixed_bfloat16"),
        "stochastic depth": Case(drop_path=0.5),
        "per replica": Case(synchronised=False),
    }


def mistakes() -> dict[str, tuple[str, Case]]:
    """Return, for each mistake, the right case from which it must differ, and the wrong case on 2 replicas."""
    two, broken = {"replicas": (2,)}, {"broken": 1, "options": {"skip_non_finite": True}}
    clipped = {"optimizer": lambda: momentum(global_clipnorm=0.05)}
    return {
        "the penalty is not divided": ("norm_softmax", Case(regularization=Undivided(), **two)),
        "the loss is divided by the share": ("norm_softmax", Case(mistake=share_of_the_batch, **two)),
        "gradients are averaged": ("norm_softmax", Case(mistake=averaged, **two)),
        "gradients are summed twice": ("norm_softmax", Case(mistake=summed_twice, **two)),
        "gradients are clipped, then summed": ("clipped", Case(mistake=summed_late, **clipped, **two)),
        "each replica tests its own gradients": (
            "broken in one share",
            Case(frozen=True, mistake=summed_late, **broken, **two),
        ),
        "the median is the share's": ("adacos_semi", Case("adacos_semi", mistake=own_median, **two)),
        "B_avg is the share's": ("adacos_dynamic", Case("adacos_dynamic", mistake=own_b_avg, **two)),
        "the mean cosine is the share's": ("curricularface", Case("curricularface", mistake=own_mean, **two)),
        "the pairs are the share's": ("supcon", Case("supcon", mistake=own_pairs, **two)),
        "no gradient from other replicas": ("supcon", Case("supcon", mistake=own_gradients, **two)),
        "the mean of positive losses is the share's": ("circle", Case("circle", mistake=own_share, **two)),
    }


class Undivided(L2):
    """A penalty that counts once per replica."""

    def __init__(self):
        super().__init__(weight_decay=0.01, scope="all")

    def penalty(self, network: keras.Model, head: keras.layers.Layer) -> tf.Tensor:
        return super().penalty(network, head) * tf.distribute.get_strategy().num_replicas_in_sync


def share_of_the_batch(step: TrainStep) -> None:
    step.batch_size //= step.strategy.num_replicas_in_sync


def averaged(step: TrainStep) -> None:
    right, replicas = step._summed, step.strategy.num_replicas_in_sync
    step._summed = lambda gradients: [gradient / replicas for gradient in right(gradients)]


def summed_twice(step: TrainStep) -> None:
    del step._inner._all_reduce_sum_gradients


def summed_late(step: TrainStep) -> None:
    """Sum as late as Keras does: each replica clips and tests its own gradients."""
    del step._inner._all_reduce_sum_gradients
    step._summed = lambda gradients: gradients


def own_median(_: TrainStep) -> None:
    adacos.cos_of_median = rebound(adacos.cos_of_median, gathered=lambda values: values)


def own_b_avg(_: TrainStep) -> None:
    adacos.AdaCosDynamic.scale_for = rebound(adacos.AdaCosDynamic.scale_for, gathered=lambda values: values)


def own_mean(_: TrainStep) -> None:
    curricularface.global_mean = lambda mean: mean


def own_pairs(_: TrainStep) -> None:
    pairs.shared = pairs.gathered = lambda values: values
    pairs.first = lambda _: 0


def own_gradients(_: TrainStep) -> None:
    pairs.shared = pairs.gathered


def own_share(_: TrainStep) -> None:
    pairs.global_mean = lambda mean: mean


def rebound(function: Any, **values: Any) -> Any:
    """Copy a function with some of its globals replaced."""
    return FunctionType(function.__code__, {**function.__globals__, **values}, function.__name__)


@contextmanager
def heads_as_they_are() -> Iterator[None]:
    """Restore the heads after a mistake has changed them."""
    before = adacos.cos_of_median, adacos.AdaCosDynamic.scale_for, curricularface.global_mean
    exchanged = {name: getattr(pairs, name) for name in ("shared", "gathered", "first", "global_mean")}
    try:
        yield
    finally:
        adacos.cos_of_median, adacos.AdaCosDynamic.scale_for, curricularface.global_mean = before
        vars(pairs).update(exchanged)


def step_of(case: Case, over: tf.distribute.Strategy) -> TrainStep:
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(case.precision)
    with over.scope():
        model = RetrievalModel(
            network(),
            keras.layers.Flatten(name="flatten"),
            build(OmegaConf.load(CONF / f"head/{case.head}.yaml"), num_classes=CLASSES),
            embedding_size=12,
            batchnorm_momentum=0.7,
            normalization="minus_one_one",
            synchronised=case.synchronised,
        )
        model.batch_norms()[-1].trainable = not case.frozen
        if case.drop_path:
            model.drop_path_seeds = drop_paths(model.network, case.drop_path)
        optimizer = case.optimizer()
        decay_kernels_only(getattr(optimizer, "inner_optimizer", optimizer), model.trainable_variables)
    if model.head.trainable_weights:
        near_the_images(model)
    schedule = Constant(peak=RATE)
    return TrainStep(model, optimizer, schedule, case.regularization, over, BATCH, **case.options)


def near_the_images(model: RetrievalModel) -> None:
    """Put each class's weight near its images: AdaCos looks at the median angle only where it is below pi/4."""
    images, labels, _ = batches(None)[0]
    images = images / np.float32(127.5) - 1
    described = model.network(images, training=False).numpy()
    described -= described.mean(0)
    kernel = np.stack([described[labels == label].sum(0) for label in range(CLASSES)], 1)
    columns = model.head.kernel.shape[1] // CLASSES
    noise = 0.1 * np.random.default_rng(2).normal(size=(len(kernel), columns * CLASSES))
    model.head.kernel.assign(np.tile(kernel / np.linalg.norm(kernel, axis=0), columns) + noise)


def trained(case: Case, over: tf.distribute.Strategy) -> list[Snapshot]:
    """A snapshot after every call of the step."""
    with heads_as_they_are():
        step = step_of(case, over)
        case.mistake(step)
        made = batches(case.broken)
        count = step.steps_per_call
        values = []
        for first in range(0, STEPS, count):
            calls = made[first] if count == 1 else tuple(map(np.stack, zip(*made[first : first + count], strict=True)))
            measured = outcomes([(step(distributed(calls, over, axis=0 if count == 1 else 1), count), count)])
            values.append(snapshot(step, measured[-1]))
        step.swap_averages()
        return [*values, snapshot(step, values[-1].outcome)] if step.optimizer.use_ema else values


def snapshot(step: TrainStep, outcome: Outcome) -> Snapshot:
    """The step's variables; every replica has the same values."""
    for variable in step.model.trainable_variables:
        first, *others = step.strategy.experimental_local_results(variable.value)
        for other in others:
            np.testing.assert_array_equal(first.numpy(), other.numpy(), err_msg=variable.path)
    return Snapshot(outcome, [(label(v), np.array(v.value.read_value())) for v in step.variables])


def label(variable: keras.Variable) -> str:
    """Return a variable's path without the numbers that distinguish Keras's layers of one class."""
    return re.sub(r"_\d+(?=/|_|$)", "", variable.path)


def distributed(arrays: tuple[np.ndarray, ...], over: tf.distribute.Strategy, axis: int) -> Any:
    """Distribute a batch over the replicas in order."""
    share = BATCH // over.num_replicas_in_sync

    def part(array: np.ndarray) -> Any:
        def share_of(context: Any) -> tf.Tensor:
            first = context.replica_id_in_sync_group * share
            return tf.constant(np.take(array, range(first, first + share), axis))

        return over.experimental_distribute_values_from_function(share_of)

    return tuple(part(array) for array in arrays)


def strategies() -> dict[int, tf.distribute.Strategy]:
    by_count = {8: strategy.cpu(8), 1: tf.distribute.OneDeviceStrategy("/cpu:0")}
    # Groups of devices are told apart by numbers that each strategy counts from here; no process has two but this.
    tf.distribute.MirroredStrategy._collective_key_base += 100_000
    return by_count | {2: tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])}


def main(file: str, part: int, parts: int) -> None:
    """Train one part of the cases and pickle their snapshots."""
    setup()
    over = strategies()
    chosen = cases() | {name: wrong for name, (_, wrong) in mistakes().items()}
    wanted = list(chosen.items())[part::parts]
    results = {(name, count): trained(case, over[count]) for name, case in wanted for count in case.replicas}
    Path(file).write_bytes(pickle.dumps(results))
