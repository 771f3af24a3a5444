"""A gallery as an HTML page: a single file, with its images inside and no scripts."""

from itertools import groupby
from pathlib import Path

from glr.html.palette import RIGHT, WRONG, css
from glr.html.template import template
from glr.html.thumbnail import parts, thumbnail
from glr.report.gallery import QueryResults, check_entries

_MARKS = {True: ("right", "✓"), False: ("wrong", "✗")}


def page(entries: list[QueryResults], title: str, file: Path) -> None:
    """Write a gallery as a page: headings for the groups, each query beside its results.

    Args:
        entries: in the order of the page, grouped.
        title: the page's title.
        file: path of the file to write.

    Raises:
        GlrError: there are no entries.
    """
    check_entries(entries)
    text = template(__file__).render(
        title=title,
        groups=[(group, list(rows)) for group, rows in groupby(entries, key=lambda entry: entry.group)],
        marks=_MARKS,
        right=css(RIGHT),
        wrong=css(WRONG),
        parts=parts,
        encoded=thumbnail,
    )
    file.write_text(text, encoding="utf-8", errors="replace")
