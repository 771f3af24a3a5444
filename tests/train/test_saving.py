"""A run is saved when a save is due and before a signal ends it, never with the weights of another step."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from glr.config.check import composed
from glr.config.identity import Identity, settings_of
from glr.devices.workers import Worker
from glr.errors import GlrError
from glr.tracking.recorder import Unrecorded
from glr.train import saving
from glr.train.claim import claimed
from glr.train.interruption import Interruption
from glr.train.job import Job
from glr.train.saving import Saving
from glr.train.state import Best


class Training:
    """Stands in for a model and its optimizer: three weights and a moment hold the number of the step.

    The first weight has a moving average, which holds ten times the number.
    """

    def __init__(self, interruption: Interruption, worker: Worker, claim: Any, config: Any):
        self.weights = [keras.Variable(np.zeros(2, np.float32)) for _ in range(3)]
        self.moment = keras.Variable(np.zeros(2, np.float32))
        self.average = keras.Variable(np.zeros(2, np.float32))
        variables = [*self.weights, self.moment, self.average]
        step = SimpleNamespace(variables=variables, evaluated=[self.average, *self.weights[1:]])
        step.swap_averages = self.swap
        parts: Any = SimpleNamespace(step=step, strategy=None, pipeline=SimpleNamespace(steps_per_epoch=10))
        self.model: Any = SimpleNamespace(variables=self.weights)
        log: Any = SimpleNamespace(text=lambda: f"step {self.saving.state.step}\n")
        job = Job(config, SimpleNamespace(), Unrecorded(), claim, worker=worker, log=log)
        self.saving = Saving(job, parts, interruption)
        self.reads = 0

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.saving.state.step += 1
            for variable in [*self.weights, self.moment]:
                variable.assign(np.full(2, self.saving.state.step))
            self.average.assign(np.full(2, 10 * self.saving.state.step))
            self.saving.boundary(self.read)

    def read(self) -> None:
        self.reads += 1

    def swap(self) -> None:
        weight, average = self.weights[0].numpy(), self.average.numpy()
        self.weights[0].assign(average)
        self.average.assign(weight)

    def numbers(self) -> list[float]:
        return [float(variable.numpy()[0]) for variable in [*self.weights, self.moment]]


@contextmanager
def training(folder: Path, *overrides: str, worker: Worker | None = None) -> Iterator[Training]:
    places = [f"checkpoint.path={folder}/checkpoints", f"tracking.journal={folder}/journal", "backbone=small_cnn"]
    config, _ = composed("train", [*places, *overrides])
    identity = Identity(settings_of(config), "digest")
    with claimed(config, identity, "a name", alone=True, journal="one") as claim, Interruption() as interruption:
        yield Training(interruption, worker or Worker(), claim, config)


def kept(folder: Path) -> list[int]:
    return sorted(int(file.stem.removeprefix("step-")) for file in (folder / "checkpoints").rglob("step-*.npz"))


def test_it_goes_on_from_the_newest(tmp_path: Path):
    with training(tmp_path, "checkpoint.steps=3", "checkpoint.keep=1") as first:
        assert not first.saving.continues
        first.steps(7)
        assert first.saving.wait()
        assert first.reads == 2
    with training(tmp_path) as second:
        assert (second.saving.continues, second.saving.state.step, second.numbers()) == (True, 6, [6, 6, 6, 6])


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_ends_it_after_the_step_saved(tmp_path: Path, number: int, kind: type[BaseException], capsys):
    with training(tmp_path) as begun:
        begun.steps(2)
        os.kill(os.getpid(), number)
        with pytest.raises(kind):
            begun.steps(5)
        assert kept(tmp_path) == [3]
    assert "stopped after step 3, saved; the same command continues" in capsys.readouterr().err


def best_of_step_two(begun: Training) -> None:
    begun.steps(2)
    begun.saving.state.best = Best(0.5, 1, 2)
    begun.saving.save()
    begun.steps(1)


def test_weights_of_another_step_are_lent(tmp_path: Path):
    with training(tmp_path) as begun:
        best_of_step_two(begun)
        with begun.saving.weights_of(2, begun.model):
            assert begun.numbers() == [20, 2, 2, 3]
            begun.saving.save()
        assert begun.numbers() == [3, 3, 3, 3]
        begun.saving.wait()
        assert kept(tmp_path) == [2]  # nothing was saved meanwhile


def test_averages_are_lent(tmp_path: Path):
    with training(tmp_path) as begun:
        begun.steps(3)
        for lent in (begun.saving.averaged(), begun.saving.weights_of(3, begun.model)):
            with lent:
                assert begun.numbers() == [30, 3, 3, 3]
                begun.saving.save()
            assert begun.numbers() == [3, 3, 3, 3]
        begun.saving.wait()
        assert kept(tmp_path) == []


@pytest.mark.parametrize("during_the_swap", [True, False])
def test_a_signal_while_averages_are_lent_saves_the_weights_of_the_training(tmp_path: Path, during_the_swap: bool):
    with training(tmp_path) as begun:
        begun.steps(3)
        swap, lent = begun.swap, []

        def swapped() -> None:
            if during_the_swap:
                os.kill(os.getpid(), signal.SIGTERM)
            swap()

        def stop() -> None:
            lent.append(begun.numbers())
            os.kill(os.getpid(), signal.SIGTERM)

        begun.saving._step.swap_averages = swapped
        with pytest.raises(SystemExit), begun.saving.around(), begun.saving.averaged():
            stop()
        assert len(lent) == (0 if during_the_swap else 1)
        assert begun.numbers() == [3, 3, 3, 3]
    with training(tmp_path) as again:
        assert (again.numbers(), float(again.average.numpy()[0])) == ([3, 3, 3, 3], 30)


def test_what_fails_meanwhile_is_saved_with_the_weights_of_the_training(tmp_path: Path):
    with training(tmp_path) as begun:
        best_of_step_two(begun)
        with (
            pytest.raises(OSError, match="no room"),
            begun.saving.around(),
            begun.saving.weights_of(2, begun.model),
        ):
            raise OSError("no room")
        assert kept(tmp_path) == [2, 3]
    with training(tmp_path) as again:
        assert again.numbers() == [3, 3, 3, 3]


def as_tensorflow_does() -> None:
    """Get a signal, and raise another error in place of the signal's exception, as C code does."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except SystemExit:
        raise AttributeError("'dict' object has no attribute '_type_spec'") from None


