"""Keep secrets (tokens, keys, passwords in addresses) out of command lines, records and printed text.

`conceal` moves the secrets of a command line into environment variables before Hydra sees them. Hydra's files, pickles
of launchers and command lines of jobs then hold only `${oc.env:GLR_SECRET_1}`. `redacted` hides these values, those of
environment variables whose names mark secrets, and text that looks like a secret.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from hydra.core.override_parser.types import ChoiceSweep, QuotedString, Transformer

from glr.config.grammar import in_grammar, parse
from glr.config.installation import CONF
from glr.errors import GlrError

HIDDEN = "***"
_NAME = (
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|token|signature|auth|credentials?"
    r"|(?<![a-z])(?:db|ssh|pg|(?:my)?sql|ftp|smtp|user|root|admin)?(?:pass|pw)(?!:\s)"
    r"|(?:access|account|api|encryption|master|private|secret|session|shared|signing|storage)[_\-]?keys?)"
)


def _address(one: str, more: str) -> re.Pattern[str]:
    """Match the user's part of an address; `one` matches a character of a name, `more` a character of a password.

    The match extends to the last @, since a password may hold @ and, against the rules, a slash. An @ belongs to the
    path if no @ and no password precede the first slash. The next address ends the match.
    """
    return re.compile(
        rf"\b[a-z][a-z0-9+.\-]*://(?P<secret>(?:(?![/:@]){one})*:(?!\d+/)(?:(?!://){more})*"
        rf"|(?:(?!/){one})*@(?:(?!://){one})*|(?:(?!/){one})+)(?=@)",
        re.IGNORECASE | re.DOTALL,
    )


def _assigned(value: str) -> re.Pattern[str]:
    """Match NAME=VALUE and NAME: VALUE, also in quotes or an address's query; NAME may end a longer name (hf_token)."""
    return re.compile(
        rf"(?:{_NAME}|\bsig|(?<=[?&])(?:key|sas))['\"]?\s*[=:]\s*(?P<secret>(?!null\b|None\b)(?:{value}))",
        re.IGNORECASE,
    )


# Tokens in the formats of their issuers: GitHub, GitLab, Hugging Face, Amazon, Google, Slack, Databricks, OpenAI.
_ISSUED = re.compile(
    r"(?P<secret>\\*\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{20,}|sk-[\w\-]{20,}|hf_\w{20,}|A[KS]IA[0-9A-Z]{16}"
    r"|ya29\.[\w.\-]{10,}|AIza[\w\-]{35}|xox[abprs]-[\w\-]{10,}|dapi[0-9a-f]{32}))"
)
# Secrets in the value of a setting, where they may hold blanks and quotes. Interpolations do not match.
_IN_VALUE = (_address(r"(?!\\*\$\{)[^\s'\"]", r"(?!\\*\$\{)."), _assigned(r"(?:(?!\\*\$\{)[^&])+"), _ISSUED)
_IN_TEXT = (
    _address(r"[^\s'\"]", r"[^\s'\"]"),
    _assigned(r""""[^"]*"|'[^']*'|[^\s,&'"\]}]+"""),
    _ISSUED,
    # NAME=VALUE as a quoted word of a command line, and --NAME VALUE.
    re.compile(rf"""(['"])[\w.+~\-]*{_NAME}=(?P<secret>[^'"]+)\1""", re.IGNORECASE),
    re.compile(rf"--[\w\-]*{_NAME}\s+(?P<secret>\S+)", re.IGNORECASE),
    re.compile(
        r"(?:\bauthorization['\"]?\s*[=:]\s*['\"]?\w+|\b(?:bearer|basic))\s+(?P<secret>[\w.+/=\-]{8,})", re.IGNORECASE
    ),
)
_KEY = re.compile(rf"(?:(?:^|[._\-]){_NAME}|password|passwd|secret)$", re.IGNORECASE)

_VARIABLE = "GLR_SECRET_"
_REFERENCE = re.compile(rf"\$\{{oc\.env:{_VARIABLE}\d+\}}")
_SHORTEST = 6  # characters; a shorter secret may equal a common word (false), so it is not hidden everywhere
_READ = re.compile(r"\$\\?\{oc\.env\\?:\s*['\"]?(\w+)")
# Environment variables that hold no secret even if an override reads them: variables of the machine and schedulers.
_HARMLESS = re.compile(
    rf"{_VARIABLE}\d+|HOME|USER|LOGNAME|HOST|PWD|SHELL|LANG|(?:SLURM|PBS|LSB|SGE)_\w+"
    r"|\w*(?:NAME|PATH|DIR|FILE|_USER|_HOST|_ID)"
)
_PLAIN = re.compile(r"[\d.eE+\-]+|[/.~].*|[\w+.\-]+://.*", re.DOTALL)  # numbers, paths, addresses


