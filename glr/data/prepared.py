"""A prepared data set: a folder of TFRecord shards and tables, with a manifest that describes them.

manifest.json               counts, shards with sizes, checksums and blocks, classes, how it was prepared
train-00000-of-00002-900.tfrec, validation-..., index-..., query-...     the last number is the count of records
records.npy, *.gzidx        instead of shards, if records are read where they are (see glr/data/in_place.py)
relabeling.csv              new_label,old_label of the train classes
index.csv                   id,landmark_id of the index images
retrieval_solution.csv      id,images,Usage; only if this task is scored
recognition_solution.csv    id,landmarks,Usage; only if this task is scored
image_report.csv            id,file,what,reason of the images that were converted, skipped or missing
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glr import storage
from glr.config.component import class_of
from glr.data import tfrecord
from glr.data.in_place import Features, InPlace, read_places
from glr.data.rows import COLUMNS
from glr.data.tfrecord import Image
from glr.errors import GlrError

MANIFEST = "manifest.json"
OPENING = ".opening"  # the lock on which processes wait until the set is prepared
# Records in a block, the part of a shard that is read at once: about 6 MB of GLDv2.
BLOCK = 64
# Opening a local set of up to this many bytes verifies its checksums; opening a larger local set verifies only sizes.
# Opening a set in a bucket compares the bucket's checksums. Reading a record always verifies the record's checksum.
CHECKSUMS_UP_TO = 2**30
_AGAIN = "copy it again, or prepare the data set again"


@dataclass(frozen=True)
class Shard:
    """A TFRecord file: its name, count of records, size in bytes, CRC32C (hexadecimal), and where its blocks begin.

    Blocks begin at bytes of the file; of records that are read in place, at rows of the table of places.
    """

    file: str
    records: int
    size: int
    crc32c: str
    blocks: list[int]


class PreparedData:
    """A folder, local or in a bucket, that `prepare` wrote; verified when opened.

    Attributes:
        path: the folder.
        classes: number of classes of the train images.
        block: records in a block.
        settings: how the set was prepared, by name; the source's settings are named `source.<name>`.
        report: counts of the rows of image_report.csv by outcome: `converted`, `skipped`, `missing` or `left out`.
        tasks: the tasks that are scored: `retrieval`, `recognition` or both.
        shards: the shards of each split.
        in_place: how to read records of other origin where they are; None: `prepare` wrote the shards.

    Raises:
        GlrError: the folder or a file of it is missing, or differs from the manifest.
    """

    def __init__(self, path: str | Path):
        self.path = str(path)
        manifest = storage.join(self.path, MANIFEST)
        if not storage.exists(manifest):
            raise GlrError(f"{self.path} holds no prepared data set; make it with python -m glr.prepare data=...")
        try:
            content = json.loads(storage.read(manifest))
            self.classes: int = _typed(content, "classes", int)
            self.block: int = _typed(content, "block", int)
            self.settings: dict[str, Any] = _typed(content, "settings", dict)
            self.report: dict[str, int] = _typed(content, "report", dict)
            # Earlier versions always had both tasks.
            self.tasks: list[str] = _typed({"tasks": list(COLUMNS)} | content, "tasks", list)
            self.in_place = _in_place(content.get("in_place"))
            self.shards = {
                split: [_shard(shard) for shard in shards] for split, shards in _typed(content, "shards", dict).items()
            }
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise GlrError(
                f"{manifest} cannot be read as a manifest ({error!r}); prepare the data set again"
            ) from error
        self._places = None if self.in_place is None else self.in_place.places(self.path)
        self._verify()

    def _verify(self) -> None:
        present = storage.files(self.records)
        # A file of records that are read in place may hold images of several splits.
        shards = {shard.file: shard for split in self.shards.values() for shard in split}.values()
        with_checksums = sum(shard.size for shard in shards) <= CHECKSUMS_UP_TO
        for shard in shards:
            file = self.shard_file(shard)
            stored = present.get(shard.file)
            if stored is None:
                raise GlrError(f"{file} is missing; {_AGAIN}")
            if stored.size != shard.size:
                raise GlrError(f"{file} has {stored.size:,} bytes, the manifest says {shard.size:,}; {_AGAIN}")
            crc32c = stored.crc32c or (with_checksums and storage.checksum(Path(file)))
            if crc32c and crc32c != shard.crc32c:
                raise GlrError(f"{file} is damaged (wrong checksum); {_AGAIN}")

    def file(self, name: str) -> str:
        """The path of one of the set's files."""
        return storage.join(self.path, name)

    @property
    def records(self) -> str:
        """The folder of the shards: the set's own, or that of records that are read in place."""
        return self.path if self.in_place is None or self.in_place.folder is None else self.in_place.folder

    def shard_file(self, shard: Shard) -> str:
        """The path of a shard."""
        return storage.join(self.records, shard.file)

    def images(self, split: str) -> int:
        """The number of images of `train`, `validation`, `index` or `query`."""
        return sum(shard.records for shard in self.shards.get(split, []))

    def train_shards(self, splits: Sequence[str], batch_size: int) -> list[Shard]:
        """The shards of the splits to train on.

        Raises:
            GlrError: the set has no such split, or the splits have fewer images than a batch.
        """
        if "validation" in splits and "validation" not in self.shards:
            raise GlrError(f"data.train_on_validation=true, but {self.path} was prepared without data.validation_share")
        images = sum(self.images(split) for split in splits)
        if images < batch_size:
            raise GlrError(
                f"train.batch_size={batch_size}, but {self.path} has only {images} train images; lower train.batch_size"
            )
        return [shard for split in splits for shard in self.shards[split]]

    def files(self, split: str) -> list[str]:
        """The paths of a split's shards, in order."""
        return [self.shard_file(shard) for shard in self.shards[split]]

    def read_block(self, shard: Shard, block: int) -> list[tuple[int, bytes]]:
        """Read a block: (byte offset in the shard, record).

        Raises:
            GlrError: the block is truncated or damaged; the message names the shard and the offset.
        """
        file, start = self.shard_file(shard), shard.blocks[block]
        if self.in_place is not None:
            return self.read_places(shard, self._rows(shard, block))
        end = shard.blocks[block + 1] if block + 1 < len(shard.blocks) else shard.size
        records = tfrecord.split(storage.read(file, start, end), file, start)
        expected = min(self.block, shard.records - block * self.block)
        if len(records) != expected:
            raise GlrError(
                f"{file} has {len(records)} records from byte {start} on, the manifest says {expected}; {_AGAIN}"
            )
        return records

    def read_places(self, shard: Shard, places: np.ndarray) -> list[tuple[int, bytes]]:
        """Read the records at some places of a shard, [N] of `PLACE` in the shard's order: (byte offset, record).

        Raises:
            GlrError: a record is truncated or damaged; the message names the shard and the offset.
        """
        index = None if self.in_place is None else self.in_place.gzip.get(shard.file)
        return read_places(self.shard_file(shard), index and self.file(index), places)

    def image(self, shard: Shard, block: int, number: int, record: bytes) -> Image:
        """Return the image of a block's record.

        Raises:
            ValueError: the record has no image.
        """
        if self.in_place is None:
            return tfrecord.parse(record)
        max_side, background = (self.settings[name] for name in ("max_side", "background"))
        place = self._rows(shard, block)[number]
        return self.in_place.image(record, shard.file, place, max_side=max_side, background=background)

    def _rows(self, shard: Shard, block: int) -> np.ndarray:
        """The places of a block's records."""
        return self.places(shard)[block * self.block : (block + 1) * self.block]

    def places(self, shard: Shard) -> np.ndarray:
        """The places of a shard's records that are read in place, [records] of `PLACE`."""
        assert self._places is not None
        return self._places[shard.blocks[0] : shard.blocks[0] + shard.records]

    @property
    def digest(self) -> str:
        """Fingerprint of the set's content: 128 bits over all shards' checksums and the tasks, hexadecimal."""
        content: dict[str, object] = {
            split: [asdict(shard) for shard in shards] for split, shards in self.shards.items()
        }
        if self.tasks != list(COLUMNS):  # as in earlier versions if both tasks are scored
            content["tasks"] = self.tasks
        if self.in_place is not None:
            content["in_place"] = [*self.in_place.features, self.in_place.crc32c]
        text = json.dumps(content)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def check_settings(self, settings: dict[str, object]) -> None:
        """Refuse a run whose settings (named as in `settings`) differ from this set's; null settings are not compared.

        Raises:
            GlrError: a setting differs; the message names the first.
        """
        for key, value in settings.items():
            before = self.settings.get(key, value)  # earlier versions had fewer settings
            if value is not None and before != value and not _same(key, before, value):
                raise GlrError(
                    f"{self.path} was prepared with data.{key}={before}, this run says {value}; "
                    "give data.path another folder"
                )


