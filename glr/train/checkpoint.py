"""Checkpoints of a training run: one atomically written file each, from which the run continues exactly."""

import io
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from glr import storage
from glr.config.log import LOG
from glr.config.printing import say
from glr.errors import GlrError
from glr.train.state import State

_NAME = re.compile(r"step-(\d{10})\.npz")
_STATE = "state"
_said: set[str] = set()  # folders for which a refused delete was reported


class CheckpointError(GlrError):
    """A checkpoint is missing or damaged."""


class Checkpoints:
    """The checkpoints of one training run, in a folder of its own, local or gs://.

    A file holds every variable, the `State` and checksums. It gets its name only when it is complete (by a rename or an
    object's upload). A truncated or damaged file is therefore never loaded. A thread writes the file while training
    continues; a failed write is reported, and the previous checkpoint stays.

    Args:
        folder: holds the checkpoints of this run only.
        keep: number of the latest checkpoints to keep, besides the best.
        minutes, steps, epochs: intervals between saves, whichever ends first; None: not used.
        steps_per_epoch: number of steps in an epoch.
    """

    def __init__(
        self,
        folder: str,
        *,
        keep: int,
        minutes: float | None,
        steps: int | None,
        epochs: int | None,
        steps_per_epoch: int,
    ):
        self._folder = folder
        self._keep = keep
        self._seconds = None if minutes is None else 60 * minutes
        counts = [count for count in (steps, epochs and epochs * steps_per_epoch) if count]
        self._steps = min(counts, default=None)
        self._saved_at = time.monotonic()  # a clock that never jumps
        self._saved: tuple[int, int] | None = None  # steps and evaluated epochs of the last checkpoint
        self._failed = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self.seconds = 0.0  # time that training has waited for checkpoints

    def latest(self, variables: Sequence[keras.Variable]) -> State | None:
        """Load the newest undamaged checkpoint into the variables; return None if there is none.

        Raises:
            GlrError: the checkpoint is of another model, or the disk or the bucket failed.
        """
        for step in reversed(self._stored_steps()):
            if (stored := self._read(step)) is not None:
                values, state = stored
                _assign(variables, values, self._path(step))
                self._saved = (state.step, state.evaluated)
                return state
        return None

    def at(self, step: int, variables: Sequence[keras.Variable]) -> State:
        """Load the checkpoint of a step into the variables.

        Raises:
            GlrError: the checkpoint is missing, damaged or of another model.
        """
        if (stored := self._read(step)) is None:
            raise CheckpointError(
                f"{self._path(step)} does not exist; give all workers the same checkpoint.path, or gs://"
            )
        _assign(variables, stored[0], self._path(step))
        return stored[1]

    def weights_of(self, step: int, variables: Sequence[keras.Variable], places: Sequence[int]) -> None:
        """Load some of a kept checkpoint's values into the variables.

        Args:
            step: the checkpoint's step.
            variables: receive the values.
            places: the position in the checkpoint of each variable's value.

        Raises:
            CheckpointError: the checkpoint does not exist or is damaged.
        """
        self.wait()
        stored = self._read(step)
        if stored is None:
            raise CheckpointError(f"{self._path(step)} is missing or damaged")
        _assign(variables, [stored[0][place] for place in places], self._path(step))

    def due(self, state: State) -> bool:
        """Return True if it is time to save."""
        since = 0 if self._saved is None else self._saved[0]
        if self._steps is not None and state.step - since >= self._steps:
            return True
        return self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds

    def save(self, state: State, variables: Sequence[keras.Variable], log: str = "") -> None:
        """Write a checkpoint and the log unless this state is already saved; return once the values are copied."""
        started = time.monotonic()
        self.wait()
        if self._saved == (state.step, state.evaluated) and not self._failed:
            return
        values = values_of(variables)
        content, log_so_far = json.dumps(state.as_json()).encode(), log.encode()
        best = None if state.best is None else state.best.step
        self._saved, self._saved_at = (state.step, state.evaluated), time.monotonic()
        self._failed = False
        self._writing = self._writer.submit(self._write, state.step, content, values, best, log_so_far)
        self.seconds += time.monotonic() - started

    def wait(self) -> bool:
        """Wait for the pending write; return whether it succeeded. A failure goes to stderr."""
        if self._writing is None:
            return True
        try:
            self._writing.result()
        except GlrError as error:
            self._failed = True
            say(f"\na checkpoint could not be written: {error}{self._last()}", file=sys.stderr)
            return False
        finally:
            self._writing = None
        return True

    def _last(self) -> str:
        try:
            steps = self._stored_steps()
        except GlrError:  # the bucket cannot be reached
            return ""
        return f" (the last one is of step {steps[-1]:,})" if steps else " (there is none yet)"

    def _write(self, step: int, state: bytes, values: list[np.ndarray], best: int | None, log: bytes) -> None:
        buffer = io.BytesIO()
        arrays = {f"{number}": value for number, value in enumerate(values)}
        arrays[_STATE] = np.frombuffer(state, np.uint8)
        np.savez(buffer, allow_pickle=False, **arrays)
        # Not getbuffer(): Python 3.12.1 crashes when it collects such a buffer in a cycle (python/cpython#111049).
        storage.write(self._path(step), buffer.getvalue(), overwrite=True)
        if log:
            storage.write(storage.join(self._folder, LOG), log, overwrite=True)
        # Later checkpoints are damaged, since training continued from an earlier one: they do not count.
        with _costs_space(self._folder):
            steps = [old for old in self._stored_steps() if old <= step]
            for old in steps[: -self._keep]:
                if old != best:
                    storage.delete(self._path(old))

    def _read(self, step: int) -> tuple[list[np.ndarray], State] | None:
        """Read a checkpoint's values and state; None: it is missing, or damaged, which is reported on stderr.

        Raises:
            GlrError: the disk or the bucket failed; the checkpoint may be undamaged.
        """
        path = self._path(step)
        if not storage.exists(path):
            return None
        file = io.BytesIO(storage.read(path))
        try:
            with np.load(file, allow_pickle=False) as content:
                state = State.from_json(json.loads(content[_STATE].tobytes()))
                return [content[f"{n}"] for n in range(len(content.files) - 1)], state
        except MemoryError:
            raise
        except Exception as error:  # damaged bytes can raise anything
            say(f"{path} is skipped: it is damaged ({error})", file=sys.stderr)
            return None

    def _stored_steps(self) -> list[int]:
        return sorted(int(match[1]) for name in storage.files(self._folder) if (match := _NAME.fullmatch(name)))

    def _path(self, step: int) -> str:
        return storage.join(self._folder, f"step-{step:010d}.npz")