def test_a_signal_that_becomes_an_error_is_a_signal(tmp_path: Path, capsys: pytest.CaptureFixture):
    with training(tmp_path) as begun:
        begun.steps(3)
        with pytest.raises(SystemExit) as ended, begun.saving.around():
            as_tensorflow_does()
        assert ended.value.code == 75
        assert "stopped after step 3, saved" in capsys.readouterr().err
        assert kept(tmp_path) == [3]


def ctrl_c_twice() -> None:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_second_ctrl_c_ends_it_without_saving(tmp_path: Path):
    with training(tmp_path) as begun:
        best_of_step_two(begun)
        with pytest.raises(KeyboardInterrupt), begun.saving.around(), begun.saving.weights_of(2, begun.model):
            ctrl_c_twice()
        assert begun.numbers() == [3, 3, 3, 3]
        assert kept(tmp_path) == [2]


def test_only_the_chief_looks_at_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another worker that did would read the device's values after every step from the first checkpoint on."""
    agreement = SimpleNamespace(chiefs=lambda _: -1, any=lambda _: False)
    monkeypatch.setattr(saving, "Agreement", lambda *_: agreement)
    with training(tmp_path, "checkpoint.steps=2", worker=Worker(1, 2)) as begun:
        begun.steps(9)
        assert (begun.reads, kept(tmp_path)) == (0, [])


def test_a_run_that_another_machine_has_taken_over_is_not_saved(tmp_path: Path):
    with training(tmp_path) as begun:
        begun.steps(1)
        (note,) = (tmp_path / "checkpoints").rglob("run.json")
        note.write_text(note.read_text().replace('"holder": "', '"holder": "another'))
        with pytest.raises(GlrError, match="started on another machine, which continues this run"):
            begun.saving.save()
        assert kept(tmp_path) == []


def test_a_checkpoint_brings_the_log_so_far(tmp_path: Path):
    with training(tmp_path, "checkpoint.steps=3") as one:
        one.steps(7)
        one.saving.wait()
    (log,) = (tmp_path / "checkpoints").rglob("log.txt")
    assert (kept(tmp_path)[-1], log.read_text()) == (6, "step 6\n")
