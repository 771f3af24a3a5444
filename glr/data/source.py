"""Sources: where `prepare` finds a data set's images, their classes and the solutions of its retrieval task."""

import json
import os
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Protocol

from glr import storage
from glr.config.printing import say
from glr.config.usages import UNDIVIDED
from glr.data.catalog import Catalog, Photo
from glr.data.class_folders import class_folders
from glr.data.image_id import check_id
from glr.data.rows import as_text, csv_rows
from glr.demo import generation
from glr.errors import GlrError


class Source(Protocol):
    """A data set that can be prepared."""

    def fill(self, catalog: Catalog) -> None:
        """Put the photos of the splits train, index and query, and the solutions, into a catalogue."""
        ...


class CsvSource:
    """Images in folders with CSVs beside them, in the layout of Google Landmarks v2.

    Images are `<images>/<id>.jpg`, or `<images>/a/b/c/<id>.jpg` with the id's first three characters as folders.
    A train CSV holds `id,landmark_id` (one image a row) or `landmark_id,images` (one class a row, as in the
    cleaned set); other columns are ignored.
    """

    def __init__(
        self,
        *,
        path: str | None,
        train_csv: str,
        train_images: str,
        index_csv: str,
        index_images: str,
        query_csv: str,
        query_images: str,
        retrieval_solution: str,
        recognition_solution: str,
    ):
        if path is None:
            raise GlrError("data.source.path: give the folder that holds the CSVs and the images")
        self.path = path
        self.files = {
            "train": (train_csv, train_images),
            "index": (index_csv, index_images),
            "query": (query_csv, query_images),
        }
        self.solutions = {"retrieval": retrieval_solution, "recognition": recognition_solution}

    def fill(self, catalog: Catalog) -> None:
        """Read the CSVs and find every image that they name.

        Raises:
            GlrError: a CSV, a column or an image is missing, or an id is repeated.
        """
        for split, files in self.files.items():
            catalog.add(split, self._photos(*files))
        for task, name in self.solutions.items():
            catalog.answer(task, _solution(storage.join(self.path, name)))

    def _photos(self, csv_name: str, images: str) -> Iterator[Photo]:
        file, folder = storage.join(self.path, csv_name), storage.join(self.path, images)
        find = _Finder(folder)
        missing, first, count = 0, "", 0
        for line, row in _rows(file):
            where = f"{file}, line {line}"
            for image_id in row["images"].split() if "images" in row else [row.get("id", "")]:
                if not image_id:
                    raise GlrError(f"{where}: no id; the columns must be id,landmark_id or landmark_id,images")
                check_id(image_id, where)
                if {"", ".", ".."} & set(image_id.split("/")):
                    raise GlrError(f"{where}: the id {image_id} leads out of {folder}; correct it")
                count += 1
                if (path := find(image_id)) is not None:
                    yield Photo(image_id, path, row.get("landmark_id") or None, where)
                    continue
                missing += 1
                first = first or f"{where}: no image {' or '.join(_places(folder, image_id))}"
        if missing:
            raise GlrError(f"{first} ({missing} of {count} images are missing)")


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


class DemoSource(CsvSource):
    """Demo landmarks: draws them into `path` unless they exist, then reads them like any other CSVs and images."""

    def __init__(
        self,
        *,
        path: str,
        seed: int,
        train_landmarks: int,
        photos_per_landmark: int,
        retrieval_landmarks: int,
        distractor_landmarks: int,
        index_photos: int,
        query_photos: int,
        non_landmark_queries: int,
        photo_size: int,
    ):
        super().__init__(
            path=path,
            train_csv="train.csv",
            train_images="train",
            index_csv="index.csv",
            index_images="index",
            query_csv="test.csv",
            query_images="test",
            retrieval_solution="retrieval_solution.csv",
            recognition_solution="recognition_solution.csv",
        )
        self.settings = {
            "seed": seed,
            "train_landmarks": train_landmarks,
            "photos_per_landmark": photos_per_landmark,
            "retrieval_landmarks": retrieval_landmarks,
            "distractor_landmarks": distractor_landmarks,
            "index_photos": index_photos,
            "query_photos": query_photos,
            "non_landmark_queries": non_landmark_queries,
            "photo_size": photo_size,
        }

    def fill(self, catalog: Catalog) -> None:
        """Draw the photos unless they exist, and list them.

        Raises:
            GlrError: the folder holds photos drawn with other settings or by another version, or other files.
        """
        made = Path(self.path) / generation.SETTINGS
        if not made.is_file():
            generation.generate(Path(self.path), **self.settings, workers=os.cpu_count() or 1)
        elif json.loads(made.read_text()) != {"version": generation.VERSION, **self.settings}:
            raise GlrError(
                f"{self.path} holds demo photos drawn with other settings or by another version of glr ({made}); "
                "give data.source.path another folder"
            )
        super().fill(catalog)