def conceal(overrides: Sequence[str]) -> list[str]:
    """Move each secret of the overrides to an environment variable of this process, and refer to the variable instead.

    The value of an environment variable that an override reads counts as a secret too, unless the override sets the
    study or a choice.
    """
    return [_concealed(override) for override in overrides]


def _concealed(line: str) -> str:
    key = line.partition("=")[0]
    if key.lstrip("+").startswith("hydra.launcher.secrets"):
        return line  # names of secrets that are kept elsewhere
    if key != "study" and not (CONF / key).is_dir():  # names of studies and choices appear everywhere
        for name in _READ.findall(line):
            _note(name, os.environ.get(name, ""))
    try:
        (override,) = parse([line])
    except GlrError:
        return line  # the check of the command line reports it
    value, key = override.value(), override.get_key_element()
    if isinstance(value, ChoiceSweep):
        text = ",".join(_written(each, _is_telling(key)) for each in value.list)
        text = f"shuffle({text})" if value.shuffle else text if value.simple_form else f"choice({text})"
    elif override.is_sweep_override():
        return line  # numbers, or names of choices
    else:
        text = _written(value, _is_telling(key))
    return f"{key}={text}" if text.count(_VARIABLE) > line.count(_VARIABLE) else line


def _written(value: Any, telling: bool) -> str:
    """Write a parsed value in Hydra's grammar without its secrets; `telling`: the key's name marks a secret."""
    if isinstance(value, dict):
        pairs = ((Transformer.str(k), _written(v, telling or _is_telling(str(k)))) for k, v in value.items())
        return f"{{{','.join(f'{name}:{text}' for name, text in pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(_written(each, telling) for each in value)}]"
    if isinstance(value, QuotedString):
        value = value.text
    if value is None or isinstance(value, bool) or not (telling or isinstance(value, str)):
        return Transformer.str(value)
    text = str(value)
    if not telling:
        text = _replaced(text, _IN_VALUE, _reference)
    elif text and "${" not in text:
        text = _reference(text)
    return in_grammar(text)


def _reference(secret: str) -> str:
    """The interpolation of the environment variable that holds a secret."""
    number = 1
    while os.environ.setdefault(f"{_VARIABLE}{number}", secret) != secret:
        number += 1
    return f"${{oc.env:{_VARIABLE}{number}}}"


def _note(name: str, value: str) -> None:
    """Let `redacted` hide the secrets of an environment variable in this process and its children."""
    if _HARMLESS.fullmatch(name) or _PLAIN.fullmatch(value):
        _replaced(value, _IN_VALUE, _reference)
    elif len(value) >= _SHORTEST and not _is_telling(name):
        _reference(value)


def _is_telling(name: str) -> bool:
    return bool(_KEY.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)))


def _replaced(text: str, patterns: Iterable[re.Pattern[str]], word: Callable[[str], str]) -> str:
    """The text with each secret replaced by `word(secret)`; overlapping secrets count as one."""
    spans: list[tuple[int, int]] = []
    for begin, end in sorted(match.span("secret") for each in patterns for match in each.finditer(text)):
        if spans and begin < spans[-1][1]:
            begin, end = spans[-1][0], max(end, spans.pop()[1])
        spans.append((begin, end))
    for begin, end in reversed(spans):
        text = f"{text[:begin]}{word(text[begin:end])}{text[end:]}"
    return text


def _known() -> set[str]:
    """The secrets in this process's environment, in the spellings that other libraries' messages use."""
    secrets = {
        value
        for name, value in os.environ.items()
        if name.startswith(_VARIABLE) or (_is_telling(name) and name != "PWD")
    }
    secrets |= {secret.partition(":")[2] for secret in secrets}
    forms = {form for secret in secrets for form in (secret, unquote(secret))}
    return {form for each in forms for form in (each, repr(each)[1:-1]) if len(form) >= _SHORTEST}


def redacted(text: str) -> str:
    """Return the text with `***` for each secret: `http://user:word@host` becomes `http://***@host`."""
    text = _REFERENCE.sub(HIDDEN, text)
    for secret in sorted(_known(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _replaced(text, _IN_TEXT, lambda _: HIDDEN)


def shows_secret(address: str) -> bool:
    """Return True if an address holds more than the name of a user or a container before its host."""
    patterns = _IN_VALUE if re.match(r"[^:]+://[^/@]*:", address) else _IN_VALUE[1:]
    return _replaced(address, patterns, lambda _: HIDDEN) != address


def without_secrets(values: Any, key: str = "") -> Any:
    """Nested settings with `***` for each secret, recognised by its key's name or by its text."""
    if values is not None and _is_telling(key) and not isinstance(values, bool):
        return HIDDEN
    if isinstance(values, dict):
        return {name: without_secrets(value, str(name)) for name, value in values.items()}
    if isinstance(values, list):
        return [without_secrets(value, key) for value in values]
    return redacted(values) if isinstance(values, str) else values
