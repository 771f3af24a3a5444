"""Records of any origin that a prepared set reads where they are: their places, and the images in them."""

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import google_crc32c
import numpy as np

from glr import storage
from glr.data import tfrecord
from glr.data.photo import jpeg
from glr.data.record_files import read_part
from glr.data.tfrecord import Image
from glr.errors import GlrError

PLACES = "records.npy"
# The place of a record: its offset and length in its file's records (bytes), its class (-1: none), its number in its
# file, and whether its image must be converted to an RGB JPEG.
PLACE = np.dtype([("offset", "<i8"), ("length", "<i4"), ("label", "<i4"), ("number", "<i4"), ("convert", "?")])
_GAP = 2**16  # bytes; a smaller gap between two records is read and dropped, a larger gap begins another read


class Features(NamedTuple):
    """The names of an example's features: of its image, its id (None: there is none) and its class."""

    image: str
    id: str | None
    label: str


class Labelled(NamedTuple):
    """An example's values: its id, its class (None: it has none) and its image."""

    id: str
    landmark: str | None
    image: bytes | memoryview


def labelled(record: bytes, names: Features, file: str, number: int) -> Labelled:
    """Read a record; without a feature for it, the id is the file's name and the record's number.

    Raises:
        ValueError: the record is not an example, or a feature is missing or of another type.
    """
    values = tfrecord.features(record)
    image, label = values.get(names.image), values.get(names.label)
    if not isinstance(image, bytes | memoryview):
        raise ValueError(f"it has no image in {names.image}")
    image_id = f"{file}/{number}" if names.id is None else _text(values.get(names.id))
    if not image_id:
        raise ValueError(f"it has no id in {names.id}")
    return Labelled("_".join(image_id.split()), "_".join(_text(label).split()) or None, image)


def _text(value: bytes | memoryview | int | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else str(value, "utf-8")


@dataclass(frozen=True)
class InPlace:
    """How a set reads records where they are.

    Attributes:
        folder: the folder of the files, which the shards name relative to it; None: the set's own folder.
        features: see `Features`.
        gzip: the index of each compressed file: a file beside the manifest.
        crc32c: the checksum of `PLACES`, hexadecimal.
    """

    folder: str | None
    features: Features
    gzip: dict[str, str]
    crc32c: str

    def places(self, path: str) -> np.ndarray:
        """Return the places of all records, [N] of `PLACE`, split by split and file by file.

        Args:
            path: the set's folder.

        Raises:
            GlrError: the file is missing or damaged.
        """
        file = storage.join(path, PLACES)
        content = storage.read(file)
        if checksum(content) != self.crc32c:
            raise GlrError(f"{file} is damaged (wrong checksum); prepare the data set again")
        return np.load(io.BytesIO(content), allow_pickle=False)

    def image(self, record: bytes, file: str, place: Any, *, max_side: int | None, background: int) -> Image:
        """Return a record's image, converted if its place says so.

        Raises:
            ValueError: the record has no image.
        """
        values = labelled(record, self.features, file, int(place["number"]))
        encoded = values.image
        if place["convert"]:
            encoded = jpeg(bytes(encoded), max_side=max_side, check=False, background=background).encoded
        return Image(values.id, int(place["label"]), memoryview(encoded))


def checksum(content: bytes) -> str:
    """The CRC32C of some bytes, hexadecimal."""
    return google_crc32c.Checksum(content).hexdigest().decode()


def read_places(file: str, index: str | None, places: np.ndarray) -> list[tuple[int, bytes]]:
    """Read the records at some places of a file, [N] of `PLACE` in the file's order: (byte offset, record).

    Raises:
        GlrError: a record is truncated or damaged; the message names the file and the offset.
    """
    starts, ends = places["offset"], places["offset"] + places["length"]
    cuts = np.flatnonzero(starts[1:] - ends[:-1] > _GAP) + 1
    wanted = set(starts.tolist())
    records: list[tuple[int, bytes]] = []
    for part in np.split(np.arange(len(places)), cuts):
        start, end = int(starts[part[0]]), int(ends[part[-1]])
        content = read_part(file, start, end, index)
        records += [record for record in tfrecord.split(content, file, start) if record[0] in wanted]
    return records
