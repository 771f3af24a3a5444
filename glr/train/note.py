"""The note beside a run's checkpoints, which names the run and the process that works on it."""

import json
import re
import sys
from contextlib import suppress
from typing import Any

from glr import storage
from glr.config.printing import say
from glr.errors import GlrError

NOTE = "run.json"
ASIDE = f"{NOTE}.damaged"
_FIELDS = {
    **{"study": str, "name": str, "journal": str, "attempt": int, "holder": str, "key": str, "data": str},
    **{"settings": dict, "time": int | float, "abandoned": bool},
}
_JOURNAL = re.compile(r"[\w-]+")  # a file name, not a path


def read(folder: str) -> dict[str, Any] | None:
    """Read the note in a folder of checkpoints; None: it is missing, or it was damaged and is now set aside."""
    path = storage.join(folder, NOTE)
    content = _content(path)
    if content is None:
        return None
    with suppress(ValueError, KeyError, TypeError, RecursionError):  # raised by damaged bytes
        note = json.loads(content)
        if all(isinstance(note[name], kind) for name, kind in _FIELDS.items()) and _JOURNAL.fullmatch(note["journal"]):
            return note
    storage.write(storage.join(folder, ASIDE), content, overwrite=True)
    storage.delete(path)
    say(f"{path} is damaged, or of an earlier version: set aside as {ASIDE}", file=sys.stderr)
    return None


def write(folder: str, note: dict[str, Any]) -> None:
    """Replace the note in a folder of checkpoints."""
    storage.write(storage.join(folder, NOTE), json.dumps(note, indent=1).encode(), overwrite=True)


def _content(path: str) -> bytes | None:
    """Read a note that a run on another machine may replace or delete meanwhile; None: it is missing."""
    while storage.exists(path):
        try:
            return storage.read(path)
        except storage.ReplacedError:
            continue
        except GlrError:
            if storage.exists(path):
                raise
    return None
