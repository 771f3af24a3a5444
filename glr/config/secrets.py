"""Secrets (tokens, keys, passwords in addresses) kept out of command lines, and out of what is recorded and printed.

`conceal` moves the secrets of a command line into environment variables before Hydra sees them: Hydra's files, what
launchers pickle and the command lines of jobs hold `${oc.env:GLR_SECRET_1}` only. `redacted` hides these values
wherever they turn up, those of environment variables with a telling name, and what looks like a secret.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"
_NAME = (
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|token|signature|auth|credentials?"
    r"|(?:api|access|private|account)[_\-]?keys?)"
)
# Up to the last @: a password may hold @ and, against the rules, a slash. Without an @ or a password before its first
# slash, an address has an @ in its path only.
_IN_ADDRESS = re.compile(
    r"(\b[a-z][a-z0-9+.\-]*://)(?:[^/\s'\"]*@[^\s'\"]*|[^/\s'\":@]*:(?!\d+/)[^\s'\"]*|[^/\s'\"]+)(?=@)", re.IGNORECASE
)
# NAME=VALUE and NAME: VALUE, also quoted, also in an address's query, also where the name only ends so (hf_token).
_ASSIGNED = re.compile(
    rf"""((?:[\w.\-]*{_NAME}|\bsig)['"]?)(\s*[=:]\s*)(?!null\b|None\b)("[^"]*"|'[^']*'|[^\s,&'"\]}}]+)""",
    re.IGNORECASE,
)
# The same as one word of a command line, which a shell's quotes hold together, and as an option.
_QUOTED = re.compile(rf"""(['"])([\w.+~\-]*{_NAME}=)[^'"]+\1""", re.IGNORECASE)
_OPTION = re.compile(rf"(--[\w\-]*{_NAME}\s+)\S+", re.IGNORECASE)
_HEADER = re.compile(r"(\bauthorization['\"]?\s*[=:]\s*['\"]?\w+|\b(?:bearer|basic))\s+[\w.+/=\-]{8,}", re.IGNORECASE)
# What the issuers' own tokens look like: GitHub, GitLab, Hugging Face, Amazon, Google, Slack, Databricks, OpenAI.
_KNOWN = re.compile(
    r"\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{20,}|sk-[\w\-]{20,}|hf_\w{20,}|A[KS]IA[0-9A-Z]{16}"
    r"|ya29\.[\w.\-]{10,}|AIza[\w\-]{35}|xox[abprs]-[\w\-]{10,}|dapi[0-9a-f]{32})"
)
_KEY = re.compile(rf"(^|[._\-]){_NAME}$", re.IGNORECASE)


_VARIABLE = "GLR_SECRET_"
_REFERENCE = re.compile(rf"\$\{{oc\.env:{_VARIABLE}\d+\}}")
_SHORTEST = 6  # characters of a secret that is hidden wherever it stands; a shorter one may be any word (false)


def conceal(overrides: Sequence[str]) -> list[str]:
    """Overrides with each secret in an environment variable of this process and its children, and named instead."""
    return [_concealed(override) for override in overrides]


def _concealed(override: str) -> str:
    key, equals, value = override.partition("=")
    spans = sorted(set(_spans(key, value)))
    for begin, end in reversed(spans):
        if any(start <= begin and end <= stop and (start, stop) != (begin, end) for start, stop in spans):
            continue  # inside another
        value = f"{value[:begin]}${{oc.env:{_variable(value[begin:end])}}}{value[end:]}"
    return f"{key}{equals}{value}"


def _spans(key: str, value: str) -> Iterator[tuple[int, int]]:
    """Where the secrets of an override's value begin and end; one that is an interpolation already is left alone."""
    if _KEY.search(key) and (whole := re.fullmatch(r"(['\"]?)(?!null$|true$|false$)(.+)\1", value)):
        spans = [whole.span(2)]
    else:
        spans = [(match.end(1), match.end()) for match in _IN_ADDRESS.finditer(value)]
        spans += [match.span(3) for match in _ASSIGNED.finditer(value)]
        spans += [match.span() for match in _KNOWN.finditer(value)]
    yield from (span for span in spans if "${" not in value[slice(*span)])


def _variable(text: str) -> str:
    """The variable that holds a secret, which is written as in Hydra's grammar."""
    secret = re.sub(r"\\(.)", r"\1", text)
    number = 1
    while os.environ.setdefault(f"{_VARIABLE}{number}", secret) != secret:
        number += 1
    return f"{_VARIABLE}{number}"


def _known() -> set[str]:
    """The secrets in this process's environment, in the spellings that other libraries' messages use."""
    secrets = {
        value
        for name, value in os.environ.items()
        if name.startswith(_VARIABLE) or (_KEY.search(name) and name != "PWD")
    }
    secrets |= {secret.partition(":")[2] for secret in secrets}
    return {form for secret in secrets for form in (secret, unquote(secret)) if len(form) >= _SHORTEST}


def redacted(text: str) -> str:
    """A text with `***` where it held a secret: `http://user:word@host` becomes `http://***@host`."""
    text = _REFERENCE.sub(HIDDEN, text)
    for secret in sorted(_known(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}", text)
    text = _QUOTED.sub(rf"\1\2{HIDDEN}\1", text)
    text = _OPTION.sub(rf"\1{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\1\2{HIDDEN}", text)
    text = _HEADER.sub(rf"\1 {HIDDEN}", text)
    return _KNOWN.sub(HIDDEN, text)


def without_secrets(values: Any, key: str = "") -> Any:
    """Nested settings with `***` for each secret: by its key's name, or by what a text looks like."""
    if values is not None and _KEY.search(key) and not isinstance(values, bool):
        return HIDDEN
    if isinstance(values, dict):
        return {name: without_secrets(value, str(name)) for name, value in values.items()}
    if isinstance(values, list):
        return [without_secrets(value, key) for value in values]
    return redacted(values) if isinstance(values, str) else values
