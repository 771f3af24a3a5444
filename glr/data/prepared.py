"""A prepared data set: a folder of TFRecord shards with a manifest, and what it says about itself.

manifest.json               counts, shards with sizes and checksums, classes, source
train-00000-of-00002-900.tfrec, index-..., query-...     the last number is the count of records
relabeling.csv              new_label,old_label of the train classes
index.csv                   id,landmark_id of the index images
retrieval_solution.csv      id,images,Usage
recognition_solution.csv    id,landmarks,Usage
"""

import csv
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import google_crc32c

from glr.errors import GlrError
from glr.storage import checksum

# Up to this size a set's checksums are verified whenever it is opened; beyond, sizes and each record's own checksum.
CHECKSUMS_UP_TO = 2**30


@dataclass(frozen=True)
class Shard:
    """A TFRecord file: its name, count of records, size in bytes and CRC32C (hexadecimal)."""

    file: str
    records: int
    size: int
    crc32c: str


class PreparedData:
    """A folder that `prepare` wrote, verified.

    Raises:
        GlrError: the folder or a file of it is missing, or differs from the manifest.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        manifest = self.path / "manifest.json"
        if not manifest.is_file():
            raise GlrError(f"{self.path} holds no prepared data set; make it with python -m glr.prepare data=...")
        try:
            content = json.loads(manifest.read_text())
            self.classes: int = content["classes"]
            self.source: dict[str, Any] = content["source"]
            self.shards = {split: [Shard(**shard) for shard in shards] for split, shards in content["shards"].items()}
        except (ValueError, KeyError, TypeError) as error:
            raise GlrError(
                f"{manifest} cannot be read as a manifest ({error!r}); prepare the data set again"
            ) from error
        self._verify()

    def _verify(self) -> None:
        shards = [shard for split in self.shards.values() for shard in split]
        with_checksums = sum(shard.size for shard in shards) <= CHECKSUMS_UP_TO
        for shard in shards:
            file = self.path / shard.file
            if not file.is_file():
                raise GlrError(f"{file} is missing; copy it again, or prepare the data set again")
            if file.stat().st_size != shard.size:
                raise GlrError(
                    f"{file} has {file.stat().st_size:,} bytes, the manifest says {shard.size:,}; "
                    "copy it again, or prepare the data set again"
                )
            if with_checksums and checksum(file) != shard.crc32c:
                raise GlrError(f"{file} is damaged (wrong checksum); copy it again, or prepare the data set again")

    def images(self, split: str) -> int:
        """The number of images of `train`, `index` or `query`."""
        return sum(shard.records for shard in self.shards[split])

    def files(self, split: str) -> list[str]:
        """The paths of a split's shards, in order."""
        return [str(self.path / shard.file) for shard in self.shards[split]]

    @cached_property
    def index_classes(self) -> dict[str, str]:
        """The class of each index image, by id."""
        with (self.path / "index.csv").open(newline="") as file:
            return {row["id"]: row["landmark_id"] for row in csv.DictReader(file)}

    @property
    def digest(self) -> str:
        """A short fingerprint of all shards, hexadecimal."""
        text = json.dumps({split: [asdict(shard) for shard in shards] for split, shards in self.shards.items()})
        return google_crc32c.Checksum(text.encode()).hexdigest().decode()

    def check_source(self, source: dict[str, Any]) -> None:
        """Refuse a run that asks for another source than this set was made from.

        A setting that is null in the run's config is not compared.
        """
        for key, value in source.items():
            if value is not None and self.source.get(key) != value:
                raise GlrError(
                    f"{self.path} was prepared with data.source.{key}={self.source.get(key)}, this run says {value}; "
                    "give data.path another folder, or delete this one"
                )
