"""Sources: where `prepare` finds a data set's images, their classes and the solutions of its retrieval task."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from glr import storage
from glr.config.usages import UNDIVIDED
from glr.data.catalog import Catalog, Photo
from glr.data.class_folders import class_folders
from glr.data.holding_out import HeldOut, hold_out
from glr.data.image_csv import add_images, rows_of
from glr.data.rows import COLUMNS
from glr.data.solution import read_solution
from glr.demo import generation
from glr.errors import GlrError


class Source(Protocol):
    """A data set that can be prepared."""

    def fill(self, catalog: Catalog) -> None:
        """Put the photos of the splits train, index and query, and the solutions, into a catalogue."""
        ...


class CsvSource:
    """Images in folders with CSVs beside them, in the layout of Google Landmarks v2.

    `glr.data.image_csv.add_images` gives the layout of the images and the columns of the CSVs. A solution may be null;
    then its task is not scored.
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
        retrieval_solution: str | None,
        recognition_solution: str | None,
    ):
        if path is None:
            raise GlrError("data.source.path: give the folder that holds the CSVs and the images")
        self.path = path
        self.files = {
            "train": (train_csv, train_images),
            "index": (index_csv, index_images),
            "query": (query_csv, query_images),
        }
        solutions = {"retrieval": retrieval_solution, "recognition": recognition_solution}
        self.solutions = {task: name for task, name in solutions.items() if name is not None}
        if not self.solutions:
            raise GlrError(
                "data.source: give retrieval_solution or recognition_solution; without both nothing is scored"
            )

    def fill(self, catalog: Catalog) -> None:
        """Read the CSVs and find every image that they name.

        Raises:
            GlrError: a CSV or a column is missing, an id is repeated, or a solution is invalid.
        """
        for split, files in self.files.items():
            add_images(catalog, split, *(storage.join(self.path, name) for name in files))
        for task, name in self.solutions.items():
            catalog.answer(task, _solution(task, storage.join(self.path, name)))


class KaggleSource:
    """The train images of Kaggle's Landmark competitions; whole classes are held out as index and queries.

    `train_csv` holds `id,landmark_id` or `landmark_id,images`; the images lie as in GLDv2 (see `CsvSource`). Kaggle's
    test images have no published answers, so they are not used.
    """

    def __init__(
        self,
        *,
        path: str | None,
        train_csv: str,
        train_images: str,
        retrieval_classes: float,
        query_images: float,
        seed: int,
    ):
        if path is None:
            raise GlrError("data.source.path: give the folder that holds the CSV and the images")
        self.path = path
        self.train = train_csv, train_images
        self.held_out = HeldOut(retrieval_classes, query_images, seed)

    def fill(self, catalog: Catalog) -> None:
        """Read the CSV, find the images that it names, and draw the splits.

        Raises:
            GlrError: the CSV or a column is missing, an id is repeated, or there are too few classes.
        """
        add_images(catalog, "train", *(storage.join(self.path, name) for name in self.train))
        hold_out(catalog, self.held_out, where=self.path, what="classes with images")


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
        self.path = path
        self.held_out = HeldOut(retrieval_classes, query_images, seed)

    def fill(self, catalog: Catalog) -> None:
        """Find the images and draw the splits.

        Raises:
            GlrError: the folder is missing, has too few classes or images to split, or has classes whose names differ
                in blanks only.
        """
        classes: dict[str, str] = {}
        for name, files, others in class_folders(self.path):
            folder = storage.join(self.path, name)
            landmark = unspaced(name)
            if (other := classes.setdefault(landmark, name)) != name:
                raise GlrError(
                    f"{self.path}: the folders {other!r} and {name!r} would both be the class {landmark}; rename one"
                )
            for file, reason in others:
                catalog.leave_out(landmark, storage.join(folder, file), reason)
            if name and not files:
                catalog.leave_out(landmark, folder, "no image in this class")
            members = (Photo(f"{landmark}/{unspaced(f)}", storage.join(folder, f), landmark, folder) for f in files)
            catalog.add("train", members)
        hold_out(catalog, self.held_out, where=self.path, what="class folders with images")


def unspaced(name: str) -> str:
    """Replace blanks, which separate values in solution files, by `_`."""
    return "_".join(name.split())


def _solution(task: str, file: str) -> Iterator[tuple[str, str, str]]:
    """Return the rows of a task's solution; check all of them, so that a mistake is found before images are read."""
    solution = read_solution(file)
    if solution.task != task:
        raise GlrError(f"{file}, line 1: this is a solution of {solution.task}, data.source names it for {task}")
    return ((row["id"], row[COLUMNS[task]], row.get("Usage", UNDIVIDED)) for _, row in rows_of(file))
