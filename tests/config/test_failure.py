"""A failure is reported in one sentence, or with its traceback if it is a bug; neither shows secrets."""

import errno
import os

import pytest

from glr.config.failure import report
from glr.errors import GlrError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (GlrError("head.margin=x: expected a number"), "error: head.margin=x: expected a number"),
        (GlrError("http://me:secret@host: no \x1b[2J"), "error: http://***@host: no \\x1b[2J"),
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.csv"),
            "error: a.csv: No such file or directory",
        ),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a"),
            "error: a: No space left on device; make room, then try again",
        ),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(75), ""),
        (SystemExit("error: no"), "error: no"),
    ],
)
def test_a_sentence(error: BaseException, text: str):
    assert report(error) == text


def test_a_bug_shows_its_traceback_without_secrets():
    try:
        raise ZeroDivisionError("password=abcdef")
    except ZeroDivisionError as error:
        text = report(error)
    assert text.startswith("Traceback (most recent call last):\n")
    assert "in test_a_bug_shows_its_traceback" in text
    assert text.endswith("ZeroDivisionError: password=***\n")