class FolderSource:
    """A folder of class folders; whole classes are held out, and their images become index and queries.

    An image's id is its path below `path`; a class has the name of its folder. Blanks become `_`, because solution
    files separate values by blanks. Queries are Public and Private alternately.
    """

    def __init__(self, *, path: str | None, retrieval_classes: float, query_images: float, seed: int):
        if path is None:
            raise GlrError("data.source.path: give the folder that holds one folder of images per class")
        for name, share in (("retrieval_classes", retrieval_classes), ("query_images", query_images)):
            if not 0 < share < 1:
                raise ValueError(f"{name}={share}: a share between 0 and 1")
        self.path = path
        self.retrieval_classes = retrieval_classes
        self.query_images = query_images
        self.seed = seed

    def fill(self, catalog: Catalog) -> None:
        """Find the images and draw the splits.

        Raises:
            GlrError: the folder is missing, or has too few classes or images to split.
        """
        counts = {folder.name: len(folder.images) for folder in class_folders(self.path) if folder.images}
        several = [name for name, count in counts.items() if count > 1]  # enough for an index image and a query
        draw = random.Random(self.seed)
        retrieval = set(draw.sample(several, min(round(len(counts) * self.retrieval_classes), len(several))))
        if not retrieval or len(retrieval) > len(counts) - 2:
            raise GlrError(
                f"{self.path}: {len(counts)} class folders with images, {len(several)} with more than one; retrieval "
                "needs one of these, and training at least 2 others "
                f"(data.source.retrieval_classes={self.retrieval_classes})"
            )
        if single := len(counts) - len(several):
            say(f"{single:,} of {len(counts):,} classes have one image only: they are trained on, not retrieved")
        usages = cycle(("Public", "Private"))
        for name, files, others in class_folders(self.path):
            folder = storage.join(self.path, name)
            landmark = _unspaced(name)
            for file, reason in others:
                catalog.leave_out(landmark, storage.join(folder, file), reason)
            if name and not files:
                catalog.leave_out(landmark, folder, "no image in this class")
            members = [Photo(f"{landmark}/{_unspaced(f)}", storage.join(folder, f), landmark, folder) for f in files]
            if name not in retrieval:
                catalog.add("train", members)
                continue
            draw.shuffle(members)
            count = min(max(1, round(len(members) * self.query_images)), len(members) - 1)
            queries, index = members[:count], members[count:]
            catalog.add("index", index)
            catalog.add("query", queries)
            relevant = " ".join(photo.id for photo in index)
            usage = [next(usages) for _ in queries]
            catalog.answer("retrieval", ((p.id, relevant, u) for p, u in zip(queries, usage, strict=True)))
            catalog.answer("recognition", ((p.id, landmark, u) for p, u in zip(queries, usage, strict=True)))


def _unspaced(name: str) -> str:
    return "_".join(name.split())


def _places(folder: str, image_id: str) -> tuple[str, str]:
    name = f"{image_id}.jpg"
    return storage.join(folder, *image_id[:3].replace("/", ""), name), storage.join(folder, name)


def _rows(file: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the row's last line, row) of a CSV with a header; columns that a row lacks are empty."""
    if not storage.exists(file):
        raise GlrError(f"{file}: no such file; data.source names the CSVs it expects")
    with storage.on_disk(file) as path, path.open("rb") as opened:
        rows = csv_rows(as_text(opened), file)
        _, header = next(rows, (0, []))
        for line, row in rows:
            yield line, dict(zip(header, row + [""] * (len(header) - len(row)), strict=False))


def _solution(file: str) -> Iterator[tuple[str, str, str]]:
    for line, row in _rows(file):
        answers = row.get("images", row.get("landmarks"))
        if answers is None or "id" not in row:
            raise GlrError(f"{file}, line {line}: the columns id,images or id,landmarks are needed")
        yield row["id"], answers, row.get("Usage", UNDIVIDED)
