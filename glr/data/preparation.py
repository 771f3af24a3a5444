"""From a source's images to a prepared data set: every image checked, and what was interrupted is continued."""

import csv
import fcntl
import hashlib
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import google_crc32c
from tqdm import tqdm

from glr import storage
from glr.data.catalog import SPLITS, Catalog
from glr.data.photo import jpeg
from glr.data.prepared import BLOCK, MANIFEST, PreparedData, Shard
from glr.data.source import Source
from glr.data.tfrecord import example, framed
from glr.errors import GlrError
from glr.retrieval.rows import COLUMNS
from glr.retrieval.solution import read_solution

_REPORT = "image_report.csv"
_DONE = ".done.json"


@dataclass(frozen=True)
class _Task:
    """One shard to write: (id, file, label) of its images, and how."""

    folder: str
    name: str
    images: list[tuple[str, str, int]]
    max_side: int | None
    check: bool

    @property
    def digest(self) -> str:
        """Tells whether a shard that is there is the one that this task would write."""
        return hashlib.blake2b(json.dumps([self.name, self.images, self.max_side, BLOCK]).encode()).hexdigest()[:32]


class _Done(NamedTuple):
    """A shard that is written: of which task, and its images that did not pass through.

    report: (id, file, converted or skipped, why) of each.
    """

    task: str
    shard: Shard
    report: list[tuple[str, str, str, str]]

    @property
    def skipped(self) -> int:
        return sum(what == "skipped" for _, _, what, _ in self.report)


def prepare(
    source: Source,
    path: str | Path,
    *,
    settings: dict[str, Any],
    validation_share: float = 0.0,
    max_side: int | None = None,
    shard_images: int = 2048,
    workers: int = 1,
    skip_bad: bool = False,
    check: bool = True,
    seed: int = 0,
) -> PreparedData:
    """Write a source's images as shards below `path`.

    Upright RGB JPEGs pass through byte for byte; anything else becomes one, and is listed in `image_report.csv`. Train
    classes are numbered from 0 in the order of their names, and train images shuffled over the shards. The same source
    and settings give the same bytes, whatever the number of workers and however often it was interrupted: what was done
    by then is found again in `<path>.partial` (in a bucket at `path` itself, which counts when its manifest is there).

    Args:
        source: fills a catalogue with its images.
        path: the new folder, local or gs://.
        settings: the source's settings, kept in the manifest.
        validation_share: share of each class's train images that become the split `validation`.
        max_side: pixels; larger images are shrunk.
        shard_images: images per shard at most.
        workers: processes.
        skip_bad: leave images out that cannot be decoded; else refuse the set when all have been looked at.
        check: decode every image, else look at its header and its end only.
        seed: of the order and of the choice for validation.

    Raises:
        GlrError: something lies at `path` already, a split is empty, the solutions name unknown images, or an image
            cannot be decoded.
    """
    path = str(path)
    if storage.exists(storage.join(path, MANIFEST)) or (not storage.is_bucket(path) and Path(path).exists()):
        raise GlrError(f"{path} exists already; give data.path another folder, or delete this one")
    catalog = Catalog(seed)
    try:
        source.fill(catalog)
        for split in ("train", "index", "query"):
            if not catalog.count(split):
                raise GlrError(
                    f"the {split} split of {settings.get('path', 'the source')} is empty: no images to prepare"
                )
        catalog.check_solutions()
        classes = catalog.number_classes()
        catalog.split_validation(validation_share)
        splits = [split for split in SPLITS if catalog.count(split)]
        with _unfinished(path) as folder:
            tasks = (
                _Task(folder, name, images, max_side, check)
                for split in splits
                for name, images in _shards(catalog, split, shard_images)
            )
            shards = {split: [] for split in splits}
            for shard in _write(tasks, folder, workers, sum(catalog.count(split) for split in splits)):
                shards[shard.file.split("-")[0]].append(shard)
            _write_csv(folder, _REPORT, ("id", "file", "what", "reason"), _reports(folder))
            not_passed = Counter(what for _, _, what, _ in _reports(folder))
            skipped = {row[0]: row for row in _reports(folder) if row[2] == "skipped"}
            _check_images(shards, list(skipped.values()), skip_bad, folder)
            _write_csv(folder, "relabeling.csv", ("new_label", "old_label"), catalog.classes())
            index = (row for row in catalog.landmarks("index") if row[0] not in skipped)
            _write_csv(folder, "index.csv", ("id", "landmark_id"), index)
            _write_solutions(folder, catalog, skipped)
            _clear(folder, {shard.file for of_split in shards.values() for shard in of_split})
            manifest = {
                "classes": classes,
                "block": BLOCK,
                "settings": {
                    "validation_share": validation_share,
                    "max_side": max_side,
                    "seed": seed,
                    **{f"source.{key}": value for key, value in settings.items()},
                },
                "report": not_passed,
                "images": {split: sum(shard.records for shard in shards[split]) for split in splits},
                "shards": {split: [asdict(shard) for shard in shards[split]] for split in splits},
            }
            storage.write(storage.join(folder, MANIFEST), json.dumps(manifest).encode(), overwrite=True)
    finally:
        catalog.close()
    return PreparedData(path)


