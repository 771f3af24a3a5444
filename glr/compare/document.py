"""The part of a document between two markers: read, and replaced without touching anything else."""

import os
import tempfile
from pathlib import Path

from glr.errors import GlrError

BEGIN = "<!-- glr.compare: begin -->"
END = "<!-- glr.compare: end -->"


def replaced(path: Path, content: str) -> tuple[str, str]:
    """A document's text as it is, and with `content` between its markers.

    Raises:
        GlrError: a marker is missing, doubled, or the second stands before the first.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:  # line ends stay as they are
            text = file.read()
    except UnicodeDecodeError as error:
        raise GlrError(f"{path} is not UTF-8 text") from error
    for marker in (BEGIN, END):
        if (count := text.count(marker)) != 1:
            raise GlrError(f"{path}: expected the line {marker} once, found it {count} times")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    if end < begin:
        raise GlrError(f"{path}: {END} stands before {BEGIN}; swap them")
    newline = "\r\n" if "\r\n" in text else "\n"
    block = f"\n\n{content.strip()}\n\n".replace("\n", newline)
    return text, text[:begin] + block + text[end:]


def write(path: Path, text: str) -> None:
    """Write a file all or not at all; one that is there keeps its permissions."""
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(path.stat().st_mode if path.exists() else 0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
