"""What users read of an error."""

import pytest

from glr.errors import DivergedError, GlrError, first_line


@pytest.mark.parametrize("text", ["one", "one\ntwo\n", "\n  one\n\ntwo"])
def test_the_first_line_of_a_message(text: str):
    assert first_line(ValueError(text)) == "one"


def test_a_run_that_diverged_ends_like_any_bad_input():
    assert issubclass(DivergedError, GlrError)
