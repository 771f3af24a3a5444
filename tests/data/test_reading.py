"""Records come in their order, read in whole blocks when they are needed; a damaged one is named."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from glr.data.order import Order
from glr.data.prepared import PreparedData
from glr.data.reading import Reader
from glr.data.threads import threads
from glr.errors import GlrError


def order_of(data: PreparedData) -> Order:
    return Order([shard.records for shard in data.shards["train"]], block=data.block, window=16, seed=3)


@pytest.fixture
def reader(blocks: PreparedData) -> Iterator[Reader]:
    with threads(2) as readers:
        yield Reader(blocks, blocks.shards["train"], order_of(blocks), readers, repeat=True)


def ids(reader: Reader, epoch: int, position: int, count: int) -> list[str]:
    read = []
    for record in reader.records(epoch, position, count):
        with record.image() as image:
            read.append(image.id)
    return read


def stored(data: PreparedData) -> list[list[str]]:
    """The ids of each shard, as TensorFlow reads them."""
    shards = [tf.data.TFRecordDataset(file).as_numpy_iterator() for file in data.files("train")]
    return [
        [tf.train.Example.FromString(r).features.feature["image/id"].bytes_list.value[0].decode() for r in records]
        for records in shards
    ]


def test_records_follow_the_order(blocks: PreparedData, reader: Reader):
    names, order = stored(blocks), order_of(blocks)
    for epoch in (0, 1):
        places = [place for window in range(order.windows(epoch)) for place in order.window(epoch, window)]
        expected = [names[shard][5 * block + record] for shard, block, record in places]
        parts = [ids(reader, epoch, position, 10) for position in range(0, order.images - 9, 10)]
        assert [name for part in parts for name in part] == expected[: 10 * len(parts)]


def test_a_window_and_the_next_are_read_once_and_nothing_else(blocks: PreparedData, monkeypatch: pytest.MonkeyPatch):
    read: list[tuple[str, int]] = []
    plain = PreparedData.read_block
    monkeypatch.setattr(
        PreparedData,
        "read_block",
        lambda data, shard, block: read.append((shard.file, block)) or plain(data, shard, block),
    )
    order = order_of(blocks)
    shards = [shard.file for shard in blocks.shards["train"]]
    last = order.windows(0) - 1
    for repeat in (True, False):
        read.clear()
        with threads(1) as readers:
            reader = Reader(blocks, blocks.shards["train"], order, readers, repeat=repeat)
            for _ in range(2):
                ids(reader, 0, order.start(0, last), 3)
            readers.submit(int).result()  # runs after all blocks are read
        wanted = order.blocks(0, last) + (order.blocks(1, 0) if repeat else [])
        assert read == [(shards[shard], block) for shard, block in wanted]


@pytest.fixture
def own_data(small_data: PreparedData, tmp_path: Path) -> PreparedData:
    shutil.copytree(small_data.path, tmp_path / "data")
    return PreparedData(tmp_path / "data")


def failing(data: PreparedData) -> str:
    order = order_of(data)
    with threads(2) as readers, pytest.raises(GlrError) as raised:
        ids(Reader(data, data.shards["train"], order, readers, repeat=False), 0, 0, order.images)
    return str(raised.value)


def test_a_cut_off_shard_is_named(own_data: PreparedData):
    file = Path(own_data.files("train")[1])
    file.write_bytes(file.read_bytes()[:-40])
    message = failing(own_data)
    assert "train-00001-of-00003-24.tfrec: the record at byte" in message
    assert "is cut off; copy or prepare this shard again" in message


def test_a_flipped_bit_is_named(own_data: PreparedData):
    file = Path(own_data.files("train")[1])
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)
    assert "train-00001-of-00003-24.tfrec: the record at byte" in failing(own_data)


def test_a_shard_that_went_missing_is_named(own_data: PreparedData):
    Path(own_data.files("train")[2]).unlink()
    assert "train-00002-of-00003-24.tfrec" in failing(own_data)


def test_a_manifest_of_another_set_is_noticed(own_data: PreparedData):
    shard = own_data.shards["train"][0]
    own_data.shards["train"][0] = shard.__class__(**{**vars(shard), "records": 23})
    assert "has 24 records from byte 0 on, the manifest says 23" in failing(own_data)


def test_a_mistake_met_while_an_image_is_used_names_its_record(reader: Reader):
    (record,) = reader.records(0, 0, 1)
    with record.image() as image:
        name = image.id
    sentence = rf"^{record.file}: the record at byte \d+ \(image {name}\) cannot be used: too dark; prepare this data"
    with pytest.raises(GlrError, match=sentence), record.image():
        raise ValueError("too dark")
