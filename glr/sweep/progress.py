"""A job's progress, for the launcher that started it: a small file that is replaced as training goes on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glr import storage
from glr.config.secrets import redacted
from glr.errors import GlrError, in_words

VARIABLE = "GLR_PROGRESS"  # names the file; a run that nobody watches has none


def report(**values: object) -> None:
    """Add values to the progress file: epoch, epochs, score, seconds_left; in the end run, score or failure."""
    path = os.environ.get(VARIABLE)
    if path is None:
        return
    try:
        before = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        before = {}
    try:
        storage.write(path, json.dumps(before | values).encode(), overwrite=True)
    except GlrError:
        return  # a full disk stops no training for a table's sake


@contextmanager
def failures() -> Iterator[None]:
    """Say in the progress file why the job failed by itself, if it does."""
    try:
        yield
    except Exception as error:
        report(failure=redacted(in_words(error)))
        raise
