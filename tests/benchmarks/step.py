"""The train step compared with a bare one: `PYTHONPATH=. python tests/benchmarks/step.py [backbone] [steps]`.

The bare step is a hand-written `tf.function` around the same model, loss and optimizer, on the same batches. The time
from the config to the end of the first step is measured in a process for each, in turns. The time of a step is measured
for both in turns in one process, because processes of the same program differ by several percent.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROUNDS = 3
KINDS = ("bare", "train")


def main(backbone: str, steps: int) -> None:
    found: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in (*KINDS, "both")}
    for _ in range(ROUNDS):
        for kind, rows in found.items():
            line = [sys.executable, __file__, backbone, str(steps), kind]
            done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
            rows.append(tuple(map(float, done.stdout.split()[-2:])))
    best = {kind: [min(column) for column in zip(*rows, strict=True)] for kind, rows in found.items()}
    for kind in KINDS:
        print(f"{kind:6} built in {best[kind][0]:5.1f} s, first step {best[kind][1]:5.1f} s")
    print(f"start to the end of the first step: {sum(best['train']) / sum(best['bare']):.3f} of the bare one")
    for bare, train in found["both"]:
        print(f"a step: bare {bare * 1000:.1f} ms, train {train * 1000:.1f} ms: {train / bare:.3f}")


def measure(backbone: str, steps: int, kind: str) -> tuple[float, float]:
    """Return one kind's seconds to build and of its first step; for `both`, the median bare and train step."""
    import numpy as np
    import tensorflow as tf

    from glr.config.check import composed
    from glr.config.command import setup
    from glr.config.component import build
    from glr.optim.schedule import Constant
    from glr.train.assembly import train_step

    setup()
    started = time.monotonic()
    classes = 1000
    config, _ = composed("train", [f"backbone={backbone}", "backbone.weights=null", "strategy=cpu"])
    size, batch_size = config.data.image_size, config.train.batch_size
    random = np.random.default_rng(0)
    batch = (
        tf.constant(random.integers(0, 256, (batch_size, size, size, 3)), tf.uint8),
        tf.constant(random.integers(0, classes, batch_size), tf.int32),
        tf.constant(np.tile(np.eye(3, 4, dtype=np.float32), (batch_size, 1, 1))),
    )
    strategy = build(config.strategy)
    bare = bare_step(config, classes) if kind != "train" else None
    step = train_step(config, strategy, Constant(peak=1e-4), classes) if kind != "bare" else None
    built = time.monotonic()
    if step is None or bare is None:
        if bare is not None:
            bare(*batch)
        if step is not None:
            epoch(step, iter([(batch, 1)]), 1)
        return built - started, time.monotonic() - built
    times: dict[str, list[float]] = {name: [] for name in KINDS}

    def batches() -> Iterator[Any]:
        while True:
            began = time.monotonic()
            bare(*batch)
            between = time.monotonic()
            times["bare"].append(between - began)
            yield batch, 1
            times["train"].append(time.monotonic() - between)

    epoch(step, batches(), steps + 2)
    found = [float(np.median(times[name][2:])) for name in KINDS]
    return found[0], found[1]


def epoch(step: Any, batches: Iterator[Any], steps: int) -> None:
    """Train as a job does."""
    from glr.train.loop import Loop
    from glr.train.state import State

    for _ in Loop(step, batches, State(), steps_per_epoch=steps).epoch():
        pass


def bare_step(config: Any, classes: int) -> Callable[..., Any]:
    """Return the shortest step that trains the same model."""
    import tensorflow as tf

    from glr.config.component import build
    from glr.model.loading import build_model
    from glr.optim.schedule import Constant

    model = build_model(config, classes, config.data.image_size)
    optimizer = build(config.optimizer, learning_rate=Constant(peak=1e-4))
    optimizer.build(model.trainable_variables)
    weights = model.trainable_variables
    variables: Any = [weight.value for weight in weights]

    @tf.function
    def bare(images: tf.Tensor, labels: tf.Tensor, colours: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses, _ = model.losses_of(images, labels, colours)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, variables), weights)
        return loss

    return bare


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "densenet201"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    print(*measure(chosen, count, sys.argv[3])) if len(sys.argv) > 3 else main(chosen, count)
