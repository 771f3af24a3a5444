"""Sources: where `prepare` finds a data set's images, their classes and the solutions of its retrieval task."""

import csv
import json
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from glr.data.demo import generation
from glr.errors import GlrError

SPLITS = ("train", "index", "query")
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True)
class Photo:
    """One image: its id, its file, and its class by the source's own name (None: unknown)."""

    id: str
    path: Path
    landmark: str | None


@dataclass(frozen=True)
class Listing:
    """All that a source holds: the photos of each split, and the solutions as CSV rows (id, answers, Usage)."""

    photos: dict[str, list[Photo]]
    retrieval: list[tuple[str, str, str]]
    recognition: list[tuple[str, str, str]]


class CsvSource:
    """Images in folders with CSVs beside them, as Google Landmarks v2 comes.

    Images are `<images>/<id>.jpg`, or `<images>/a/b/c/<id>.jpg` with the id's first three characters as folders.
    A train CSV holds `id,landmark_id` (one image a row) or `landmark_id,images` (one class a row, as the cleaned set
    comes); other columns are ignored.
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
        self.path = Path(path)
        self.files = {
            "train": (train_csv, train_images),
            "index": (index_csv, index_images),
            "query": (query_csv, query_images),
        }
        self.solutions = (retrieval_solution, recognition_solution)

    def listing(self) -> Listing:
        """Read the CSVs and find every image that they name.

        Raises:
            GlrError: a CSV, a column or an image is missing, or an id stands twice.
        """
        photos = {split: self._photos(*files) for split, files in self.files.items()}
        retrieval, recognition = (_solution(self.path / name) for name in self.solutions)
        return Listing(photos, retrieval, recognition)

    def _photos(self, csv_name: str, images: str) -> list[Photo]:
        file, folder = self.path / csv_name, self.path / images
        photos: dict[str, Photo] = {}
        missing: list[tuple[int, str]] = []
        for line, row in _rows(file):
            for image_id in row["images"].split() if "images" in row else [row.get("id", "")]:
                if not image_id:
                    raise GlrError(f"{file}, line {line}: no id; the columns id,landmark_id or landmark_id,images")
                if image_id in photos:
                    raise GlrError(f"{file}, line {line}: the id {image_id} stands there twice")
                path = next((p for p in _places(folder, image_id) if p.is_file()), None)
                if path is None:
                    missing.append((line, image_id))
                else:
                    photos[image_id] = Photo(image_id, path, row.get("landmark_id") or None)
        if missing:
            line, image_id = missing[0]
            raise GlrError(
                f"{file}, line {line}: no image {_places(folder, image_id)[0]} or {_places(folder, image_id)[1]} "
                f"({len(missing)} of {len(missing) + len(photos)} images are missing)"
            )
        return list(photos.values())


class DemoSource(CsvSource):
    """Demo landmarks: drawn into `path` when they are not there yet, then read like any other CSVs and images."""

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

    def listing(self) -> Listing:
        """Draw the photos unless they are there, and list them.

        Raises:
            GlrError: the folder holds photos drawn with other settings, or other files.
        """
        made = self.path / generation.SETTINGS
        if not made.is_file():
            generation.generate(self.path, **self.settings, workers=os.cpu_count() or 1)
        elif json.loads(made.read_text()) != self.settings:
            raise GlrError(
                f"{self.path} holds demo photos drawn with other settings ({made}); "
                "give data.source.path another folder, or delete this one"
            )
        return super().listing()


class FolderSource:
    """A folder of class folders; whole classes are held out, and their images become index and queries.

    An image's id is its path below `path`, a class the name of its folder (blanks become `_`, as solution files
    separate by blanks). Queries are Public and Private in turn.
    """

    def __init__(self, *, path: str | None, retrieval_classes: float, query_images: float, seed: int):
        if path is None:
            raise GlrError("data.source.path: give the folder that holds one folder of images per class")
        for name, share in (("retrieval_classes", retrieval_classes), ("query_images", query_images)):
            if not 0 < share < 1:
                raise ValueError(f"{name}={share}: a share between 0 and 1")
        self.path = Path(path)
        self.retrieval_classes = retrieval_classes
        self.query_images = query_images
        self.seed = seed

    def listing(self) -> Listing:
        """Find the images and draw the splits.

        Raises:
            GlrError: no such folder, or too few classes or images to split.
        """
        if not self.path.is_dir():
            raise GlrError(f"data.source.path={self.path}: no such folder")
        classes = {}
        for folder in sorted(p for p in self.path.iterdir() if p.is_dir()):
            files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
            if files:
                classes[_unspaced(folder.name)] = files
        draw = random.Random(self.seed)
        retrieval_names = draw.sample(list(classes), round(len(classes) * self.retrieval_classes))
        if not retrieval_names or len(retrieval_names) > len(classes) - 2:
            raise GlrError(
                f"{self.path}: {len(classes)} class folders with images; at least 2 to train on and one for retrieval "
                f"are needed (data.source.retrieval_classes={self.retrieval_classes})"
            )
        photos: dict[str, list[Photo]] = {split: [] for split in SPLITS}
        retrieval, recognition = [], []
        usages = cycle(("Public", "Private"))
        for name, files in classes.items():
            members = [Photo(_unspaced(f.relative_to(self.path).as_posix()), f, name) for f in files]
            if name not in retrieval_names:
                photos["train"] += members
                continue
            if len(members) < 2:
                raise GlrError(f"{self.path / name}: a retrieval class needs 2 images, an index image and a query")
            draw.shuffle(members)
            count = min(max(1, round(len(members) * self.query_images)), len(members) - 1)
            queries, index = members[:count], members[count:]
            photos["index"] += index
            photos["query"] += [Photo(photo.id, photo.path, None) for photo in queries]
            relevant = " ".join(photo.id for photo in index)
            for photo in queries:
                usage = next(usages)
                retrieval.append((photo.id, relevant, usage))
                recognition.append((photo.id, name, usage))
        return Listing(photos, retrieval, recognition)


def _unspaced(name: str) -> str:
    return "_".join(name.split())


def _places(folder: Path, image_id: str) -> tuple[Path, Path]:
    name = f"{image_id}.jpg"
    return folder.joinpath(*image_id[:3], name), folder / name


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) of a CSV with a header."""
    if not file.is_file():
        raise GlrError(f"{file}: no such file; data.source names the CSVs it expects")
    csv.field_size_limit(sys.maxsize)  # a class of the cleaned set can have thousands of images in one field
    with file.open(newline="") as opened:
        yield from enumerate(csv.DictReader(opened, restval=""), start=2)


def _solution(file: Path) -> list[tuple[str, str, str]]:
    rows = []
    for line, row in _rows(file):
        answers = row.get("images", row.get("landmarks"))
        if answers is None or "id" not in row or "Usage" not in row:
            raise GlrError(f"{file}, line {line}: the columns id,images,Usage or id,landmarks,Usage are needed")
        rows.append((row["id"], answers, row["Usage"]))
    return rows
