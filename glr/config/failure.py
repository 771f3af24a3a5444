"""The text that reports a failure: one sentence for a mistake of the user, a traceback for a bug."""

import errno
import traceback

from omegaconf.errors import InterpolationResolutionError

from glr.config.installation import pip_install
from glr.config.printing import printable
from glr.config.secrets import redacted
from glr.config.structure import unresolved
from glr.errors import GlrError, first_line, is_no_room, no_room_in_words

# The errors that joblib, submitit and Ray raise after a job's process has died.
_LOST = {"TerminatedWorkerError", "UncompletedJobError", "WorkerCrashedError"}
_OF_STORES = {"MlflowException", "SQLAlchemyError"}


def report(error: BaseException) -> str:
    """Return the text to print when an error ends a command, without secrets and control characters; may be empty."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return printable(redacted(error.code)) if isinstance(error.code, str) else ""
    sentence = _sentence(error)
    text = "".join(traceback.format_exception(error)) if sentence is None else f"error: {sentence}"
    return printable(redacted(text))


def _sentence(error: BaseException) -> str | None:
    """Explain an error to the user in one sentence; return None for a bug, whose traceback is shown instead."""
    if isinstance(error, GlrError):
        return str(error)
    if isinstance(error, InterpolationResolutionError):
        return f"{error.full_key}: {unresolved(error)}"
    if isinstance(error, ModuleNotFoundError) and error.name in {"tensorflow", "keras"}:
        return f"TensorFlow is not installed; {pip_install('cpu', 'gpu', 'tpu')}"
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if _OF_STORES & kinds:
        return f"the MLflow store failed ({first_line(getattr(error, 'orig', None) or error)})"
    if _LOST & kinds:
        return f"a job's process was killed, and the launcher gave up: {first_line(error)}"
    if isinstance(error, OSError) and is_no_room(error):
        return f"{no_room_in_words(error)}; make room, then try again"
    if isinstance(error, OSError) and (error.filename or error.errno == errno.EROFS):
        return f"{error.filename or 'writing failed'}: {error.strerror}"
    return None
