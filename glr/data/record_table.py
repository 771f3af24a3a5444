"""The place and the class of every train record, so that single records can be read; computed once for each set."""

import io
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from glr import storage
from glr.config.printing import progress_bar, say
from glr.data import tfrecord
from glr.data.in_place import PLACE
from glr.data.prepared import PreparedData, Shard
from glr.data.threads import READERS
from glr.errors import GlrError
from glr.storage.paths import explained


def record_tables(data: PreparedData, split: str) -> list[np.ndarray]:
    """Return the places of the records of each shard of a split, [records] of `PLACE` in the shard's order.

    The table of a set's own shards is stored beside them as `places-<split>-<digest>.npy`, 21 bytes a record. To make
    it, only the records' headers are read from a disk, but whole shards from a bucket.

    Raises:
        GlrError: a shard is damaged; the message names the shard and the offset.
    """
    shards = data.shards[split]
    if data.in_place is not None:
        return [data.places(shard) for shard in shards]
    ends = np.cumsum([shard.records for shard in shards])
    name = f"places-{split}-{data.digest[:16]}.npy"
    table = _stored(data, name, ends[-1])
    if table is None:
        table = _scanned(data, shards)
        content = io.BytesIO()
        np.save(content, table, allow_pickle=False)
        try:
            storage.write(data.file(name), content.getvalue(), overwrite=True)
        except (GlrError, OSError) as error:
            say(f"{data.file(name)} cannot be stored, so each run reads the records again: {error}", file=sys.stderr)
    return np.split(table, ends[:-1])


def _stored(data: PreparedData, name: str, records: int) -> np.ndarray | None:
    """Return the stored table; None if there is none or it is damaged."""
    if not storage.exists(data.file(name)):
        return None
    try:
        table = np.load(io.BytesIO(storage.read(data.file(name))), allow_pickle=False)
    except (ValueError, EOFError):
        return None
    return table if table.dtype == PLACE and table.shape == (records,) else None


def _scanned(data: PreparedData, shards: list[Shard]) -> np.ndarray:
    with ThreadPoolExecutor(READERS) as readers:
        tables = readers.map(partial(_table, data), shards)
        with progress_bar(iterable=tables, total=len(shards), unit=" shards", desc="places") as bar:
            return np.concatenate(list(bar))


def _table(data: PreparedData, shard: Shard) -> np.ndarray:
    table, count, file = np.zeros(shard.records, PLACE), 0, data.shard_file(shard)
    for offset, record in _records(data, shard):
        try:
            label = tfrecord.parse(record).label
            if not 0 <= label < data.classes:
                raise ValueError(f"it has the label {label} of {data.classes} classes")
        except ValueError as error:
            raise GlrError(
                f"{file}: the record at byte {offset} cannot be used: {error}; prepare this data set again"
            ) from error
        if count < shard.records:
            table[count] = offset, len(record) + tfrecord.FRAME, label, count, False
        count += 1
    if count != shard.records:
        raise GlrError(f"{file} has {count} records, the manifest says {shard.records}; prepare the data set again")
    return table


def _records(data: PreparedData, shard: Shard) -> Iterator[tuple[int, bytes | memoryview]]:
    file = data.shard_file(shard)
    if storage.is_bucket(file):
        for block in range(len(shard.blocks)):
            yield from data.read_block(shard, block)
    else:
        with explained(file):
            content = np.memmap(Path(file), np.uint8, "r")  # only the pages that are used are read
        yield from tfrecord.split(content.data, file, checked=False)
