"""Write conditions in MLflow's search syntax, which has two kinds of quotes and no escape for either."""

import re


def equals(field: str, text: str) -> str:
    """Return a condition that holds for all runs whose field has this text.

    Args:
        field: `attributes.run_name`, `tags.key`, ...
        text: any text. With quotes of both kinds, the condition also holds for texts that differ from it in a quote or
            where it has `_` or `%`: compare the results with the text.
    """
    for quote in "'\"":
        if quote not in text:
            return f"{field} = {quote}{text}{quote}"
    return f"{field} LIKE '{_pattern(text)}'"


def begins(field: str, text: str) -> str:
    """Return a condition that holds for all runs whose field begins with this text, and for others as in `equals`."""
    return f"{field} LIKE '{_pattern(text)}%'"


def _pattern(text: str) -> str:
    return re.sub("['\"]", "_", text)  # matches any character
