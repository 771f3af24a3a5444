"""Extraction gives each image its own descriptor, in order, whatever the batches and however often it is killed."""

import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glr.data.pictures import StoredPictures, batches
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from glr.retrieval import descriptors
from glr.retrieval.extraction import Extractor, extract
from tests.processes.forks import Forks

# Kills itself once it has kept so many descriptors.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.retrieval.test_extraction import extractor
from glr.data.pictures import StoredPictures
from glr.data.prepared import PreparedData
from glr.retrieval import descriptors
from glr.retrieval.extraction import extract
append = descriptors.DescriptorWriter.append
data, folder, count = sys.argv[1:]
def dying(writer, ids, values):
    append(writer, ids, values)
    if writer.done >= int(count):
        os.kill(os.getpid(), signal.SIGKILL)
descriptors.DescriptorWriter.append = dying
extract(extractor(), StoredPictures(PreparedData(data), "train"), Path(folder), "train", parallelism=2)
"""


class Means:
    """Describes an image by the mean colours of its quarters."""

    image_size = 12

    @staticmethod
    def describe(images: tf.Tensor) -> tf.Tensor:
        quarters = tf.reshape(tf.cast(images, tf.float32), [-1, 2, 6, 2, 6, 3])
        return tf.reshape(tf.reduce_mean(quarters, [2, 4]), [-1, 12])


def extractor(batch_size: int = 10, strategy: tf.distribute.Strategy | None = None) -> Extractor:
    return Extractor(Means(), strategy or tf.distribute.OneDeviceStrategy("/cpu:0"), batch_size)


def expected(data: PreparedData) -> tuple[list[str], np.ndarray]:
    ((names, images),) = batches(StoredPictures(data, "train"), image_size=12, batch_size=99, parallelism=1)
    quarters = images.astype(np.float64).reshape(-1, 2, 6, 2, 6, 3).mean((2, 4)).reshape(-1, 12)
    return [image_id for image_id, _ in names], quarters


@pytest.mark.parametrize("batch_size", [1, 7, 72, 100])
def test_each_image_has_its_own_descriptor(small_data: PreparedData, tmp_path: Path, batch_size: int):
    ids, values = expected(small_data)
    stored = extract(extractor(batch_size), StoredPictures(small_data, "train"), tmp_path, "train", parallelism=2)
    assert stored.ids == ids
    np.testing.assert_allclose(stored.values, values, rtol=1e-5)


def test_over_two_replicas_and_as_float16(small_data: PreparedData, tmp_path: Path):
    strategy = tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")[:2]])
    over = extractor(7, strategy)
    assert over.batch_size % strategy.num_replicas_in_sync == 0
    pictures = StoredPictures(small_data, "train")
    stored = extract(over, pictures, tmp_path, "train", parallelism=2, dtype="float16")
    assert stored.values.dtype == np.float16
    np.testing.assert_allclose(stored.values, expected(small_data)[1], rtol=1e-3)


@pytest.mark.slow
def test_killed_twice_it_gives_the_same(processes: Forks, small_data: PreparedData, tmp_path: Path):
    (tmp_path / "kept").mkdir()
    for count in ("20", "50"):
        arguments = (KILLED, str(small_data.path), str(tmp_path / "kept"), count)
        code = processes.run(*arguments, command="-c", cwd=tmp_path)
        assert code == -signal.SIGKILL, (tmp_path / "log.txt").read_text()
    described = []
    over = extractor()
    describe = over.describe

    def counted(batches):
        for names, values in describe(batches):
            described.extend(names)
            yield names, values

    over.describe = counted
    stored = extract(over, StoredPictures(small_data, "train"), tmp_path / "kept", "train", parallelism=2)
    ids, values = expected(small_data)
    assert stored.ids == ids
    np.testing.assert_allclose(stored.values, values, rtol=1e-5)
    assert len(described) == 72 - 50
    again = extract(over, StoredPictures(small_data, "train"), tmp_path / "kept", "train", parallelism=2)
    np.testing.assert_array_equal(again.values, stored.values)
    assert len(described) == 72 - 50  # what is there is not described again


@pytest.mark.parametrize(("value", "dtype"), [(np.nan, "float32"), (np.inf, "float16"), (1e5, "float16")])
def test_an_image_whose_descriptor_is_not_finite_is_named(
    small_data: PreparedData, tmp_path: Path, value: float, dtype: str
):
    """The largest finite float16 is 65,504."""
    over, pictures = extractor(), StoredPictures(small_data, "train")
    describe = over.describe
    wanted = expected(small_data)[0][33]

    def spoiled(loaded):
        for names, values in describe(loaded):
            values[[name == wanted for name, _ in names], 2] = value
            yield names, values

    over.describe = spoiled
    with pytest.raises(
        GlrError, match=f"^image {wanted}: its descriptor holds NaN or infinity; the model diverged, or"
    ):
        extract(over, pictures, tmp_path, "train", parallelism=2, dtype=dtype)


def test_stored_descriptors_that_are_not_finite_are_computed_again(
    small_data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Earlier versions stored them."""
    with monkeypatch.context() as patch:
        patch.setattr(descriptors, "check_finite", lambda *_: None)
        ids, values = expected(small_data)
        values[40] = np.nan
        descriptors.save(tmp_path, "train", descriptors.Descriptors(ids, values.astype(np.float32)))
    stored = extract(extractor(), StoredPictures(small_data, "train"), tmp_path, "train", parallelism=2)
    np.testing.assert_allclose(stored.values, expected(small_data)[1], rtol=1e-5)


def test_nothing_to_describe(tmp_path: Path):
    class Nothing:
        def __len__(self) -> int:
            return 0

    with pytest.raises(GlrError, match="there are no index images to describe"):
        extract(extractor(), Nothing(), tmp_path, "index", parallelism=1)
