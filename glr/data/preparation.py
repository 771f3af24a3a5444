"""From a source's images to a prepared data set: every image checked, all of it or nothing written."""

import csv
import io
import json
import random
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

import PIL.Image
from tqdm import tqdm

from glr.data.prepared import PreparedData, Shard
from glr.data.source import SPLITS, Listing, Photo
from glr.data.tfrecord import example, framed
from glr.errors import GlrError
from glr.retrieval.solution import read_solution
from glr.storage import checksum


class Source(Protocol):
    """What can be prepared."""

    def listing(self) -> Listing:
        """List the photos of each split and the solutions."""
        ...


@dataclass(frozen=True)
class _Task:
    """One shard to write: (id, file, label) of its images, and what to do with those that cannot be read."""

    file: Path
    images: list[tuple[str, Path, int]]
    skip_bad: bool


def prepare(
    source: Source,
    path: Path,
    *,
    settings: dict[str, Any],
    shard_images: int = 2048,
    workers: int = 1,
    skip_bad: bool = False,
    seed: int = 0,
) -> PreparedData:
    """Write a source's images as shards below `path`.

    JPEGs in RGB pass through byte for byte; anything else becomes a JPEG of quality 95. Train classes are numbered
    from 0 in the order of their names, and train images shuffled over the shards.

    Args:
        source: lists the images.
        path: the new folder; it appears when it is complete.
        settings: the source's settings, kept in the manifest.
        shard_images: images per shard at most.
        workers: processes.
        skip_bad: leave images out that cannot be decoded, and list them in `bad_images.csv`; else refuse the set.
        seed: of the shuffle.

    Raises:
        GlrError: something lies at `path` already, a split is empty, the solutions name unknown images, or an image
            cannot be decoded.
    """
    if path.exists():
        raise GlrError(f"{path} exists already; give data.path another folder, or delete this one")
    listing = source.listing()
    for split in SPLITS:
        if not listing.photos[split]:
            raise GlrError(f"the {split} split of {settings.get('path', 'the source')} is empty: no images to prepare")
    labels = {name: label for label, name in enumerate(_names(listing.photos["train"]))}
    _check_solutions(listing)
    with _all_or_nothing(path) as folder:
        tasks = {
            split: _tasks(listing.photos[split], split, labels, folder, shard_images, skip_bad, seed)
            for split in SPLITS
        }
        shards, bad = _write(tasks, workers)
        for split in SPLITS:
            if not sum(shard.records for shard in shards[split]):
                raise GlrError(f"no image of the {split} split could be read")
        unreadable = {image_id for image_id, _, _ in bad}
        if bad:
            _write_csv(folder / "bad_images.csv", ("id", "file", "reason"), bad)
        index = [photo for photo in listing.photos["index"] if photo.id not in unreadable]
        _write_csv(folder / "relabeling.csv", ("new_label", "old_label"), ((v, k) for k, v in labels.items()))
        _write_csv(folder / "index.csv", ("id", "landmark_id"), ((p.id, p.landmark or "") for p in index))
        _write_solutions(folder, listing, unreadable)
        manifest = {
            "classes": len(labels),
            "source": settings,
            "seed": seed,
            "shards": {split: [asdict(shard) for shard in shards[split]] for split in SPLITS},
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    return PreparedData(path)


def _names(photos: list[Photo]) -> list[str]:
    names = {photo.landmark for photo in photos}
    if None in names:
        photo = next(p for p in photos if p.landmark is None)
        raise GlrError(f"the train image {photo.id} has no class (landmark_id)")
    numbers = all(name.isdecimal() for name in names if name)
    return sorted((name for name in names if name), key=int if numbers else None)


def _tasks(
    photos: list[Photo], split: str, labels: dict[str, int], folder: Path, size: int, skip_bad: bool, seed: int
) -> list[_Task]:
    images = [(p.id, p.path, labels[p.landmark or ""] if split == "train" else -1) for p in photos]
    if split == "train":
        random.Random(seed).shuffle(images)
    count = -(-len(images) // size)
    # Shards of equal size: image i goes to shard i % count, which keeps every class spread.
    return [
        _Task(folder / f"{split}-{shard:05d}-of-{count:05d}", images[shard::count], skip_bad) for shard in range(count)
    ]


def _write(tasks: dict[str, list[_Task]], workers: int) -> tuple[dict[str, list[Shard]], list[tuple[str, str, str]]]:
    shards: dict[str, list[Shard]] = {split: [] for split in tasks}
    bad: list[tuple[str, str, str]] = []
    everything = [task for split in tasks.values() for task in split]
    # spawn: the caller may have threads (TensorFlow's) that a fork would copy in a broken state.
    with (
        ProcessPoolExecutor(min(workers, len(everything)), get_context("spawn")) as pool,
        tqdm(total=sum(len(t.images) for t in everything), unit=" images", desc="prepare", disable=None) as bar,
    ):
        run = map if workers == 1 else pool.map
        for task, (shard, unreadable) in zip(everything, run(_write_shard, everything), strict=True):
            shards[task.file.name.split("-")[0]].append(shard)
            bad += unreadable
            bar.update(len(task.images))
    return shards, bad


def _write_shard(task: _Task) -> tuple[Shard, list[tuple[str, str, str]]]:
    bad, records = [], 0
    with task.file.open("wb") as file:
        for image_id, path, label in task.images:
            try:
                encoded, height, width = jpeg(path)
            except GlrError as error:
                if not task.skip_bad:
                    advice = "replace it, or leave such images out with on_bad_image=skip"
                    raise GlrError(f"{error}; {advice}") from error
                bad.append((image_id, str(path), str(error)))
                continue
            file.write(framed(example(encoded, height, width, image_id, label)))
            records += 1
    named = task.file.rename(task.file.with_name(f"{task.file.name}-{records}.tfrec"))
    return Shard(named.name, records, named.stat().st_size, checksum(named)), bad


def jpeg(path: Path) -> tuple[bytes, int, int]:
    """An image file as an RGB JPEG: its bytes, height and width in pixels.

    Raises:
        GlrError: it cannot be decoded.
    """
    encoded = path.read_bytes()
    try:
        with PIL.Image.open(io.BytesIO(encoded)) as image:
            image.load()
            if image.format != "JPEG" or image.mode != "RGB":
                converted = io.BytesIO()
                image.convert("RGB").save(converted, "JPEG", quality=95)
                encoded = converted.getvalue()
            return encoded, image.height, image.width
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        reason = "it is empty" if not encoded else str(error)
        raise GlrError(f"{path} cannot be decoded ({reason})") from error


def _check_solutions(listing: Listing) -> None:
    """Refuse solutions that name unknown images, or leave a query out."""
    queries = {photo.id for photo in listing.photos["query"]}
    index = {photo.id for photo in listing.photos["index"]}
    named = {"query": dict.fromkeys(row[0] for row in listing.retrieval + listing.recognition)}
    if unsolved := next((query for query in queries if query not in named["query"]), None):
        raise GlrError(f"the query image {unsolved} is in no solution; the solutions must name every query")
    named["index"] = dict.fromkeys(i for row in listing.retrieval for i in row[1].split() if i != "None")
    for split, known in (("query", queries), ("index", index)):
        if unknown := next((image_id for image_id in named[split] if image_id not in known), None):
            raise GlrError(f"a solution names the {split} image {unknown}, which is not among the {split} images")


def _write_solutions(folder: Path, listing: Listing, unreadable: set[str]) -> None:
    queries = {photo.id for photo in listing.photos["query"]} - unreadable
    index = {photo.id for photo in listing.photos["index"]} - unreadable
    retrieval = [
        (image_id, " ".join(a for a in answers.split() if a in index) if unreadable else answers, usage)
        for image_id, answers, usage in listing.retrieval
        if image_id in queries
    ]
    recognition = [row for row in listing.recognition if row[0] in queries]
    for name, rows in (("retrieval", retrieval), ("recognition", recognition)):
        file = folder / f"{name}_solution.csv"
        _write_csv(file, ("id", "images" if name == "retrieval" else "landmarks", "Usage"), rows)
        read_solution(file)


def _write_csv(file: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def _all_or_nothing(path: Path):
    """A folder to fill beside `path`, renamed to it at the end, removed on any failure."""
    folder = path.with_name(f"{path.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        folder.rename(path)
    except OSError as error:
        # A failed write does not say where: a full disk, a quota.
        raise GlrError(f"{error.filename or path}: {error.strerror}; nothing was written") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
