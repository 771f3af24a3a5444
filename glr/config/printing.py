"""Print text from a store or a file so that it cannot control the terminal."""

import re
from typing import TextIO

# Control characters except line ends and tabs; characters that reorder text, which can disguise it; lone surrogates,
# which stand for bytes of a file's name that are not UTF-8.
STEERS = re.compile(
    r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text with each character that controls a terminal written as an escape: ESC as `\\x1b`."""
    return STEERS.sub(lambda match: ascii(match[0])[1:-1], text)


def say(text: str, file: TextIO | None = None) -> None:
    """Print a text that holds names or values from a store or a file, to standard output unless a file is given."""
    print(printable(text), file=file, flush=True)
