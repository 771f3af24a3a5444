"""Pictures come in order with their names, wherever one begins, from a prepared set and from files of any format."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from glr.data.geometry import letterbox
from glr.data.photo import jpeg
from glr.data.pictures import ChosenPictures, FilePictures, ImageFile, Picture, StoredPictures, batches, picture
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from tests.conftest import folder_source


@pytest.fixture(scope="module")
def data(class_folders: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    """72 train images in 3 shards of blocks of 5."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glr.data.preparation.BLOCK", 5)
        target = tmp_path_factory.mktemp("blocks") / "data"
        return prepare(folder_source(class_folders), target, Options(shard_images=25), settings={})


def expected(data: PreparedData, split: str) -> list[Picture]:
    pictures = []
    for record in tf.data.TFRecordDataset(data.files(split)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        pixels = tf.io.decode_jpeg(features["image/encoded"].bytes_list.value[0]).numpy()
        label = features["image/class/label"].int64_list.value[0]
        pictures.append(Picture(features["image/id"].bytes_list.value[0].decode(), label, pixels))
    return pictures


def boxed(pixels: np.ndarray, size: int = 24) -> np.ndarray:
    frame = np.empty((size, size, 3), np.uint8)
    letterbox(pixels, frame)
    return frame


@pytest.mark.parametrize("split", ["index", "train"])
@pytest.mark.parametrize("first", [0, 1, 12])
def test_stored_pictures_keep_their_order_and_the_rest(data: PreparedData, split: str, first: int):
    pictures = StoredPictures(data, split)
    originals = expected(data, split)
    assert len(pictures) == len(originals)
    taken = list(batches(pictures, image_size=24, batch_size=7, parallelism=2, first=first))
    sizes = [len(names) for names, _ in taken]
    count = len(originals) - first
    assert sizes == [7] * (count // 7) + [count % 7] * (count % 7 > 0)
    assert [name for names, _ in taken for name in names] == [(p.id, p.label) for p in originals[first:]]
    images = np.concatenate([images for _, images in taken])
    np.testing.assert_array_equal(images, np.stack([boxed(p.pixels) for p in originals[first:]]))


def test_one_picture_by_its_position(data: PreparedData):
    originals = expected(data, "train")
    for position in (0, 24, 25, 71):
        one = picture(StoredPictures(data, "train"), position)
        assert (one.id, one.label) == originals[position][:2]
        np.testing.assert_array_equal(one.pixels, originals[position].pixels)


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    """A JPEG, a grey PNG named .jpg, and a JPEG that its EXIF turns; each of another size."""
    rng = np.random.default_rng(0)
    PIL.Image.fromarray(rng.integers(0, 256, (20, 33, 3), np.uint8)).save(tmp_path / "a.jpg")
    PIL.Image.fromarray(rng.integers(0, 256, (41, 12), np.uint8)).save(tmp_path / "b.jpg", "PNG")
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(rng.integers(0, 256, (10, 30, 3), np.uint8)).save(tmp_path / "c.jpg", exif=exif)
    return [ImageFile(name, str(tmp_path / f"{name}.jpg")) for name in "abc"]


def test_files_are_read_as_prepare_would_store_them(files: list[ImageFile]):
    ((names, images),) = batches(FilePictures(files), image_size=None, batch_size=8, parallelism=2)
    assert names == [("a", -1), ("b", -1), ("c", -1)]
    assert [image.shape for image in images] == [(20, 33, 3), (41, 12, 3), (30, 10, 3)]
    for file, image in zip(files, images, strict=True):
        stored = tf.io.decode_jpeg(jpeg(Path(file.path).read_bytes()).encoded).numpy()
        np.testing.assert_array_equal(image, stored)
    small = [images for _, images in batches(FilePictures(files), image_size=16, batch_size=2, parallelism=1)]
    np.testing.assert_array_equal(np.concatenate(small), np.stack([boxed(image, 16) for image in images]))
    ((names, _),) = batches(FilePictures(files), image_size=16, batch_size=2, parallelism=1, first=2)
    assert names == [("c", -1)]


def test_a_box_is_cut_out(files: list[ImageFile]):
    whole = picture(FilePictures(files), 0).pixels
    part = picture(FilePictures([files[0]._replace(box=(2.4, 3.6, 31.0, 99.0))]), 0).pixels
    np.testing.assert_array_equal(part, whole[4:, 2:31])
    with pytest.raises(GlrError, match=r"a\.jpg: its box \(40.* contains no pixels of the image"):
        picture(FilePictures([files[0]._replace(box=(40.0, 0.0, 50.0, 9.0))]), 0)


def test_a_file_that_is_no_image_is_named(files: list[ImageFile], tmp_path: Path):
    (tmp_path / "b.jpg").write_bytes(b"<html>")
    with pytest.raises(GlrError, match=r"b\.jpg: it is not an image in a readable format"):
        list(batches(FilePictures(files), image_size=16, batch_size=2, parallelism=1))
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(GlrError, match=r"a\.jpg: "):
        list(batches(FilePictures(files), image_size=16, batch_size=2, parallelism=1))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(GlrError, match=r"a\.jpg"):
        list(batches(FilePictures(files), image_size=16, batch_size=2, parallelism=1))


@pytest.mark.parametrize("batch_size", [1, 4])
def test_chosen_pictures_are_those_of_their_positions(data: PreparedData, batch_size: int):
    whole, positions = expected(data, "train"), [0, 7, 8, 30, 71]
    stored = StoredPictures(data, "train")
    assert list(stored.ids()) == [picture.id for picture in whole]
    chosen = ChosenPictures(stored, positions)
    assert len(chosen) == 5
    loaded = list(batches(chosen, image_size=24, batch_size=batch_size, parallelism=2))
    assert [name for names, _ in loaded for name in names] == [(whole[at].id, whole[at].label) for at in positions]
    images = np.concatenate([images for _, images in loaded])
    np.testing.assert_array_equal(images, [boxed(picture(stored, at).pixels) for at in positions])
    assert picture(chosen, 3).id == whole[30].id
