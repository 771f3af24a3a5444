"""A shard to write. A note beside each finished shard lets an interrupted preparation continue."""

import hashlib
import json
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import google_crc32c

from glr import storage
from glr.data.photo import MissingImageError, jpeg, read_image
from glr.data.prepared import Shard
from glr.data.publishing import published
from glr.data.report import LEFT_OUT
from glr.data.tfrecord import example, framed
from glr.errors import GlrError

_NOTE = ".done.json"


@dataclass(frozen=True)
class ShardTask:
    """One shard to write.

    Attributes:
        folder: the folder to write to.
        name: the shard's name without its count of records.
        images: (id, file, label) of each image.
        max_side: pixels; larger images are shrunk.
        background: the grey behind transparent pixels, 0 (black) to 255.
        check: decode every image; else read only its header and its end.
        block: records in a block.
    """

    folder: str
    name: str
    images: list[tuple[str, str, int]]
    max_side: int | None
    background: int
    check: bool
    block: int

    @property
    def digest(self) -> str:
        """Hash of the task: equal for two tasks that write the same shard from the same files."""
        settings = [self.name, self.images, self.max_side, self.background, self.block]
        return hashlib.blake2b(json.dumps(settings).encode()).hexdigest()[:32]

    def finished(self, files: Mapping[str, storage.FileInfo]) -> Shard | None:
        """Return the shard of an earlier run, or None to write it: it is missing, outdated, or without some images.

        Args:
            files: the folder's files.
        """
        if f"{self.name}{_NOTE}" not in files:
            return None
        if (note := _read_note(self.folder, f"{self.name}{_NOTE}")) is None:
            return None
        file = files.get(note.shard.file)
        whole = file is not None and file.size == note.shard.size and file.crc32c in (None, note.shard.crc32c)
        return note.shard if whole and note.task == self.digest and not note.left_out else None

    def write(self) -> Shard:
        """Write the note, then the shard, so that even after a kill each shard in the folder has a note.

        Raises:
            GlrError: the bucket cannot be written.
            OSError: the disk is full, or the folder cannot be written.
        """
        report, blocks, records = [], [], 0
        crc32c = google_crc32c.Checksum()
        with published(self.folder) as (file, publish):
            for image_id, path, label in self.images:
                try:
                    content = read_image(path)
                    image = jpeg(content, max_side=self.max_side, check=self.check, background=self.background)
                except GlrError as error:
                    outcome = "missing" if isinstance(error, MissingImageError) else "skipped"
                    report.append((image_id, path, outcome, str(error)))
                    continue
                if image.converted:
                    report.append((image_id, path, "converted", image.converted))
                if records % self.block == 0:
                    blocks.append(file.tell())
                record = framed(example(image.encoded, image.height, image.width, image_id, label))
                file.write(record)
                crc32c.update(record)
                records += 1
            name = f"{self.name}-{records}.tfrec"
            shard = Shard(name, records, file.tell(), crc32c.hexdigest().decode(), blocks)
            note = f"{self.name}{_NOTE}"
            if storage.exists(storage.join(self.folder, note)) and (before := _read_note(self.folder, note)):
                storage.delete(storage.join(self.folder, before.shard.file))
            content = json.dumps([self.digest, asdict(shard), report]).encode()
            storage.write(storage.join(self.folder, note), content, overwrite=True)
            publish(name)
        return shard


class _Note(NamedTuple):
    """The note of a finished shard.

    task: the digest of the shard's task.
    report: (id, file, outcome, why) for each image that was converted or that is in `LEFT_OUT`.
    """

    task: str
    shard: Shard
    report: list[tuple[str, str, str, str]]

    @property
    def left_out(self) -> bool:
        return any(outcome in LEFT_OUT for _, _, outcome, _ in self.report)


def _read_note(folder: str, name: str) -> _Note | None:
    """Read a note; return None if it is damaged or names the wrong shard."""
    try:
        task, shard, report = json.loads(storage.read(storage.join(folder, name)))
        note = _Note(task, Shard(**shard), [(i, file, outcome, why) for i, file, outcome, why in report])
        return note if note.shard.file == f"{name.removesuffix(_NOTE)}-{note.shard.records}.tfrec" else None
    except (ValueError, TypeError):
        return None


def reports(folder: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (id, file, outcome, why) of all finished shards: the outcome is `converted` or one of `LEFT_OUT`."""
    for _, note in _notes(folder):
        yield from note.report if note else ()


def clear(folder: str, shards: Container[str]) -> None:
    """Delete all notes, and the stale shards: those that a note names but `shards` does not contain."""
    for name, note in _notes(folder):
        if note and note.shard.file not in shards:
            storage.delete(storage.join(folder, note.shard.file))
        storage.delete(storage.join(folder, name))


def _notes(folder: str) -> Iterator[tuple[str, _Note | None]]:
    """Yield the names of the notes, and the notes that can be read."""
    for name in sorted(storage.files(folder)):
        if re.fullmatch(rf"\w+-\d{{5}}-of-\d{{5}}{re.escape(_NOTE)}", name):
            yield name, _read_note(folder, name)
