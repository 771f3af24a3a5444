"""Records written without TensorFlow are what TensorFlow writes and reads."""

import io
from pathlib import Path

import pytest
import tensorflow as tf

from glr.data.tfrecord import example, framed, parse, read_records, split
from glr.data.tfrecord import features as features_of
from glr.errors import GlrError


def records() -> list[bytes]:
    return [example(bytes(range(n)), 30, 40, f"image {n} ü", label) for n, label in ((0, 0), (5, 203_093), (200, -1))]


def test_examples_read_back_by_tensorflow(tmp_path: Path):
    file = tmp_path / "a.tfrec"
    file.write_bytes(b"".join(framed(record) for record in records()))
    raw = [value.numpy() for value in tf.data.TFRecordDataset(str(file))]
    assert raw == records()
    features = tf.train.Example.FromString(raw[1]).features.feature
    assert features["image/encoded"].bytes_list.value[0] == bytes(range(5))
    assert features["image/id"].bytes_list.value[0].decode() == "image 5 ü"
    assert features["image/class/label"].int64_list.value[0] == 203_093
    assert features["image/height"].int64_list.value[0] == 30
    assert features["image/width"].int64_list.value[0] == 40
    assert features["image/channels"].int64_list.value[0] == 3
    assert features["image/colorspace"].bytes_list.value[0] == b"RGB"
    assert features["image/format"].bytes_list.value[0] == b"jpeg"
    assert tf.train.Example.FromString(raw[2]).features.feature["image/class/label"].int64_list.value[0] == -1


def test_reads_what_tensorflow_writes(tmp_path: Path):
    file = tmp_path / "a.tfrec"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records():
            writer.write(record)
    actual = split(file.read_bytes(), "a.tfrec")
    assert [record for _, record in actual] == records()
    at = actual[2][0]
    assert split(file.read_bytes()[at:], "a.tfrec", at) == actual[2:]


def features(**values: bytes | int) -> bytes:
    named = {"image/encoded": b"jpeg", "image/id": "ü".encode(), "image/class/label": 5} | values
    example = tf.train.Example()
    for name, value in named.items():
        if isinstance(value, int):
            example.features.feature[name].int64_list.value.append(value)
        elif value:
            example.features.feature[name].bytes_list.value.append(value)
    return example.SerializeToString()


@pytest.mark.parametrize("label", [0, 1, 127, 128, 203_093, 2**40, -1, -(2**63)])
def test_parses_what_anyone_writes(label: int):
    for record in (features(**{"image/class/label": label}), example(b"jpeg", 3, 4, "ü", label)):
        image = parse(record)
        assert (image.id, image.label, bytes(image.encoded)) == ("ü", label, b"jpeg")
    more = features(**{"other": b"x" * 300, "image/encoded": bytes(70_000), "number": 3})
    assert bytes(parse(more).encoded) == bytes(70_000)


@pytest.mark.parametrize("name", ["image/id", "image/encoded"])
def test_a_missing_feature_is_named(name: str):
    with pytest.raises(ValueError, match=f"it has no {name}"):
        parse(features(**{name: b""}))


@pytest.mark.parametrize("record", [b"text, not an example", b"\x0a\xff", bytes(20), b"\xff" * 9])
def test_what_is_no_example_is_refused(record: bytes):
    with pytest.raises(ValueError, match=r"not a tf\.train\.Example|it has no image/id"):
        parse(record)


@pytest.mark.parametrize("kept", [-1, 20, 5])
def test_a_cut_off_file_names_the_record(kept: int):
    first = framed(records()[0])
    whole = first + framed(records()[1])
    cut = whole[:kept] if kept < 0 else whole[: len(first) + kept]
    with pytest.raises(
        GlrError, match=rf"a\.tfrec: the record at byte {1000 + len(first)} \(after image image 0 ü\) is cut off"
    ):
        split(cut, "a.tfrec", 1000)


@pytest.mark.parametrize(("position", "what"), [(3, "its length's checksum"), (40, "its checksum")])
def test_a_flipped_bit_names_the_record(position: int, what: str):
    damaged = bytearray(framed(records()[2]))
    damaged[position] ^= 4
    image = "" if position < 12 else r"\(image image 200 ü\) "
    with pytest.raises(GlrError, match=rf"the record at byte 0 {image}is damaged \({what} is wrong\)"):
        split(bytes(damaged), "a.tfrec")


def test_any_features_of_what_tensorflow_writes():
    made = tf.train.Example()
    made.features.feature["text"].bytes_list.value.extend([b"first", b"second"])
    made.features.feature["number"].int64_list.value.extend([-3, 4])
    made.features.feature["floats"].float_list.value.extend([0.5, 1.5])
    made.features.feature["none"].SetInParent()
    expected = {"text": b"first", "number": -3, "floats": None, "none": None}
    assert features_of(made.SerializeToString()) == expected
    with pytest.raises(ValueError, match=r"it is not a tf\.train\.Example"):
        features_of(b"text, not an example")


def test_a_stream_of_records_stops_at_damage():
    whole = b"".join(framed(record) for record in records())
    assert list(read_records(io.BytesIO(whole), "a")) == split(whole, "a")
    huge = b"\xff" * 8 + whole[8:]  # an unverified length would ask for exabytes
    for content, message in ((huge, "its length's checksum"), (whole[:-3], "is cut off"), (whole[:5], "is cut off")):
        with pytest.raises(GlrError, match=message):
            list(read_records(io.BytesIO(content), "a"))
