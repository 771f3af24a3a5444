"""Hydra's grammar of overrides: parse them, and write text that people type (paths, names) so that Hydra reads it."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, Transformer
from hydra.errors import HydraException

from glr.errors import GlrError, first_line

_ASSIGNMENT = re.compile(r"([+~]{0,2}[A-Za-z_$][\w$@:/.\-]*=)\s*(.*?)\s*", re.DOTALL)
# A quoted text, a dictionary, or a call of one of Hydra's functions: a mistake in one of these is no plain text.
_WRITTEN = re.compile(
    r"""['"{]|(?:choice|range|interval|glob|tag|sort|shuffle|extend_list|int|float|str|bool|json_str)\s*\("""
)


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides in Hydra's grammar.

    Raises:
        GlrError: an override does not follow the grammar; the message shows how to write its value as a text.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        wrong = next((override for override in overrides if not _is_valid(override)), " ".join(overrides))
        raise _explained(wrong, error) from error


def in_grammar(value: object) -> str:
    """Write a value in Hydra's grammar; a text is in quotes, unless Hydra reads the same text without them."""
    if not isinstance(value, str):
        return json.dumps(value)
    override = f"key={value}"
    same = _is_valid(override) and parse([override])[0].value() == value
    return value if same else _quoted(value)


def as_overrides(settings: Mapping[str, object]) -> list[str]:
    """Write settings from Python as overrides in Hydra's grammar: `{"data.image_size": 64}` as `data.image_size=64`.

    Args:
        settings: keys with texts, paths, numbers, booleans, None, and lists and dictionaries of these.

    Raises:
        GlrError: a value has another type, which no override can express.
    """
    return [f"{key}={_as_value(key, value)}" for key, value in settings.items()]


def _as_value(key: str, value: object) -> str:
    if getattr(value, "ndim", None) == 0:  # a number of NumPy
        value = value.item()  # pyright: ignore[reportAttributeAccessIssue]
    match value:
        case str():
            return in_grammar(value)
        case None | bool():
            return json.dumps(value)
        case PurePath():
            return in_grammar(str(value))
        case int() | float():
            return repr(value)
        case Mapping():
            return f"{{{','.join(f'{name}:{_as_item(key, each)}' for name, each in value.items())}}}"
        case list() | tuple():
            return f"[{','.join(_as_item(key, each) for each in value)}]"
        case _:
            raise GlrError(f"{key}: a setting cannot be a {type(value).__name__}; give a text, a number or a list")


def _as_item(key: str, value: object) -> str:
    return _quoted(value) if isinstance(value, str) else _as_value(key, value)


def values_of(override: Override) -> list[str]:
    """List the values of a discrete sweep in Hydra's grammar.

    Hydra's own `sweep_string_iterator` writes a text from `choice('...')` without quotes, with escapes that its parser
    refuses beside an apostrophe or a letter outside of ASCII.
    """
    return [in_grammar(value) if type(value) is str else Transformer.str(value) for value in override.sweep_iterator()]


def as_typed(overrides: Sequence[str]) -> list[str]:
    """Put quotes around values that are plain text, but that Hydra's grammar refuses: `study=a(b)`, `path=a#b`.

    A comma still separates the values of a sweep and the items of a list. `~` and `~user` at the start of a value
    become the home folder, since shells leave them alone after `key=`.
    """
    return [_as_typed(override) for override in overrides]


def _as_typed(override: str) -> str:
    match = _ASSIGNMENT.fullmatch(override)
    if match is None or _is_valid(override):
        return override
    written = match[1] + _values(match[2])
    return written if _is_valid(written) else override  # `parse` reports what the user typed


def _values(text: str) -> str:
    """Write the values that commas separate in Hydra's grammar."""
    return ",".join(map(_value, _split(text)))


def _value(text: str) -> str:
    text = text.strip()
    if _is_valid(f"key={text}") or _WRITTEN.match(text):
        return text
    if text.startswith("[") and text.endswith("]"):
        return f"[{_values(text[1:-1])}]"
    try:
        return in_grammar(str(Path(text).expanduser()) if text.startswith("~") else text)
    except RuntimeError:  # there is no such user
        return _quoted(text)


def _split(text: str) -> Iterator[str]:
    """Split a text at the commas outside of brackets and of quoted values."""
    start, depth, quote = 0, 0, ""
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote and text[place - 1] != "\\" else quote
            continue
        if character in "'\"" and not text[start:place].strip(" ["):
            quote = character  # an apostrophe within a word quotes nothing
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _is_valid(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()


def _explained(override: str, error: HydraException) -> GlrError:
    match = _ASSIGNMENT.fullmatch(override)
    if match is None:
        return GlrError(f"{override}: a setting is given as key=value")
    why = "" if "Exception" in (line := first_line(error)) else f" ({line})"
    text = match[1] + _quoted(match[2])
    shown = shlex.quote(text) if re.search(r'[$`"\\!]', text) else f'"{text}"'
    return GlrError(f"{override}: Hydra cannot read this value{why}; to give it as a text, quote it: {shown}")
