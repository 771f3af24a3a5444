"""Errors of a training run that come from outside it, in a sentence."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from glr.devices.workers import Worker
from glr.errors import NO_ROOM, GlrError, is_no_room, no_room_in_words


@contextmanager
def lost_workers_explained(worker: Worker) -> Iterator[None]:
    """Explain the error if this worker has lost the connection to the others."""
    try:
        yield
    except tf.errors.OpError as error:
        if worker.count == 1:
            raise
        reason = re.sub(r"\{\{.*?\}\} ", "", str(error)).strip().splitlines()[0]
        raise GlrError(
            f"worker {worker.index} of {worker.count} lost the others ({reason}); start the same command on all of "
            "them again: it continues from the last checkpoint"
        ) from error


@contextmanager
def full_disk_explained() -> Iterator[None]:
    """End the process with `NO_ROOM` if a disk is full: the same command continues when there is room."""
    try:
        yield
    except Exception as error:
        if not is_no_room(error):
            raise
        print(f"error: {no_room_in_words(error)}; when there is room, the same command continues", file=sys.stderr)
        sys.exit(NO_ROOM)
