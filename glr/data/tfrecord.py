"""TFRecord files with images in DELF's schema, written and checked without TensorFlow, whose import is slow.

Framing: length (8 bytes), its masked CRC32C (4), data, the data's masked CRC32C (4), little-endian; the data is a
serialised `tf.train.Example`.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, TypeVar

import google_crc32c

from glr.errors import GlrError

FRAME = 16  # bytes of a record's framing
Content = TypeVar("Content", bytes, memoryview)


def example(encoded: bytes, height: int, width: int, image_id: str, label: int) -> bytes:
    """Serialise an RGB JPEG as a `tf.train.Example` in the schema of DELF's GLDv2 files.

    Args:
        encoded: JPEG bytes.
        height, width: pixels.
        image_id: the image's name.
        label: the image's class; -1: none.
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
    """Return a record with the framing of a TFRecord file."""
    length = struct.pack("<Q", len(record))
    return length + _masked_crc(length) + record + _masked_crc(record)


def read_records(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield (byte offset, record) of a whole TFRecord file, which may be a stream; memory holds one record.

    Raises:
        GlrError: the file is truncated or a checksum is wrong; the message names the file and the record's offset.
    """
    at = 0
    while header := file.read(12):
        # A damaged length could ask for terabytes.
        rest = file.read(int.from_bytes(header[:8], "little") + 4) if is_header(header) else b""
        yield from split(header + rest, name, at)
        at += len(header) + len(rest)


def is_header(header: bytes) -> bool:
    """Return True if these 12 bytes begin a record: a length and its checksum."""
    return len(header) == 12 and header[8:] == _masked_crc(header[:8])


def split(data: Content, file: str, start: int = 0, *, checked: bool = True) -> list[tuple[int, Content]]:
    """Split a part of a TFRecord file into its records.

    Args:
        data: the part, a sequence of whole records; the records of a view are views.
        file: its name, for messages.
        start: byte offset of the part in the file.
        checked: compare each record with its checksum; if not, only the records' headers are read.

    Returns:
        (byte offset in the file, record).

    Raises:
        GlrError: the part is truncated or a checksum is wrong; the message names the file and the record's offset.
    """
    records: list[tuple[int, Content]] = []
    at = 0
    while at < len(data):
        where, again = f"{file}: the record at byte {start + at}", "copy or prepare this shard again"
        header = bytes(data[at : at + 12])
        if len(header) == 12 and not is_header(header):
            raise GlrError(f"{where} is damaged (its length's checksum is wrong); {again}")
        end = at + 12 + int.from_bytes(header[:8], "little")
        record, checksum = data[at + 12 : end], data[end : end + 4]
        if len(header) < 12 or len(checksum) < 4:
            before = f" (after image {_id(records[-1][1])})" if records else ""
            raise GlrError(f"{where}{before} is cut off; {again}")
        if checked and checksum != _masked_crc(record):
            raise GlrError(f"{where} (image {_id(record)}) is damaged (its checksum is wrong); {again}")
        records.append((start + at, record))
        at = end + 4
    return records


# Numbers of the lists of a tf.train.Feature.
_BYTES, _INTEGERS = 1, 3
_WANTED = (b"image/id", b"image/class/label", b"image/encoded")


class Image(NamedTuple):
    """The parts of a record that training and evaluation need."""

    id: str
    label: int
    encoded: memoryview


def parse(record: bytes | memoryview) -> Image:
    """Read a serialised `tf.train.Example` in DELF's schema, written by any program.

    Raises:
        ValueError: the record is not such an example, or a feature is missing.
    """
    fields: dict[bytes, Any] = {}
    try:
        for name, value in _features(record):
            # A feature is a list of bytes or numbers; only its first value is used.
            if name in _WANTED:
                _, values = next(_fields(value))
                fields[name] = next(_fields(values))[1]
        if missing := [name.decode() for name in _WANTED if name not in fields]:
            raise ValueError(f"it has no {', '.join(missing)}")
        name, label, encoded = (fields[name] for name in _WANTED)
        return Image(str(name, "utf-8"), _signed(label), encoded)
    except (IndexError, TypeError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("it is not a tf.train.Example with an image") from error


def features(record: bytes) -> dict[str, bytes | memoryview | int | None]:
    """Return the first value of each feature of a `tf.train.Example`: bytes or a number; None: a float, or no value.

    Raises:
        ValueError: the record is not an example.
    """
    named: dict[str, bytes | memoryview | int | None] = {}
    try:
        for name, value in _features(record):
            kind, values = next(_fields(value), (None, memoryview(b"")))
            first = next(_fields(values), (0, None))[1] if kind in (_BYTES, _INTEGERS) else None
            named[str(name, "utf-8")] = _signed(first) if kind == _INTEGERS and first is not None else first
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError("it is not a tf.train.Example") from error
    return named


def _features(record: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (name, feature) of each feature of an example."""
    for _, features in _fields(memoryview(record)):
        for _, entry in _fields(features):
            key, value = (content for _, content in _fields(entry))
            yield bytes(key), value


def _id(record: bytes | memoryview) -> str:
    """Return the id in a record, or "unknown"."""
    try:
        return parse(record).id
    except ValueError:
        return "unknown"


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield (number, content) of each field of a message; content is a view of bytes, or an integer."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _number(message, at)
        content, at = _number(message, at)
        if tag & 7 == 2:
            content, at = message[at : at + content], at + content
        elif tag & 7:
            raise TypeError(f"unexpected wire type {tag & 7}")
        yield tag >> 3, content


def _number(message: memoryview, at: int) -> tuple[int, int]:
    value = message[at]
    at += 1
    if value < 128:
        return value, at
    value, shift = value & 127, 7
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _signed(number: int | memoryview) -> int:
    # Some writers pack a list of integers into bytes; others write the integers one by one.
    value = number if isinstance(number, int) else _number(number, 0)[0]
    return value - 2**64 if value >= 2**63 else value


def _masked_crc(data: bytes | memoryview) -> bytes:
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
