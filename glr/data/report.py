"""The report on a set's images, and the refusal of images that cannot be in it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from glr.config.printing import counted
from glr.data.publishing import write_csv
from glr.errors import GlrError

REPORT = "image_report.csv"
COLUMNS = ("id", "file", "what", "reason")
LEFT_OUT = ("missing", "skipped")  # outcomes of images that a set does not hold: there is no file, or it is bad
_KINDS = {"missing": ("missing", "on_missing_image"), "skipped": ("bad", "on_bad_image")}

Row = tuple[str, str, str, str]


def write(folder: str, rows: Iterable[Row]) -> tuple[str, dict[str, int]]:
    """Write the report; return its path, and the number of rows of each outcome."""
    counts: Counter[str] = Counter()

    def noted() -> Iterator[Row]:
        for row in rows:
            counts[row[2]] += 1
            yield row

    return write_csv(folder, REPORT, COLUMNS, noted()), dict(counts)


def refuse(rows: Sequence[Row], report: str, *, skips: dict[str, bool], kept: str) -> None:
    """Refuse a set with images that are missing or bad.

    Args:
        rows: (id, file, outcome, why) of images; the outcome is one of `LEFT_OUT`.
        report: the report's path.
        skips: for each outcome: leave such images out.
        kept: the files that the next command does not write again.

    Raises:
        GlrError: there is an image whose outcome is not to be skipped.
    """
    refused = [row for row in rows if not skips[row[2]]]
    if not refused:
        return
    counts = {what: n for what in _KINDS if (n := sum(row[2] == what for row in refused))}
    kinds = " or ".join(_KINDS[what][0] for what in counts)
    numbers = " and ".join(f"{counted(n, 'image is', 'images are')} {_KINDS[what][0]}" for what, n in counts.items())
    settings = " ".join(f"{_KINDS[what][1]}=skip" for what in counts)
    _, file, _, reason = refused[0]
    raise GlrError(
        f"{file}: {reason} ({numbers}, see {report}); replace the images listed there as {' or '.join(counts)}, "
        f"or leave them out with {settings}; {kept} without {kinds} images are kept"
    )


def in_words(counts: Mapping[str, int]) -> str:
    """Say how many were converted or left out: `2 files and classes were left out, 1 image was skipped`."""
    nouns = {"left out": ("file or class was", "files and classes were")}  # an empty class has a row of its own
    return ", ".join(
        f"{counted(count, *nouns.get(what, ('image was', 'images were')))} {what}" for what, count in counts.items()
    )
