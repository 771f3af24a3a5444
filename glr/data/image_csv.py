"""CSVs that list images by id, and the images that they list; the layout is that of Google Landmarks v2."""

import csv
import os
import sys
from collections.abc import Iterator

from glr import storage
from glr.data.catalog import Catalog, Photo
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
            if {"", ".", ".."} & set(image_id.split("/")):
                raise GlrError(f"{where}: the id {image_id} leads out of {folder}; correct it")
            if (path := find(image_id)) is not None:
                yield Photo(image_id, path, landmark, where)
            else:
                catalog.miss(split, Photo(image_id, " or ".join(_places(folder, image_id)), landmark, where))

    catalog.add(split, present())


def csv_rows(file: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV with a header.

    Raises:
        GlrError: there is no such file.
    """
    if not storage.exists(file):
        raise GlrError(f"{file}: no such file; data.source names the CSVs it expects")
    csv.field_size_limit(sys.maxsize)  # a class of the cleaned set can have thousands of images in one field
    with storage.on_disk(file) as path, path.open(newline="", encoding="utf-8-sig") as opened:
        yield from enumerate(csv.DictReader(opened, restval=""), start=2)


def _listed(file: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield (id, class, place in the CSV) of each image."""
    for line, row in csv_rows(file):
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