def _shards(catalog: Catalog, split: str, size: int) -> Iterator[tuple[str, list[tuple[str, str, int]]]]:
    """Yield the name and the images of a split's shards, of equal size but for one image."""
    images, total = catalog.photos(split), catalog.count(split)
    count = -(-total // size)
    for shard in range(count):
        share = total * (shard + 1) // count - total * shard // count
        yield f"{split}-{shard:05d}-of-{count:05d}", list(islice(images, share))


def _write(tasks: Iterator[_Task], folder: str, workers: int, images: int) -> list[Shard]:
    """Write the shards that are not there yet, each in a process of its own."""
    there = storage.files(folder)
    shards: list[Shard] = []
    under_way: dict[Future[Shard], _Task] = {}
    with (
        nullcontext() if workers == 1 else _processes(workers) as pool,
        tqdm(total=images, unit=" images", desc="prepare", disable=None, smoothing=0.1) as bar,
    ):

        def take(task: _Task, shard: Shard) -> None:
            shards.append(shard)
            bar.update(len(task.images))

        def collect(most: int) -> None:
            while len(under_way) > most:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    take(under_way.pop(future), future.result())

        try:
            for task in tasks:
                if (shard := _found(task, there)) is not None:
                    take(task, shard)
                elif pool is None:
                    take(task, _write_shard(task))
                else:
                    # So few wait that their lists of images take no memory to speak of.
                    collect(2 * workers - 1)
                    under_way[pool.submit(_write_shard, task)] = task
            collect(0)
        except (OSError, BrokenProcessPool) as error:
            # A failed write does not say where: a full disk, a quota.
            where = getattr(error, "filename", None) or folder
            reason = getattr(error, "strerror", None) or "a worker process was killed (out of memory? give workers=1)"
            raise GlrError(f"{where}: {reason}; what is done is kept, and the same command continues") from error
    return sorted(shards, key=lambda shard: shard.file)


def _found(task: _Task, there: dict[str, storage.FileInfo]) -> Shard | None:
    """What an interrupted run left of a task, unless images failed: those may have been replaced since."""
    if f"{task.name}{_DONE}" not in there:
        return None
    done = _read_done(task.folder, f"{task.name}{_DONE}")
    file = there.get(done.shard.file)
    whole = file is not None and file.size == done.shard.size and file.crc32c in (None, done.shard.crc32c)
    return done.shard if whole and done.task == task.digest and not done.skipped else None


def _read_done(folder: str, name: str) -> _Done:
    task, shard, report = json.loads(storage.read(storage.join(folder, name)))
    return _Done(task, Shard(**shard), report)


def _reports(folder: str) -> Iterator[tuple[str, str, str, str]]:
    for name in sorted(storage.files(folder)):
        if name.endswith(_DONE):
            yield from _read_done(folder, name).report


def _write_shard(task: _Task) -> Shard:
    report, blocks, records = [], [], 0
    crc32c = google_crc32c.Checksum()
    with _published(task.folder) as (file, publish):
        for image_id, path, label in task.images:
            try:
                image = jpeg(storage.read(path), max_side=task.max_side, check=task.check)
            except GlrError as error:
                report.append((image_id, path, "skipped", str(error)))
                continue
            if image.converted:
                report.append((image_id, path, "converted", image.converted))
            if records % BLOCK == 0:
                blocks.append(file.tell())
            record = framed(example(image.encoded, image.height, image.width, image_id, label))
            file.write(record)
            crc32c.update(record)
            records += 1
        name = f"{task.name}-{records}.tfrec"
        shard = Shard(name, records, file.tell(), crc32c.hexdigest().decode(), blocks)
        publish(name)
    note = json.dumps([task.digest, asdict(shard), report]).encode()
    storage.write(storage.join(task.folder, f"{task.name}{_DONE}"), note, overwrite=True)
    return shard


@contextmanager
def _published(folder: str) -> Iterator[tuple[BinaryIO, Callable[[str], None]]]:
    """A file to write, and what puts it into the folder under its name when it is whole."""
    bucket = storage.is_bucket(folder)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=None if bucket else folder) as place:
        staging = Path(place) / "file"
        with staging.open("wb") as file:

            def publish(name: str) -> None:
                file.flush()
                os.fsync(file.fileno())
                if bucket:
                    storage.upload([(staging, storage.join(folder, name))], overwrite=True)
                else:
                    staging.replace(Path(folder) / name)

            yield file, publish


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: the caller may have threads (TensorFlow's) that a fork would copy in a broken state.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    # Ctrl-C reaches every process: the parent lets shards that are begun be finished. A parent that was killed
    # can tell nobody.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _check_images(
    shards: dict[str, list[Shard]], skipped: list[tuple[str, str, str, str]], skip_bad: bool, folder: str
) -> None:
    if skipped and not skip_bad:
        _, file, _, reason = skipped[0]
        count = f"{len(skipped)} images are" if len(skipped) > 1 else "1 image is"
        raise GlrError(
            f"{file}: {reason} ({count} bad, see {storage.join(folder, _REPORT)}); replace what is listed there, or "
            "leave it out with on_bad_image=skip; all else is kept, so that it need not be done again"
        )
    for split, written in shards.items():
        if not sum(shard.records for shard in written):
            raise GlrError(f"no image of the {split} split could be read")


