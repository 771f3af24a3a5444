"""Prepare TFRecords of any origin where they are: a manifest tells the places of their records. No image is copied."""

import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from glr import storage
from glr.data import report, tfrecord
from glr.data.catalog import SPLITS, Catalog, Photo
from glr.data.holding_out import hold_out
from glr.data.in_place import PLACE, PLACES, Features, InPlace, checksum, labelled
from glr.data.photo import jpeg
from glr.data.preparation import DEFAULTS, Options, fill, manifest_of, recorded, unfinished, write_tables
from glr.data.prepared import BLOCK, MANIFEST, PreparedData, Shard
from glr.data.record_files import index_gzip, is_gzip, opened
from glr.data.record_source import RecordSource
from glr.data.shard_workers import write_shards
from glr.errors import GlrError

_TABLES = {PLACES, report.REPORT, "relabeling.csv", "index.csv", "retrieval_solution.csv", "recognition_solution.csv"}


class Scan(NamedTuple):
    """A file whose records were checked.

    Attributes:
        file: its name.
        size, crc32c: its size in bytes and its checksum, both as stored.
        gzip: the index of a compressed file; None: it is not compressed.
        note: the file with a row per record: offset, length, number, id, class, outcome and reason.
    """

    file: str
    size: int
    crc32c: str
    gzip: str | None
    note: str


@dataclass(frozen=True)
class ScanTask:
    """A file whose records to check.

    Attributes:
        folder: the folder for the note.
        name: the note's name without its suffix.
        root, file: the folder of the records, and the file's name below it.
        features: see `Features`.
        max_side, background, check: see `glr.data.photo.jpeg`.
    """

    folder: str
    name: str
    root: str
    file: str
    features: Features
    max_side: int | None
    background: int
    check: bool

    @property
    def images(self) -> list[str]:
        """The file, which the progress bar counts."""
        return [self.file]

    @property
    def _digest(self) -> str:
        # The folder's path does not count: it may be mounted elsewhere when the scan continues.
        size = storage.files(self.root)[self.file].size
        settings = [self.file, size, self.features, self.max_side, self.background, self.check]
        return hashlib.blake2b(json.dumps(settings).encode(), digest_size=16).hexdigest()

    def finished(self, files: Any) -> Scan | None:
        """Return the result of an earlier scan of the same file, or None."""
        note = f"{self.name}.json"
        if note not in files:
            return None
        try:
            digest, scan, _ = json.loads(storage.read(storage.join(self.folder, note)))
            return Scan(*scan) if digest == self._digest else None
        except (ValueError, TypeError):
            return None

    def write(self) -> Scan:
        """Check every record and write the note.

        Raises:
            GlrError: the file is damaged, or a record lacks its class or another feature.
        """
        file = storage.join(self.root, self.file)
        index = f"{self.name}.gzidx" if is_gzip(file) else None
        if index:
            storage.write(storage.join(self.folder, index), index_gzip(file), overwrite=True)
        size = storage.files(self.root)[self.file].size
        scan = Scan(self.file, size, storage.checksum(file), index, f"{self.name}.json")
        content = json.dumps([self._digest, scan, list(self._rows(file))]).encode()
        storage.write(storage.join(self.folder, scan.note), content, overwrite=True)
        return scan

    def _rows(self, file: str) -> Iterator[tuple[object, ...]]:
        try:
            with opened(file) as stream:
                for number, (offset, record) in enumerate(tfrecord.read_records(stream, file)):
                    yield offset, len(record) + 16, number, *self._checked(file, offset, record, number)
        except (OSError, EOFError, zlib.error) as error:
            raise GlrError(f"{file} cannot be read to its end ({error}); copy it again") from error

    def _checked(self, file: str, offset: int, record: bytes, number: int) -> tuple[str, str, str, str]:
        """Return a record's id, class, outcome (empty: it can be used as it is) and reason."""
        where = f"{file}: the record at byte {offset}"
        try:
            image_id, landmark, encoded = labelled(record, self.features, self.file, number)
        except ValueError as error:
            raise GlrError(f"{where} cannot be used: {error}") from error
        if landmark is None:
            raise GlrError(
                f"{where} has no class in {self.features.label}; choose files with classes by data.source.files=train*"
            )
        try:
            image = jpeg(bytes(encoded), max_side=self.max_side, check=self.check, background=self.background)
        except GlrError as error:
            return image_id, landmark, "skipped", str(error)
        return image_id, landmark, "converted" if image.converted else "", image.converted or ""


class _Scanned:
    """The records that were scanned, as a source; a photo's path is `FILE OFFSET LENGTH NUMBER CONVERT` in numbers."""

    def __init__(self, source: RecordSource, folder: str, scans: list[Scan], others: list[str]):
        self._source, self._folder, self._scans, self._others = source, folder, scans, others

    def fill(self, catalog: Catalog) -> None:
        for name in self._others:
            catalog.leave_out("", storage.join(self._source.path, name), "it is not a TFRecord file")
        for number, scan in enumerate(self._scans):
            catalog.add("train", self._photos(number, scan))
        bad = {row[4] for scan in self._scans for row in rows(self._folder, scan) if row[5] in report.LEFT_OUT}
        for landmark in sorted(bad - catalog.class_sizes().keys()):
            catalog.leave_out(landmark, "", "all images of this class were skipped")
        hold_out(catalog, self._source.held_out, where=self._source.path, what="classes with images")

    def _photos(self, file: int, scan: Scan) -> Iterator[Photo]:
        for offset, length, number, image_id, landmark, outcome, _ in rows(self._folder, scan):
            if outcome not in report.LEFT_OUT:
                place = f"{file} {offset} {length} {number} {int(outcome == 'converted')}"
                where = f"{storage.join(self._source.path, scan.file)}: the record at byte {offset}"
                yield Photo(image_id, place, landmark, where)

    def reported(self, outcomes: tuple[str, ...]) -> Iterator[report.Row]:
        """Yield a row of the report for each record with one of these outcomes."""
        for scan in self._scans:
            file = storage.join(self._source.path, scan.file)
            for offset, _, _, image_id, _, outcome, reason in rows(self._folder, scan):
                if outcome in outcomes:
                    yield image_id, f"{file}: the record at byte {offset}", outcome, reason


