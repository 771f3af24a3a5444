"""TensorFlow's import without its chatter on stderr, which no setting of its own silences, and in half the time."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Libraries that Keras and TensorFlow Lite import if they are installed, which takes seconds, and that glr does not use
# through them.
_OPTIONAL = ("jax", "matplotlib", "pandas", "sklearn")


@contextmanager
def hidden(*libraries: str) -> Iterator[None]:
    """Let importing a library fail for a while, as if it were not installed, unless it is imported already."""
    absent = [name for name in libraries if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def import_tensorflow() -> None:
    """Import TensorFlow; what it writes to stderr meanwhile is shown only if the import fails.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter, hidden(*_OPTIONAL):
        os.dup2(chatter.fileno(), 2)
        try:
            import keras  # noqa: F401 (it logs once more)  # pyright: ignore[reportUnusedImport]
            import tensorflow  # noqa: F401  # pyright: ignore[reportUnusedImport]
        except BaseException:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
