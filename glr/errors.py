"""The exceptions for mistakes in what glr was given: the message is all that the user needs to read."""


class GlrError(Exception):
    """Bad input (a setting, a file, a record): one sentence that names it and says what to do.

    Commands print the message without a traceback and exit with status 1.
    """


class DivergedError(GlrError):
    """Training came to nothing: the loss is no longer a number, or weights exploded."""
