"""Import TensorFlow faster, and without its output on stderr, which no setting of TensorFlow silences."""

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from glr.config.printing import say

# Keras and TensorFlow Lite import these if they are installed, which takes seconds and is not needed.
_OPTIONAL = ("jax", "matplotlib", "pandas", "sklearn")


@contextmanager
def hidden(*libraries: str) -> Iterator[None]:
    """In this context, make imports of libraries fail as if not installed, unless they are already imported."""
    absent = [name for name in libraries if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextmanager
def importing() -> Iterator[None]:
    """In this context, collect no garbage, which takes a fifth of an import; later collections skip what exists then.

    Imports leave no garbage to speak of. A full collection that visits all of TensorFlow takes half a second.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


def import_tensorflow() -> None:
    """Import TensorFlow, without TensorFloat-32; show its output on stderr only if the import fails.

    Raises:
        ModuleNotFoundError: TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if sys.stderr.isatty():
        say("starting TensorFlow", file=sys.stderr)  # it takes some ten seconds
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter, hidden(*_OPTIONAL), importing():
        os.dup2(chatter.fileno(), 2)
        try:
            import keras  # noqa: F401 (its import logs, too)  # pyright: ignore[reportUnusedImport]
            import tensorflow as tf
        except BaseException:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    tf.config.experimental.enable_tensor_float_32_execution(False)  # see glr.devices.precision
