"""Prepare a data set from a source's images: every image is checked, and an interrupted preparation continues."""

import json
import re
import shutil
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from glr import storage
from glr.data import report
from glr.data.catalog import SPLITS, Catalog, without
from glr.data.claim import CLAIM, claimed
from glr.data.prepared import BLOCK, MANIFEST, OPENING, PreparedData, Shard
from glr.data.publishing import STAGING, write_csv
from glr.data.report import LEFT_OUT
from glr.data.rows import COLUMNS
from glr.data.shard_task import ShardTask, clear, reports
from glr.data.shard_workers import write_shards
from glr.data.solution import read_solution
from glr.data.source import Source
from glr.errors import GlrError
from glr.storage.lock import held

_WRITING = re.compile(r".+\.[0-9a-f]{16}\.part")  # temporary files of `storage.write`
# A folder that holds only these counts as empty: the lock that processes wait on, and the file system's own folder.
_UNCOUNTED = {OPENING, "lost+found"}


@dataclass(frozen=True)
class Options:
    """Settings of the preparation of a set.

    Attributes:
        validation_share: share of each class's train images that become the split `validation`.
        max_side: pixels; larger images are shrunk.
        background: the grey behind transparent pixels, 0 (black) to 255.
        seed: determines the images' order and the choice of validation images.
        shard_images: the most images per shard.
        workers: processes.
        skip_bad: leave out images that cannot be decoded; else fail after all images have been read.
        skip_missing: leave out images that the source lists but does not hold; else fail before any is read.
        check: decode every image; else read only its header and its end.
    """

    validation_share: float = 0.0
    max_side: int | None = None
    background: int = 255
    seed: int = 0
    shard_images: int = 2048
    workers: int = 1
    skip_bad: bool = False
    skip_missing: bool = False
    check: bool = True


DEFAULTS = Options()


def prepare(source: Source, path: str | Path, options: Options = DEFAULTS, *, settings: dict[str, Any]) -> PreparedData:
    """Write a source's images as shards below `path`.

    Upright RGB JPEGs pass through byte for byte; other images are converted and listed in `image_report.csv`. Train
    classes are numbered from 0 in the order of their names. Train images are shuffled over the shards. The same source
    and options give the same bytes with any number of workers and interruptions. An interrupted preparation leaves
    finished shards in `<path>.partial` (in a bucket or an existing empty folder: in `path` itself, without a manifest);
    the next preparation continues with these shards.

    Args:
        source: fills a catalogue with its images.
        path: the new folder, local or gs://.
        options: how to prepare it.
        settings: the source's settings, kept in the manifest.

    Raises:
        GlrError: `path` holds something already or another process is filling it, a split is empty, the solutions name
            unknown images, or an image cannot be decoded.
    """
    path = str(path)
    if storage.exists(storage.join(path, MANIFEST)):
        raise GlrError(f"{path} holds a prepared data set; give data.path another folder")
    with unfinished(path) as (folder, verify), closing(Catalog(options.seed)) as catalog:
        classes = fill(catalog, source, options, settings.get("path", "the source"))
        shards, left_out, counts = _write_images(folder, catalog, options)
        write_tables(folder, catalog, left_out)
        manifest = {
            "classes": classes,
            "block": BLOCK,
            "settings": recorded(options, settings),
            "report": counts,
            **manifest_of(catalog, shards),
        }
        verify()
        clear(folder, {shard.file for written in shards.values() for shard in written})
        storage.write(storage.join(folder, MANIFEST), json.dumps(manifest).encode(), overwrite=True)
    return PreparedData(path)


def manifest_of(catalog: Catalog, shards: dict[str, list[Shard]]) -> dict[str, object]:
    """The part of a manifest that says what the set holds."""
    return {
        "tasks": catalog.tasks(),
        "images": {split: sum(shard.records for shard in written) for split, written in shards.items()},
        "shards": {split: [asdict(shard) for shard in written] for split, written in shards.items()},
    }


def recorded(options: Options, settings: dict[str, Any]) -> dict[str, object]:
    """The settings that a manifest keeps: those of the options that the set's content depends on, and the source's."""
    names = ("validation_share", "max_side", "background", "seed")
    return {name: getattr(options, name) for name in names} | {f"source.{key}": settings[key] for key in settings}


def fill(catalog: Catalog, source: Source, options: Options, where: str) -> int:
    """Fill the catalogue, check it and split off the validation images; return the number of train classes.

    Raises:
        GlrError: images are missing (unless the options skip them), a split is empty, or a solution names unknown
            images.
    """
    source.fill(catalog)
    if options.skip_missing:
        catalog.leave_missing_out()
    else:
        catalog.refuse_missing()
    for split in ("train", "index", "query"):
        if not catalog.count(split):
            raise GlrError(f"the {split} split of {where} is empty: no images to prepare")
    catalog.check_solutions()
    classes = catalog.number_classes()
    catalog.split_validation(options.validation_share)
    return classes


