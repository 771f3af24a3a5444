"""Sets that models are evaluated on: prepared ones, pairs of folders, and revisited Oxford and Paris."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

import google_crc32c

from glr import storage
from glr.data.image_folder import of_content, stamps
from glr.data.pictures import FilePictures, ImageFile, Pictures, StoredPictures
from glr.data.prepared import PreparedData
from glr.data.rows import COLUMNS
from glr.data.solution import read_solution
from glr.errors import GlrError
from glr.retrieval.landmarks import LandmarkTask, read_index_classes, refuse
from glr.retrieval.revisited import RevisitedTask, read_ground_truth
from glr.retrieval.task import Task


@dataclass(frozen=True)
class ImageSet:
    """Index and query images.

    Attributes:
        path: their folder or folders.
        digest: a short fingerprint, hexadecimal.
        index, query: the images.
    """

    path: str
    digest: str
    index: Pictures
    query: Pictures


@dataclass(frozen=True)
class EvaluationSet(ImageSet):
    """Index and query images, and the task that scores them.

    Attributes:
        task: knows the right answers.
    """

    task: Task


@dataclass(frozen=True)
class PredictionSet(ImageSet):
    """Index and query images without right answers.

    Attributes:
        ids: of the index images.
        classes: the landmark of each index image; empty if it is unknown.
    """

    ids: Sequence[str]
    classes: Mapping[str, str]


def prepared(data: PreparedData, *, neighbors: int) -> EvaluationSet:
    """Open the index and query images of a prepared set.

    Args:
        data: the set.
        neighbors: index images that classify a query.

    Raises:
        GlrError: a solution is missing or damaged, or does not match the images.
    """
    retrieval, recognition = (
        read_solution(data.file(f"{task}_solution.csv")) if task in data.tasks else None for task in COLUMNS
    )
    classes = read_index_classes(data.file("index.csv"))
    task = LandmarkTask(retrieval, recognition, classes, neighbors=neighbors)
    queries = {query for solution in (retrieval, recognition) if solution for query in solution.usage}
    # Compare counts only: the images' ids are in the shards, and reading them all would take too long here.
    for split, listed, where in (("index", classes, "index.csv names"), ("query", queries, "the solutions name")):
        if len(listed) != data.images(split):
            raise GlrError(f"{data.path} has {data.images(split):,} {split} images, but {where} {len(listed):,}")
    task.check(list(classes), list(queries))
    return EvaluationSet(data.path, data.digest, StoredPictures(data, "index"), StoredPictures(data, "query"), task)


def folder_pair(
    index: str,
    queries: str,
    *,
    retrieval_solution: str | None,
    recognition_solution: str | None,
    index_classes: str | None,
    neighbors: int,
) -> EvaluationSet:
    """Open folders of index images and of queries, local or gs://; an image's id is its file's name without suffix.

    Hidden files and folders do not count; links are followed.

    Args:
        index, queries: folders; images may lie in folders below them.
        retrieval_solution: a CSV with id,images,Usage.
        recognition_solution: a CSV with id,landmarks,Usage; it needs `index_classes`.
        index_classes: a CSV with id,landmark_id.
        neighbors: index images that classify a query.

    Raises:
        GlrError: a folder has no images, a name is repeated or cannot be an id, or a CSV is missing, damaged or does
            not match the images.
    """
    if recognition_solution is not None and index_classes is None:
        raise GlrError("recognition_solution needs index_classes=FILE, a CSV with the columns id,landmark_id")
    images, *ids = _pair(index, queries)
    task = LandmarkTask(
        None if retrieval_solution is None else read_solution(retrieval_solution),
        None if recognition_solution is None else read_solution(recognition_solution),
        {} if index_classes is None else read_index_classes(index_classes),
        neighbors=neighbors,
    )
    task.check(*ids)
    return EvaluationSet(*images, task)


def unsolved(data: PreparedData) -> PredictionSet:
    """Open the index and query images of a prepared set without its solutions.

    Raises:
        GlrError: index.csv is damaged.
    """
    classes = read_index_classes(data.file("index.csv"))
    pictures = StoredPictures(data, "index"), StoredPictures(data, "query")
    return PredictionSet(data.path, data.digest, *pictures, list(classes), classes)


def unsolved_pair(index: str, queries: str, index_classes: str | None) -> PredictionSet:
    """Open folders of index images and of queries; see `folder_pair`.

    Raises:
        GlrError: a folder has no images, a name is repeated or cannot be an id, or `index_classes` lacks an image.
    """
    images, ids, _ = _pair(index, queries)
    classes = {} if index_classes is None else read_index_classes(index_classes)
    if index_classes is not None:
        refuse(ids, classes, f"index images that {index_classes} does not name")
    return PredictionSet(*images, ids, classes)


def revisited(ground_truth: str, images: str) -> EvaluationSet:
    """Open revisited Oxford or Paris; queries are cropped to their boxes, as the protocol demands.

    Args:
        ground_truth: gnd_roxford5k.pkl or gnd_rparis6k.pkl.
        images: the folder of `<name>.jpg`.

    Raises:
        GlrError: the ground truth is missing or damaged, or an image is missing or has a name that cannot be an id.
    """
    truth = read_ground_truth(ground_truth)
    present = stamps(images)
    names = [*truth.index, *(query.name for query in truth.queries)]
    refuse((f"{name}.jpg" for name in names), present, f"images of {ground_truth} that are not in {images}")
    index = [ImageFile(name, storage.join(images, f"{name}.jpg")) for name in truth.index]
    queries = [ImageFile(query.name, storage.join(images, f"{query.name}.jpg"), query.box) for query in truth.queries]
    digest = _digest((file, present[f"{file.id}.jpg"]) for file in (*index, *queries))
    return EvaluationSet(images, digest, FilePictures(index), FilePictures(queries), RevisitedTask(truth))


def _pair(index: str, queries: str) -> tuple[tuple[str, str, Pictures, Pictures], list[str], list[str]]:
    """Return the fields of an `ImageSet` of two folders, and the ids of its index images and of its queries."""
    indexed, queried = _files("index", index), _files("queries", queries)
    digest = _digest(indexed.items(), queried.items())
    fields = f"{index}, {queries}", digest, FilePictures(list(indexed)), FilePictures(list(queried))
    return fields, [file.id for file in indexed], [file.id for file in queried]


def _files(name: str, folder: str) -> dict[ImageFile, str]:
    """Return the images below a folder with their stamps, sorted by id."""
    by_id: dict[str, tuple[ImageFile, str]] = {}
    for path, stamp in stamps(folder).items():
        image_id = PurePosixPath(path).stem
        if image_id in by_id:
            raise GlrError(f"{name}={folder}: two images have the id {image_id}: {by_id[image_id][0].path} and {path}")
        by_id[image_id] = ImageFile(image_id, storage.join(folder, path)), stamp
    if not by_id:
        raise GlrError(f"{name}={folder}: it holds no images")
    return dict(by_id[image_id] for image_id in sorted(by_id))


def _digest(*stamped: Iterable[tuple[ImageFile, str]]) -> str:
    """Return a fingerprint of files: their ids, paths and boxes, sizes and times or, in a bucket, checksums."""
    text = "\n".join(f"{file} {of_content(stamp)}" for file, stamp in chain(*stamped))
    return google_crc32c.Checksum(text.encode()).hexdigest().decode()