def _typed(content: object, key: str, kind: type) -> Any:
    """Return a value of the manifest.

    Raises:
        KeyError: the value is missing.
        TypeError: the value has another type.
    """
    if not isinstance(content, dict) or not isinstance(content[key], kind):
        raise TypeError(f"{key} is of another type")
    return content[key]


def _in_place(content: Any) -> InPlace | None:
    if content is None:
        return None
    folder, gzip = content["folder"], _typed(content, "gzip", dict)
    if not isinstance(folder, str | None):
        raise TypeError("folder is of another type")
    return InPlace(folder, Features(*content["features"]), gzip, _typed(content, "crc32c", str))


def _shard(content: Any) -> Shard:
    shard = Shard(**content)
    for key, kind in (("file", str), ("records", int), ("size", int), ("crc32c", str), ("blocks", list)):
        _typed(content, key, kind)
    if not all(isinstance(begin, int) for begin in content["blocks"]):
        raise TypeError("blocks is of another type")
    return shard


def _same(key: str, before: object, value: object) -> bool:
    """Return True for two spellings of the same source: its class may have moved, its paths may be absolute."""
    if not isinstance(before, str) or not isinstance(value, str):
        return False
    if key == "source._target_":
        return class_of("data.source", before) == class_of("data.source", value)
    return key.startswith("source.") and storage.normalized(before) == storage.normalized(value)
