"""What users read of an error."""

import pytest

from glr.errors import DivergedError, GlrError, first_line, is_no_room


@pytest.mark.parametrize("text", ["one", "one\ntwo\n", "\n  one\n\ntwo"])
def test_the_first_line_of_a_message(text: str):
    assert first_line(ValueError(text)) == "one"
    assert first_line(ValueError()) == "ValueError"


def test_a_run_that_diverged_ends_like_any_bad_input():
    assert issubclass(DivergedError, GlrError)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "x"), OSError(122, "x"), RuntimeError("a; No space left on device"), GlrError("no room: x")],
)
def test_what_counts_as_no_room(error: Exception):
    wrapped = GlrError("x")
    wrapped.__cause__ = error
    assert is_no_room(error) == is_no_room(wrapped) == (not isinstance(error, GlrError))


def test_an_error_may_be_its_own_cause():
    """As OmegaConf's are under a debugger, under coverage and with OC_CAUSE=1."""
    error = ValueError("x")
    error.__cause__ = error
    assert not is_no_room(error)
