"""TFRecord files with images in DELF's schema, written and checked without TensorFlow.

Framing: length (8 bytes), its masked CRC32C (4), data, the data's masked CRC32C (4), little-endian; the data is a
serialised `tf.train.Example`. Importing TensorFlow takes longer than writing a small data set.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c

from glr.errors import GlrError


def example(encoded: bytes, height: int, width: int, image_id: str, label: int) -> bytes:
    """Serialise an RGB JPEG as a `tf.train.Example` in the schema of DELF's GLDv2 files.

    Args:
        encoded: JPEG bytes.
        height, width: pixels.
        image_id: the image's name.
        label: its class, or -1 where there is none.
    """
    features = {
        "image/encoded": encoded,
        "image/height": height,
        "image/width": width,
        "image/channels": 3,
        "image/colorspace": b"RGB",
        "image/format": b"jpeg",
        "image/id": image_id.encode(),
        "image/class/label": label,
    }
    entries = (_message(1, key.encode()) + _message(2, _feature(value)) for key, value in features.items())
    return _message(1, b"".join(_message(1, entry) for entry in entries))


def framed(record: bytes) -> bytes:
    """A record as it stands in a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length) + record + _masked_crc(record)


def read(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, record) of a TFRecord file.

    Raises:
        GlrError: the file is cut off or a checksum does not hold; names the file and the record's offset.
    """
    with path.open("rb") as file:
        offset = 0
        while header := file.read(12):
            where = f"{path}: the record at byte {offset}"
            if len(header) < 12:
                raise GlrError(f"{where} is cut off; copy or prepare this shard again")
            if header[8:] != _masked_crc(header[:8]):
                raise GlrError(f"{where} is damaged (its length's checksum is wrong); copy or prepare this shard again")
            (length,) = struct.unpack("<Q", header[:8])
            record, checksum = file.read(length), file.read(4)
            if len(checksum) < 4:
                raise GlrError(f"{where} is cut off; copy or prepare this shard again")
            if checksum != _masked_crc(record):
                raise GlrError(f"{where} is damaged (its checksum is wrong); copy or prepare this shard again")
            yield offset, record
            offset += 16 + length


def _masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _feature(value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return _message(1, _message(1, value))
    return _message(3, _message(1, _varint(value & 0xFFFFFFFFFFFFFFFF)))


def _message(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    digits.append(number)
    return bytes(digits)
