"""Replace the part of a document between two markers, and nothing else."""

from pathlib import Path

from glr.errors import GlrError

BEGIN = "<!-- glr.compare: begin -->"
END = "<!-- glr.compare: end -->"


def replaced(path: Path, content: str) -> tuple[str, str]:
    """Return a document's text, first unchanged, then with `content` between its markers.

    Raises:
        GlrError: the text is not UTF-8, a marker is missing or repeated, or the markers are in the wrong order.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:  # line ends stay as they are
            text = file.read()
    except UnicodeDecodeError as error:
        raise GlrError(f"{path} is not UTF-8 text") from error
    for marker in (BEGIN, END):
        if (count := text.count(marker)) != 1:
            raise GlrError(f"{path}: expected the line {marker} once, found it {count} times")
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    if end < begin:
        raise GlrError(f"{path}: {END} stands before {BEGIN}; swap them")
    newline = "\r\n" if "\r\n" in text else "\n"
    block = f"\n\n{content.strip()}\n\n".replace("\n", newline)
    return text, text[:begin] + block + text[end:]
