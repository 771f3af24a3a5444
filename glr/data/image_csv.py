"""CSVs that list images by id, and the images that they list; the layout is that of Google Landmarks v2."""

import os
from collections.abc import Iterator

from glr import storage
from glr.data.catalog import Catalog, Photo
from glr.data.image_id import check_id
from glr.data.rows import as_text, csv_rows
from glr.errors import GlrError


def add_images(catalog: Catalog, split: str, file: str, folder: str) -> None:
    """Put the images that a CSV lists into a catalogue; an image without a file is recorded as missing.

    Images are `<folder>/<id>.jpg`, or `<folder>/a/b/c/<id>.jpg` with the id's first three characters as folders.

    Args:
        catalog: the catalogue.
        split: the split of the images.
        file: a CSV with `id,landmark_id` (one image a row) or `landmark_id,images` (one class a row, as in the cleaned
            set); other columns are ignored.
        folder: the folder of the images.

    Raises:
        GlrError: the CSV or a column is missing, or an id is repeated or leads out of the folder.
    """
    find = _Finder(folder)

    def present() -> Iterator[Photo]:
        for image_id, landmark, where in _listed(file):
            check_id(image_id, where)
            if {"", ".", ".."} & set(image_id.split("/")):
                raise GlrError(f"{where}: the id {image_id} leads out of {folder}; correct it")
            if (path := find(image_id)) is not None:
                yield Photo(image_id, path, landmark, where)
            else:
                catalog.miss(split, Photo(image_id, " or ".join(_places(folder, image_id)), landmark, where))

    catalog.add(split, present())


def rows_of(file: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the row's last line, row) of a CSV with a header; columns that a row lacks are empty.

    Raises:
        GlrError: there is no such file, or it is no CSV in UTF-8.
    """
    if not storage.exists(file):
        raise GlrError(f"{file}: no such file; data.source names the CSVs it expects")
    with storage.on_disk(file) as path, path.open("rb") as opened:
        rows = csv_rows(as_text(opened), file)
        _, header = next(rows, (0, []))
        for line, row in rows:
            yield line, dict(zip(header, row + [""] * (len(header) - len(row)), strict=False))


def _listed(file: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield (id, class, place in the CSV) of each image."""
    for line, row in rows_of(file):
        where = f"{file}, line {line}"
        for image_id in row["images"].split() if "images" in row else [row.get("id", "")]:
            if not image_id:
                raise GlrError(f"{where}: no id; the columns must be id,landmark_id or landmark_id,images")
            yield image_id, row.get("landmark_id") or None, where


class _Finder:
    """Finds images by id. On a disk it checks each place; in a bucket it assumes the first image's layout for all."""

    def __init__(self, folder: str):
        self._folder = folder
        self._layout: int | None = None

    def __call__(self, image_id: str) -> str | None:
        places = _places(self._folder, image_id)
        if not storage.is_bucket(self._folder):
            return next((place for place in places if os.path.isfile(place)), None)  # noqa: PTH113 (millions of times)
        if self._layout is None:
            self._layout = next((number for number, place in enumerate(places) if storage.exists(place)), None)
        return None if self._layout is None else places[self._layout]


def _places(folder: str, image_id: str) -> tuple[str, str]:
    name = f"{image_id}.jpg"
    return storage.join(folder, *image_id[:3].replace("/", ""), name), storage.join(folder, name)
