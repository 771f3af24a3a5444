"""TensorFlow's import without its chatter on stderr, which no setting of its own silences."""

import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Import TensorFlow; what it writes to stderr meanwhile is shown only if the import fails.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import keras  # noqa: F401 (it logs once more)
            import tensorflow  # noqa: F401
        except BaseException:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
