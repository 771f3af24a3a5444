"""Secrets (tokens, keys, passwords in addresses) taken out of what is recorded."""

import re
from typing import Any

HIDDEN = "***"
_NAME = (
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|token|signature|auth|credentials?"
    r"|(?:api|access|private|account)[_\-]?keys?)"
)
# Up to the last @ before the path: a password may hold one.
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.\-]*://)[^/\s'\"]+@", re.IGNORECASE)
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


def redacted(text: str) -> str:
    """A text with `***` where it held a secret: `http://user:word@host` becomes `http://***@host`."""
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
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
