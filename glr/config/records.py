"""Records as CSV and JSON whose texts steer neither terminal nor spreadsheet, as they may come from a store."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain

from glr.config.printing import STEERS, printable

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")  # begin a formula; some spreadsheets accept the wide forms, too


def as_json(content: object) -> str:
    """A value as JSON that a terminal can show."""
    return STEERS.sub(_as_escape, json.dumps(content, indent=2, ensure_ascii=False)) + "\n"


def as_csv(records: Iterable[Mapping[str, object]]) -> str:
    """Records as CSV, with a column for every key of any record. No text can act as a spreadsheet's formula."""
    made = [{key: _neutral(value) for key, value in record.items()} for record in records]
    columns = list(dict.fromkeys(chain.from_iterable(made)))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    return text.getvalue()


def _as_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _neutral(value: object) -> object:
    """Change a text so that spreadsheets do not read it as a formula."""
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.lstrip()[:1] in _FORMULA else printable(value)
