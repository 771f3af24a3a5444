"""Trace a config's train step to HLO, the compiler's input, in its own process: TensorFlow conflicts with the compiler.

python -m glr.preflight.tracing CONFIG OUTPUT REPLICAS CLASSES STEPS_PER_EPOCH TRUSTED_CLASS...
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from omegaconf import DictConfig

from glr.config.values import Precision
from glr.errors import GlrError


@dataclass(frozen=True)
class Traced:
    """Facts about a traced step: its model's parameters, and the bytes that the replicas exchange."""

    parameters: int
    exchanged: int


def trace(config: DictConfig, *, replicas: int, classes: int, steps_per_epoch: int) -> tuple[bytes, Traced]:
    """Trace the step that `train` runs, for one replica.

    Args:
        config: composed from conf/train.yaml; the weights that it names are not loaded.
        replicas: number of replicas that share the global batch.
        classes: number of train classes.
        steps_per_epoch: number of steps, which the schedule needs.

    Returns:
        The step as a serialised HLO module, and facts about it.

    Raises:
        GlrError: the backbone does not accept images of this size.
    """
    import tensorflow as tf

    from glr.config.component import build
    from glr.preflight.replica import OneOfMany
    from glr.train.assembly import train_step

    config = config.copy()
    if "weights" in config.backbone:
        config.backbone.weights = None  # they do not change the step
    if config.train.precision == Precision.auto:
        config.train.precision = Precision.mixed_bfloat16  # what a TPU takes
    strategy = OneOfMany(replicas)
    total_steps = config.train.epochs * steps_per_epoch
    schedule = build(config.schedule, steps_per_epoch=steps_per_epoch, total_steps=total_steps)
    step = train_step(config, strategy, schedule, classes)
    share, size = config.train.batch_size // replicas, config.data.image_size
    stacked = () if step.steps_per_call == 1 else (step.steps_per_call,)
    batch = [
        tf.TensorSpec((*stacked, share, size, size, 3), tf.uint8),
        tf.TensorSpec((*stacked, share), tf.int32),
        tf.TensorSpec((*stacked, share, 3, 4), tf.float32),
    ]
    if stacked:  # the step's number, which selects one of the stacked batches
        batch.insert(0, tf.TensorSpec((), tf.int32))
    function = step.replica_step_of if stacked else step.replica_step
    compiled = tf.function(lambda *batch: strategy.run(function, batch), jit_compile=True, autograph=False)
    module = compiled.experimental_get_compiler_ir(*batch)(stage="hlo_serialized")
    return module, Traced(parameters=step.model.count_params(), exchanged=strategy.exchanged)


def _main(config: str, output: str, replicas: str, classes: str, steps_per_epoch: str, *trust: str) -> None:
    from glr.devices.startup import import_tensorflow

    import_tensorflow()
    from glr.model.loading import read_config

    sizes = {"replicas": int(replicas), "classes": int(classes), "steps_per_epoch": int(steps_per_epoch)}
    module, traced = trace(read_config(Path(config), trust), **sizes)
    Path(output).write_bytes(module)
    print(json.dumps(asdict(traced)))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except GlrError as error:
        sys.exit(f"error: {error}")
