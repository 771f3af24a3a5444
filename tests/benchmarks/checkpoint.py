"""The cost of checkpoints and records in training: `PYTHONPATH=. python tests/benchmarks/checkpoint.py [classes]`.

Trains DenseNet201 as the demo does and times the same steps alone, with a checkpoint begun after the first of them, and
with an epoch's records; by default a run saves a checkpoint every ten minutes.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from glr.config.check import composed
from glr.config.component import build
from glr.config.resolvers import setup
from glr.config.schema import Tracking
from glr.optim.schedule import Constant
from glr.tracking.run import Run, run
from glr.train.assembly import train_step
from glr.train.checkpoint import Checkpoints
from glr.train.state import State
from glr.train.step import TrainStep

STEPS, ROUNDS = 30, 3


def main(classes: int) -> None:
    config, _ = composed("train", ["backbone=densenet201", "head=adacos_semi", "regularization=l2", "strategy=cpu"])
    step = train_step(config, build(config.strategy), Constant(peak=1e-4), classes)
    random = np.random.default_rng(0)
    size = config.data.image_size
    batch = (
        tf.constant(random.integers(0, 256, (config.train.batch_size, size, size, 3)), tf.uint8),
        tf.constant(random.integers(0, classes, config.train.batch_size), tf.int32),
        tf.constant(np.tile(np.eye(3, 4, dtype=np.float32), (config.train.batch_size, 1, 1))),
    )
    for _ in range(5):
        step(batch)
    with tempfile.TemporaryDirectory() as folder:
        tracking = Tracking(f"sqlite:///{folder}/mlflow.db", folder, f"{folder}/journal", 60)
        options = {"keep": 2, "minutes": 10, "steps": None, "epochs": None, "steps_per_epoch": STEPS}
        kept = Checkpoints(f"{folder}/checkpoints", **options)
        with run(tracking, "benchmark", "run") as record:
            record.wait()
            variants: dict[str, Callable[[int], None]] = {
                "steps alone": lambda _: None,
                "with a checkpoint": lambda at: kept.save(State(step=at), step.variables),
                "with an epoch's records": lambda at: write(record, at),
            }
            times: dict[str, list[float]] = {name: [] for name in variants}
            for round_ in range(ROUNDS):
                for name, act in variants.items():
                    times[name].append(timed(step, batch, lambda act=act, round_=round_: act(round_ + 1)))
                    kept.wait()
        (newest,) = list(Path(folder, "checkpoints").glob(f"*{ROUNDS:010d}.npz"))
        megabytes = newest.stat().st_size / 1e6
    alone = min(times["steps alone"])
    pause = kept.seconds / ROUNDS
    print(f"{alone / STEPS * 1000:.0f} ms a step; a checkpoint has {megabytes:.0f} MB and holds it up {pause:.2f} s")
    saving = min(times["with a checkpoint"]) - alone
    recording = min(times["with an epoch's records"]) - alone
    print(f"{STEPS} steps {alone:.2f} s, with a checkpoint {saving:+.2f} s, with an epoch's records {recording:+.2f} s")
    print(
        f"a checkpoint every 600 s: {saving / 600:.2%} of the time; records of an epoch of 60 s: {recording / 60:.2%}"
    )


def write(record: Run, epoch: int) -> None:
    """Record as many metrics as an epoch does."""
    record.metrics({f"metric{number}": 0.5 for number in range(12)}, epoch)
    record.metrics({f"score{number}": 0.5 for number in range(22)}, epoch)


def timed(step: TrainStep, batch: tuple, act: Callable[[], None]) -> float:
    started = time.monotonic()
    step(batch)
    act()
    for _ in range(STEPS - 1):
        step(batch)
    return time.monotonic() - started


if __name__ == "__main__":
    setup()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 81_313)
