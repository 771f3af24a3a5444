"""Print text from a store or a file so that the text cannot control the terminal, and show progress."""

import re
import sys
import warnings
from typing import Any, TextIO

# Control characters except line ends and tabs; characters that reorder the text on screen; lone surrogates, which stand
# for bytes in a file's name that are not UTF-8.
STEERS = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return the text with each character that controls a terminal as an escape: ESC as `\\x1b`."""
    return STEERS.sub(lambda match: ascii(match[0])[1:-1], text)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun; give the plural if it does more than add an s.

    Examples:
        >>> counted(1, "image"), counted(1200, "query", "queries")
        ('1 image', '1,200 queries')
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def say(text: str, file: TextIO | None = None) -> None:
    """Print a text that may hold names or values from a store or a file; `file` defaults to standard output."""
    print(printable(text), file=file, flush=True)


def progress_bar(**options: Any) -> Any:
    """Return a `tqdm` bar that is shown on a terminal and in a notebook, and nowhere else."""
    if "ipykernel" not in sys.modules:
        from tqdm import tqdm

        return tqdm(**options, disable=None)
    with warnings.catch_warnings(action="ignore"):  # without ipywidgets the bar is text
        from tqdm.auto import tqdm
    return tqdm(**options)
