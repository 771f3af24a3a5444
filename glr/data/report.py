"""The report on a set's images, and the refusal of images that cannot be in it."""

from collections.abc import Sequence

from glr.errors import GlrError

REPORT = "image_report.csv"
COLUMNS = ("id", "file", "what", "reason")
LEFT_OUT = ("missing", "skipped")  # outcomes of images that a set does not hold: there is no file, or it is bad
_KINDS = {"missing": ("missing", "on_missing_image"), "skipped": ("bad", "on_bad_image")}

Row = tuple[str, str, str, str]


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
    _, file, what, reason = refused[0]
    kind, setting = _KINDS[what]
    number = sum(row[2] == what for row in refused)
    count = f"{number} images are" if number > 1 else "1 image is"
    raise GlrError(
        f"{file}: {reason} ({count} {kind}, see {report}); replace the images listed there as {what}, or leave "
        f"them out with {setting}=skip; {kept} without {kind} images are kept"
    )