def clear(folder: str) -> None:
    """Delete a run's checkpoints, and files that a kill left half-written."""
    for name in storage.files(folder):
        storage.delete(storage.join(folder, name))
    clear_parts(folder)
    if not storage.is_bucket(folder) and Path(folder).is_dir() and not any(Path(folder).iterdir()):
        Path(folder).rmdir()


def discard(folder: str) -> bool:
    """Delete a complete run's checkpoints, and return whether the folder permitted it."""
    with _costs_space(folder):
        clear(folder)
        return True
    return False


@contextmanager
def _costs_space(folder: str) -> Iterator[None]:
    """Continue if deletes are refused, for example by a bucket's retention policy; report this once per folder."""
    try:
        yield
    except GlrError as error:
        if folder not in _said:
            _said.add(folder)
            say(f"\ncheckpoints that are no longer needed cannot be deleted: {error}", file=sys.stderr)


def clear_parts(folder: str) -> None:
    """Delete files that a kill left half-written."""
    if not storage.is_bucket(folder):
        for part in Path(folder).glob("*.part"):
            part.unlink(missing_ok=True)


def values_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Copies of the variables' values, fetched from the device."""
    return [np.array(variable.value.read_value()) for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[np.ndarray], path: str) -> None:
    shapes, stored = [tuple(variable.shape) for variable in variables], [value.shape for value in values]
    if shapes != stored:
        other = next((n for n, (own, theirs) in enumerate(zip(shapes, stored, strict=False)) if own != theirs), None)
        what = (
            f"{len(stored):,} arrays, this model has {len(shapes):,}"
            if other is None
            else f"{variables[other].path} of the shape {list(stored[other])}, in this model {list(shapes[other])}"
        )
        raise GlrError(
            f"{path} does not fit this model ({what}): another version of glr or Keras wrote it; use that one, or "
            "resume=never"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