def _write_solutions(folder: str, catalog: Catalog, skipped: Container[str]) -> None:
    """Write the solutions without the images that were left out."""
    for task, column in COLUMNS.items():
        rows = (
            (query, _kept(answers, skipped) if task == "retrieval" else answers, usage)
            for query, answers, usage in catalog.answers(task)
            if query not in skipped
        )
        file = _write_csv(folder, f"{task}_solution.csv", ("id", column, "Usage"), rows)
        read_solution(file)


def _kept(answers: str, skipped: Container[str]) -> str:
    return " ".join(image_id for image_id in answers.split() if image_id not in skipped) or "None"


def _write_csv(folder: str, name: str, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    with _published(folder) as (file, publish):
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        publish(name)
        text.detach()
    return storage.join(folder, name)


def _clear(folder: str, shards: set[str]) -> None:
    """Delete what only unfinished sets have: notes of finished shards, and shards of another try."""
    for name in storage.files(folder):
        if name.endswith(_DONE) or (re.fullmatch(r"\w+-\d{5}-of-\d{5}-\d+\.tfrec", name) and name not in shards):
            storage.delete(storage.join(folder, name))


@contextmanager
def _unfinished(path: str) -> Iterator[str]:
    """The folder to fill: `<path>.partial`, renamed to `path` when all is done; in a bucket `path` itself.

    Raises:
        GlrError: another process is filling it.
    """
    if storage.is_bucket(path):
        yield path
        return
    folder = Path(f"{path}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GlrError(f"{folder} is being written by another process; wait for it") from None
        # What a killed process was about:
        for left in folder.glob(".writing-*"):
            shutil.rmtree(left)
        for left in folder.glob("*.part"):
            left.unlink()
        yield str(folder)
        lock.unlink()
        folder.rename(path)
