"""Printing: text from a store or a file cannot steer the terminal that shows it."""

import re
from typing import TextIO

# Control characters but for line ends and tabs; what reorders text, so that it reads as another; half characters, which
# stand for bytes of a file's name that are no UTF-8.
STEERS = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text with each character that steers a terminal written as an escape: ESC as `\\x1b`."""
    return STEERS.sub(lambda match: ascii(match[0])[1:-1], text)


def say(text: str, file: TextIO | None = None) -> None:
    """Print a text that holds names or values from a store or a file, to standard output unless a file is given."""
    print(printable(text), file=file, flush=True)
