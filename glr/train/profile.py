"""Trace some steps of a run with TensorFlow's profiler, and store the trace with the run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from glr.errors import GlrError
from glr.tracking.recorder import Recorder

PROFILE = "profile"  # the folder of the trace among the run's files
_COMPILING = 2  # calls of the step that are not traced: the first compile


class Profile:
    """A context in which `step` is called after each call of the train step; leaving it ends an open trace.

    Args:
        steps: the least steps to trace; None: none.
        available: the steps that this process makes.
        steps_per_call: steps in each call of the train step.
        run: stores the trace, as `profile/plugins/profile/<time>/<host>.xplane.pb`.
        folder: holds the trace until it is stored.

    Raises:
        GlrError: there are too few steps.
    """

    def __init__(self, steps: int | None, available: int, steps_per_call: int, run: Recorder, folder: Path):
        self._steps = steps
        self._run = run
        self._folder = folder / PROFILE
        self._calls = 0
        self._until: int | None = None  # the last step of an open trace
        untraced = _COMPILING * steps_per_call
        if steps is not None and untraced + steps > available:
            raise GlrError(
                f"debug.profile={steps}: the first {untraced} steps are not traced, and {available} are to be made; "
                "raise train.epochs"
            )

    def __enter__(self) -> "Profile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._until is not None:
            tf.profiler.experimental.stop(save=False)

    def step(self, done: int, wait: Callable[[], None]) -> None:
        """Count a call of the train step; start and end the trace.

        Args:
            done: the run's steps so far.
            wait: waits until the device has made them.
        """
        if self._steps is None:
            return
        self._calls += 1
        if self._until is not None and done >= self._until:
            wait()
            self._end()
        elif self._until is None and self._calls >= _COMPILING:
            wait()
            tf.profiler.experimental.start(str(self._folder))
            self._until = done + self._steps

    def _end(self) -> None:
        tf.profiler.experimental.stop()
        self._until = self._steps = None
        for file in sorted(self._folder.rglob("*")):
            if file.is_file():
                self._run.file(file, f"{PROFILE}/{file.parent.relative_to(self._folder).as_posix()}")
        shutil.rmtree(self._folder)
        print("\nthe trace is among the run's files: profile/")
