"""The train step beside a bare one: `PYTHONPATH=. python tests/benchmarks/step.py [backbone] [steps]`.

Each in a process of its own, in turns: from the config to the end of the first step, and the time of the steps after
it. The bare one is a `tf.function` written by hand around the same model, loss and optimizer, on the same batches.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROUNDS = 3
KINDS = ("bare", "train")


def main(backbone: str, steps: int) -> None:
    found: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            line = [sys.executable, __file__, backbone, str(steps), kind]
            done = subprocess.run(line, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
            found[kind].append(tuple(map(float, done.stdout.split()[-3:])))
    best = {kind: [min(column) for column in zip(*rows, strict=True)] for kind, rows in found.items()}
    for kind, (build, first, each) in best.items():
        print(f"{kind:6} built in {build:5.1f} s, first step {first:5.1f} s, then {each * 1000:7.1f} ms a step")
    started = {kind: build + first for kind, (build, first, _) in best.items()}
    print(f"a step: {best['train'][2] / best['bare'][2]:.3f} of the bare one")
    print(f"start to the end of the first step: {started['train'] / started['bare']:.3f} of the bare one")


def measure(backbone: str, steps: int, kind: str) -> None:
    import keras
    import numpy as np
    import tensorflow as tf

    from glr.config.check import composed
    from glr.config.command import setup
    from glr.config.component import build
    from glr.schedule import Constant
    from glr.trained import build_model
    from glr.training.assembly import train_step
    from glr.training.interruption import Interruption
    from glr.training.loop import Loop
    from glr.training.state import State

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
    times: list[float] = []

    def batches() -> Any:
        while True:
            times.append(time.monotonic())
            yield batch, 1

    if kind == "train":
        step = train_step(config, strategy, Constant(peak=1e-4), classes)
        built = time.monotonic()
        with Interruption() as interruption:
            state = State()
            Loop(step, batches(), state, steps_per_epoch=steps, interruption=interruption).epoch()
    else:
        model = build_model(config, classes, size)
        optimizer = build(config.optimizer, learning_rate=Constant(peak=1e-4))
        optimizer.build(model.trainable_variables)
        weights = model.trainable_variables
        variables: Any = [weight.value for weight in weights]
        built = time.monotonic()

        @tf.function
        def bare(images: tf.Tensor, labels: tf.Tensor, colours: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                losses, _ = model.losses_of(images, labels, colours)
                loss = tf.reduce_mean(losses)
            optimizer.apply(tape.gradient(loss, variables), weights)
            return loss

        for _, (images, _) in zip(range(steps), batches(), strict=False):
            bare(*images)
    times.append(time.monotonic())
    assert keras.backend.backend() == "tensorflow"
    print(built - started, times[1] - built, float(np.median(np.diff(times[1:]))))


if __name__ == "__main__":
    chosen = sys.argv[1] if len(sys.argv) > 1 else "densenet201"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    measure(chosen, count, sys.argv[3]) if len(sys.argv) > 3 else main(chosen, count)