def rows(folder: str, scan: Scan) -> list[Any]:
    """Return the rows of a scan's note."""
    return json.loads(storage.read(storage.join(folder, scan.note)))[2]


def adopt(
    source: RecordSource, path: str | Path, options: Options = DEFAULTS, *, settings: dict[str, Any]
) -> PreparedData:
    """Check the records of a source, and write a manifest that tells where they are.

    Images that are not upright RGB JPEGs are converted each time they are read. An interrupted scan continues.

    Args:
        source: the records.
        path: the new folder, local or gs://; it may be the folder of the records.
        options: how to prepare the set; `shard_images` is not used.
        settings: the source's settings, kept in the manifest.

    Raises:
        GlrError: a file or a record is damaged or has no class, an image cannot be decoded, there are too few classes,
            or the folder holds other files.
    """
    path = str(path)
    beside = storage.normalized(path) == storage.normalized(source.path)
    files, others = source.listing()
    with (
        unfinished(path, _beside(path) if beside else ()) as (folder, verify),
        closing(Catalog(options.seed)) as catalog,
    ):
        features = source.features(files[0])
        image = options.max_side, options.background, options.check
        tasks = [
            ScanTask(folder, f"records-{n:05d}-of-{len(files):05d}", source.path, file, features, *image)
            for n, file in enumerate(files)
        ]
        scans = write_shards(iter(tasks), folder, workers=options.workers, images=len(files), unit="files")
        scanned = _Scanned(source, folder, scans, others)
        _report(scanned, folder, options)
        classes = fill(catalog, scanned, options, source.path)
        write_tables(folder, catalog)
        _, counts = report.write(folder, _reported(catalog, scanned))
        places, shards = _places(catalog, scans)
        storage.write(storage.join(folder, PLACES), places, overwrite=True)
        gzip = {scan.file: scan.gzip for scan in scans if scan.gzip}
        root = None if beside else source.path if storage.is_bucket(source.path) else str(Path(source.path).resolve())
        manifest = {
            "classes": classes,
            "block": BLOCK,
            "settings": recorded(options, settings),
            "report": counts,
            **manifest_of(catalog, shards),
            "in_place": asdict(InPlace(root, features, gzip, checksum(places))),
        }
        verify()
        for scan in scans:
            storage.delete(storage.join(folder, scan.note))
        storage.write(storage.join(folder, MANIFEST), json.dumps(manifest).encode(), overwrite=True)
    return PreparedData(path)


def _beside(path: str) -> set[str]:
    """Return the names of the files that lie in a folder of records and stay there.

    Raises:
        GlrError: one of them is a table that the data set would overwrite.
    """
    names = set(storage.files(path)) if storage.is_bucket(path) else {file.name for file in Path(path).iterdir()}
    if taken := sorted(names & _TABLES):
        raise GlrError(f"{path} holds {taken[0]}, which the data set would overwrite; give data.path another folder")
    return names


def _report(scanned: _Scanned, folder: str, options: Options) -> None:
    bad = list(scanned.reported(report.LEFT_OUT))
    if bad and not options.skip_bad:
        file, _ = report.write(folder, scanned.reported(("converted", *report.LEFT_OUT)))
        report.refuse(bad, file, skips={"skipped": False}, kept="notes on files")


def _reported(catalog: Catalog, scanned: _Scanned) -> Iterator[report.Row]:
    yield from ((landmark, path, "left out", reason) for landmark, path, reason in catalog.left_out())
    yield from scanned.reported(("converted", *report.LEFT_OUT))


def _places(catalog: Catalog, scans: list[Scan]) -> tuple[bytes, dict[str, list[Shard]]]:
    """Return the content of `PLACES`, and each split's shards; a shard's blocks are rows of it."""
    tables: list[np.ndarray] = []
    shards: dict[str, list[Shard]] = {}
    row = 0
    for split in SPLITS:
        if not (count := catalog.count(split)):
            continue
        shards[split] = []
        numbers = np.fromiter(
            ((*map(int, path.split()), label) for _, path, label in catalog.photos(split)),
            np.dtype((np.int64, 6)),
            count,
        )
        numbers = numbers[np.lexsort((numbers[:, 1], numbers[:, 0]))]
        file, offset, length, number, convert, label = numbers.T
        table = np.empty(count, PLACE)
        for name, column in zip(PLACE.names or (), (offset, length, label, number, convert), strict=True):
            table[name] = column
        tables.append(table)
        for n, records in zip(*np.unique(file, return_counts=True), strict=True):
            scan = scans[n]
            blocks = list(range(row, row + int(records), BLOCK))
            shards[split].append(Shard(scan.file, int(records), scan.size, scan.crc32c, blocks))
            row += int(records)
    content = io.BytesIO()
    np.save(content, np.concatenate(tables), allow_pickle=False)
    return content.getvalue(), shards
