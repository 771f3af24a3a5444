"""Records written without TensorFlow are what TensorFlow writes and reads."""

from pathlib import Path

import pytest
import tensorflow as tf

from glr.data.tfrecord import example, framed, read
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
    assert [record for _, record in read(file)] == records()


@pytest.mark.parametrize("kept", [-1, 20, 5])
def test_a_cut_off_file_names_the_record(tmp_path: Path, kept: int):
    file = tmp_path / "a.tfrec"
    first = framed(records()[0])
    whole = first + framed(records()[1])
    file.write_bytes(whole[:kept] if kept < 0 else whole[: len(first) + kept])
    with pytest.raises(GlrError, match=rf"a\.tfrec: the record at byte {len(first)} is cut off"):
        list(read(file))


@pytest.mark.parametrize(("position", "what"), [(3, "its length's checksum"), (40, "its checksum")])
def test_a_flipped_bit_names_the_record(tmp_path: Path, position: int, what: str):
    file = tmp_path / "a.tfrec"
    damaged = bytearray(framed(records()[2]))
    damaged[position] ^= 4
    file.write_bytes(damaged)
    with pytest.raises(GlrError, match=rf"the record at byte 0 is damaged \({what} is wrong\)"):
        list(read(file))
