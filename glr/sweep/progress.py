"""A job's progress, for the launcher that started it: a small file that the job rewrites while it trains."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glr import storage
from glr.config.secrets import redacted
from glr.errors import GlrError, in_words

VARIABLE = "GLR_PROGRESS"  # names the file; unset if no launcher reads the file


def report(**values: object) -> None:
    """Add values to the progress file: epoch, epochs, score, seconds_left; at the end score and scores, or failure."""
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
        return  # a full disk must not stop training


@contextmanager
def failures() -> Iterator[None]:
    """Write the reason of a failure to the progress file."""
    try:
        yield
    except Exception as error:
        report(failure=redacted(in_words(error)))
        raise
