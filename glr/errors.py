"""Exceptions for mistakes in the input of glr: the message is all that the user needs to read."""


class GlrError(Exception):
    """Bad input (a setting, a file, a record): one sentence that names it and says what to do.

    Commands print the message without a traceback and exit with status 1.
    """


class DivergedError(GlrError):
    """Training failed: the loss is no longer a number, or weights exploded."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message: other libraries' messages have many."""
    return str(error).strip().splitlines()[0]
