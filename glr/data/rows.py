"""Rows of solution and prediction CSVs: an id and its values; errors name the file and the line."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from glr import storage
from glr.data.image_id import check_id
from glr.errors import GlrError

# Each task's column of answers in solutions and predictions.
COLUMNS = {"retrieval": "images", "recognition": "landmarks"}
# By default the csv module refuses fields over 128 KiB; the field of a query with 7,000 relevant images is longer.
_LONGEST_FIELD = 2**30


class Rows:
    """The rows of one file, to be iterated once: (place for messages, id, answers, further columns).

    Args:
        source: a path, local or gs://, or lines of text such as an open file (messages use its `name`, if it has one).
        what: the kind of file, for messages: solution or predictions.
        tasks: the tasks that the file may belong to; `task` is the first of them with a column in the file.
        further: other columns to read; a column that the file lacks gives empty values.

    Raises:
        GlrError: the file or a column is missing, or the file is not text; while iterating also an empty or repeated
            id, a row with more fields than columns, or no row at all.
    """

    def __init__(
        self,
        source: str | Path | Iterable[str],
        what: str,
        tasks: Sequence[str] = tuple(COLUMNS),
        further: Sequence[str] = (),
    ):
        self.name = str(source) if isinstance(source, str | Path) else getattr(source, "name", what)
        self._rows = self._read(source, what)
        self._header = next(self._rows, (0, []))[1]
        task = next((task for task in tasks if COLUMNS[task] in self._header), None)
        if task is None or "id" not in self._header:
            wanted = " or ".join(f"id,{COLUMNS[task]}" for task in tasks)
            raise GlrError(f"{self.name}, line 1: the columns {wanted} are needed")
        self.task = task
        self._wanted = [
            self._header.index(column) if column in self._header else None for column in ("id", COLUMNS[task], *further)
        ]

    def __iter__(self) -> Iterator[tuple[str, str, str, list[str]]]:
        seen, columns = set(), len(self._header)
        for line, row in self._rows:
            where = f"{self.name}, line {line}"
            if len(row) > columns:
                raise GlrError(f"{where}: {len(row)} fields for {columns} columns; separate several values by blanks")
            row += [""] * (columns - len(row))
            query, value, *further = ["" if column is None else row[column] for column in self._wanted]
            if not query:
                raise GlrError(f"{where}: the id is empty")
            check_id(query, where)
            if query in seen:
                raise GlrError(f"{where}: the id {query} appears twice")
            seen.add(query)
            yield where, query, value, further
        if not seen:
            raise GlrError(f"{self.name}: no queries below the header")

    def _read(self, source: str | Path | Iterable[str], what: str) -> Iterator[tuple[int, list[str]]]:
        if isinstance(source, str | Path):
            if not storage.exists(source):
                raise GlrError(f"{source}: no such file; expected a {what} CSV")
            source = as_text(io.BytesIO(storage.read(source)))  # a StringIO would take four bytes a character
        return csv_rows(source, self.name)


def as_text(file: BinaryIO) -> io.TextIOWrapper:
    """The lines of a CSV for `csv_rows`, with or without a byte order mark."""
    return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")


def csv_rows(lines: Iterable[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the row's last line, row) for every row of a CSV but blank ones.

    Args:
        lines: from `as_text`, or any lines of text; they end in LF, CR LF or CR.
        name: the file, for messages.

    Raises:
        GlrError: a line is not UTF-8, or the file is no CSV.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    reader, first = csv.reader(_decoded(lines, name), strict=True), 1
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
            first = reader.line_num + 1
    except (csv.Error, UnicodeDecodeError) as error:
        why = "a quote is not closed" if "end of data" in str(error) else f"it cannot be read as a CSV ({error})"
        raise GlrError(f"{name}, line {first}: {why}") from error


def _decoded(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield the lines; refuse the first line that is not UTF-8."""
    for number, line in enumerate(lines, start=1):
        try:
            line.encode()
        except UnicodeEncodeError as error:
            raise GlrError(f"{name}, line {number}: it is not UTF-8; save the file as UTF-8") from error
        yield line
