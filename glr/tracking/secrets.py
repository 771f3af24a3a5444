"""Secrets (tokens, keys, passwords in addresses) taken out of what is recorded."""

import re
from typing import Any

HIDDEN = "***"
_NAME = r"(?:password|passwd|secret|token|api_?key|access_?key|private_?key|credentials?)"
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.\-]*://)[^/@\s'\"]+@", re.IGNORECASE)
# NAME=VALUE and NAME: VALUE, also in an address's query, also where the name only ends so (hf_token, data.api_key).
_ASSIGNED = re.compile(rf"([\w.\-]*{_NAME})(\s*[=:]\s*)(?!null\b|None\b)([^\s,&;\]}}]+)", re.IGNORECASE)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.+/=\-]{8,}", re.IGNORECASE)
_KEY = re.compile(rf"(^|[._\-]){_NAME}$", re.IGNORECASE)


def redacted(text: str) -> str:
    """A text with `***` where it held a secret: `http://user:word@host` becomes `http://***@host`."""
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _ASSIGNED.sub(rf"\1\2{HIDDEN}", text)
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


def without_secrets(values: Any, key: str = "") -> Any:
    """Nested settings with `***` for each secret: by its key's name, or by what a text looks like."""
    if isinstance(values, dict):
        return {name: without_secrets(value, str(name)) for name, value in values.items()}
    if isinstance(values, list):
        return [without_secrets(value, key) for value in values]
    if values is not None and _KEY.search(key) and not isinstance(values, bool | int | float):
        return HIDDEN
    return redacted(values) if isinstance(values, str) else values