def _write_images(
    folder: str, catalog: Catalog, options: Options
) -> tuple[dict[str, list[Shard]], set[str], dict[str, int]]:
    """Write the shards of each split and the report; refuse bad and missing images unless the options skip them.

    Returns:
        The shards by split, the ids of images that were left out, and the number of the report's rows by outcome.
    """
    counts = {split: count for split in SPLITS if (count := catalog.count(split))}
    tasks = (
        ShardTask(folder, name, images, options.max_side, options.background, options.check, BLOCK)
        for split in counts
        for name, images in _shards(catalog, split, options.shard_images)
    )
    shards: dict[str, list[Shard]] = {split: [] for split in counts}
    for shard in write_shards(tasks, folder, workers=options.workers, images=sum(counts.values())):
        shards[shard.file.split("-")[0]].append(shard)
    left_out = [row for row in reports(folder) if row[2] in LEFT_OUT]
    skips = {"missing": options.skip_missing, "skipped": options.skip_bad}
    for landmark in catalog.emptied(row[0] for row in left_out) if all(skips[row[2]] for row in left_out) else ():
        catalog.leave_out(landmark, "", "all images of this class were skipped")
    file, rows = report.write(folder, _reported(folder, catalog, left_out))
    report.refuse(left_out, file, skips=skips, kept="shards")
    for split, written in shards.items():
        if not sum(shard.records for shard in written):
            raise GlrError(f"no image of the {split} split could be read")
    return shards, {row[0] for row in left_out}, rows


def _reported(folder: str, catalog: Catalog, left_out: Sequence[report.Row]) -> Iterator[report.Row]:
    """Yield (class, path, "left out", why) for paths that the source left out; (id, file, outcome, why) for images."""
    yield from ((landmark, path, "left out", reason) for landmark, path, reason in catalog.left_out())
    yield from ((image_id, path, "missing", "there is no such file") for image_id, path in catalog.missing())
    yield from left_out  # images to replace come before those that were converted
    yield from (row for row in reports(folder) if row[2] not in LEFT_OUT)


def _shards(catalog: Catalog, split: str, size: int) -> Iterator[tuple[str, list[tuple[str, str, int]]]]:
    """Yield the name and the images of each of a split's shards; their sizes differ by one image at most."""
    images, total = catalog.photos(split), catalog.count(split)
    count = -(-total // size)
    for shard in range(count):
        share = total * (shard + 1) // count - total * shard // count
        yield f"{split}-{shard:05d}-of-{count:05d}", list(islice(images, share))


def write_tables(folder: str, catalog: Catalog, skipped: Container[str] = ()) -> None:
    """Write the classes, the index and the solutions, without the images that were skipped."""
    write_csv(folder, "relabeling.csv", ("new_label", "old_label"), catalog.classes())
    index = (row for row in catalog.landmarks("index") if row[0] not in skipped)
    write_csv(folder, "index.csv", ("id", "landmark_id"), index)
    _write_solutions(folder, catalog, skipped)


def _write_solutions(folder: str, catalog: Catalog, skipped: Container[str]) -> None:
    """Write the solutions without the images that were skipped."""
    for task in catalog.tasks():
        rows = (
            (query, without(answers, skipped.__contains__) if task == "retrieval" else answers, usage)
            for query, answers, usage in catalog.answers(task)
            if query not in skipped
        )
        read_solution(write_csv(folder, f"{task}_solution.csv", ("id", COLUMNS[task], "Usage"), rows))


@contextmanager
def unfinished(path: str, known: Container[str] = ()) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the folder to fill, and a function that raises GlrError if another process has taken the folder over.

    The folder is `<path>.partial`, renamed to `path` at the end. In a bucket, or if `path` is a folder already (such as
    a mounted volume), the folder is `path` itself.

    Args:
        path: the folder.
        known: names in it that may stay there.

    Raises:
        GlrError: another process is filling it, or `path` holds something else.
    """
    if storage.is_bucket(path):
        with claimed(path, known) as verify:
            yield path, verify
        return
    inside = Path(path).is_dir()
    folder = Path(path) if inside else Path(f"{path}.partial")
    lock = folder / CLAIM
    names = {file.name for file in folder.iterdir()} - _UNCOUNTED if folder.is_dir() else set()
    names = {name for name in names if name not in known}
    if names and not lock.exists():
        raise GlrError(f"{folder} holds other files ({min(names)}); give data.path another folder")
    if Path(path).exists() and not inside:
        raise GlrError(f"{path} is a file; give data.path a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(held(lock, wait=0))
        except BlockingIOError:
            raise GlrError(f"{folder} is being written by another process; wait for it") from None
        # Delete the leftovers of a killed process.
        for leftover in folder.glob(f"{STAGING}*"):
            shutil.rmtree(leftover, ignore_errors=True)  # another user's folder cannot be read
        for leftover in (file for file in folder.iterdir() if _WRITING.fullmatch(file.name)):
            leftover.unlink()
        try:
            yield str(folder), lambda: None
        except BaseException:
            if list(folder.iterdir()) == [lock]:  # nothing to continue with
                lock.unlink()
                if not inside:
                    folder.rmdir()
            raise
        lock.unlink()
        if not inside:
            folder.rename(path)
