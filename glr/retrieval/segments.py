"""Describe the files of a folder in segments: an interrupted description continues, though files change meanwhile."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from glr import storage
from glr.config.printing import counted, printable
from glr.config.values import OnBadImage
from glr.data.pictures import FilePictures, ImageFile
from glr.errors import GlrError
from glr.retrieval import rows
from glr.retrieval.rows import DamagedIndexError, Part

if TYPE_CHECKING:
    from glr.retrieval.trained import TrainedModel

_FILES = 16_384  # of a segment; a file that changes during an interruption costs no more than these


class Changes(NamedTuple):
    """The numbers of files that an update described, removed and kept, and path -> reason of unreadable ones."""

    described: int
    removed: int
    kept: int
    unreadable: dict[str, str]


def describe(
    model: "TrainedModel", folder: str, files: Mapping[str, str], place: Path, *, dtype: str, parallelism: int
) -> list[Part]:
    """Describe files below a folder, or take the descriptors of an interrupted call.

    Args:
        model: describes the images.
        folder: local or gs://.
        files: path relative to the folder -> stamp.
        place: a folder for the segments, of this model and dtype only; the caller deletes it. Files that an interrupted
            call could not read are tried again.
        dtype: float32 or float16.
        parallelism: threads that decode.

    Raises:
        GlrError: a bucket cannot be read, or a descriptor is not finite.
    """
    parts: list[Part] = []
    rest = dict(files)
    for segment in sorted(place.iterdir()) if place.is_dir() else ():
        if rows.is_complete(segment):
            try:
                part = Part.unchanged(rows.load(segment), rest)
            except DamagedIndexError:
                part = None
            if part is None or not part.positions:  # of unreadable files only: they would be taken for unreadable again
                shutil.rmtree(segment)
                continue
            parts.append(part)
            rest = {path: stamp for path, stamp in rest.items() if path not in part.files()}
    while rest:
        some = dict(islice(rest.items(), _FILES))
        parts.append(Part.of(_described(model, folder, some, place, dtype, parallelism)))
        rest = dict(islice(rest.items(), _FILES, None))
    return parts


def _described(
    model: "TrainedModel", folder: str, files: Mapping[str, str], place: Path, dtype: str, parallelism: int
) -> rows.Rows:
    """Describe one segment; its folder is named by its files, so that the same files continue in it."""
    from glr.retrieval.extraction import extract  # imports TensorFlow

    name = hashlib.blake2b(json.dumps(files).encode(), digest_size=10).hexdigest()
    rows.begin(place / name, files)
    pictures = FilePictures(
        [ImageFile(path, storage.join(folder, path)) for path in files],
        lambda path, reason: rows.mark(place / name, path, reason),
    )
    extract(model.describer_of(len(files)), pictures, place / name, rows.NAME, parallelism=parallelism, dtype=dtype)
    return rows.load(place / name)


def check_readable(unreadable: Mapping[str, str], files: Mapping[str, str], folder: str, on_bad_image: str) -> None:
    """Refuse unreadable files, path -> reason, unless they are to be skipped and there are others.

    Raises:
        GlrError: there are such files, or no reaction is called `on_bad_image`.
    """
    if on_bad_image not in OnBadImage.__members__:
        raise GlrError(f"on_bad_image={on_bad_image}: expected {' or '.join(OnBadImage.__members__)}")
    if unreadable and (on_bad_image == "error" or len(unreadable) == len(files)):
        (path, reason), *others = unreadable.items()
        some = ", ".join([other for other, _ in others[:5]] + ["..."] * (len(others) > 5))
        raise GlrError(
            printable(
                f"{storage.join(folder, path)}: {reason} ({len(unreadable)} of {counted(len(files), 'image')} cannot "
                f"be decoded{some and f', also {some}'}); replace them, or leave them out with on_bad_image=skip"
            )
        )
