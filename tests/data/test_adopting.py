"""TFRecords of any origin, written by TensorFlow, are read where they are; mistakes in them are named."""

import io
import pickle
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import simplejpeg
from omegaconf import OmegaConf

from glr import storage
from glr.data import adopting
from glr.data.adopting import adopt
from glr.data.augment import Unchanged
from glr.data.opening import open_data
from glr.data.pictures import StoredPictures, picture
from glr.data.pipeline import TrainPipeline
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.errors import GlrError
from tests.conftest import folder_source
from tests.data.conftest import contents
from tests.data.records import DELF, KAGGLE, Records, check, read, source, write


@pytest.mark.parametrize("names", [DELF, KAGGLE, ("image", "image_name", "target")], ids=str)
@pytest.mark.parametrize("gzip", [False, True])
def test_records_of_others_are_read_where_they_are(
    images: Records, tmp_path: Path, names: tuple[str, str, str], gzip: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("glr.data.adopting.BLOCK", 5)
    for n in range(3):
        write(tmp_path / f"records/part{n}", images[n * 32 : n * 32 + 32], names, gzip)
    before = contents(tmp_path / "records")
    data = adopt(source(tmp_path / "records"), tmp_path / "set", Options(validation_share=0.25), settings={})
    assert {split: data.images(split) for split in data.shards} == {
        "train": 54,
        "validation": 18,
        "index": 18,
        "query": 6,
    }
    check(data, images)
    assert contents(tmp_path / "records") == before
    size = sum(file.stat().st_size for file in (tmp_path / "set").iterdir())
    assert size < (120_000 if gzip else 20_000)  # it holds no images
    assert not list((tmp_path / "set").glob("records-*.json"))


def test_training_reads_the_same_batches_wherever_the_records_lie(images: Records, tmp_path: Path):
    for folder in ("a", "b/c"):
        for n in range(3):
            write(tmp_path / folder / f"{n}.tfrec", images[n * 32 : n * 32 + 32])
    one = adopt(source(tmp_path / "a"), tmp_path / "elsewhere", settings={"seed": 3})
    two = adopt(source(tmp_path / "b"), tmp_path / "b", settings={"seed": 3})  # beside them
    names = [[shard.file for shard in data.shards["train"]] for data in (one, two)]
    assert names == [["0.tfrec", "1.tfrec", "2.tfrec"], ["c/0.tfrec", "c/1.tfrec", "c/2.tfrec"]]
    settings = {"image_size": 24, "batch_size": 12, "seed": 0, "shuffle_buffer": 30, "parallelism": 2}
    for each in (4, None):
        batches = [
            list(TrainPipeline(data, Unchanged(), **settings, images_per_class=each).batches(0, 7))
            for data in (one, two)
        ]
        for first, second in zip(*batches, strict=True):
            np.testing.assert_array_equal(first.images, second.images)
            np.testing.assert_array_equal(first.labels, second.labels)
            assert each is None or np.unique(first.labels, return_counts=True)[1].tolist() == [4, 4, 4]
    assert len(np.unique(np.concatenate([batch.labels for batch in batches[0][:6]]))) == 9
    moved = shutil.move(tmp_path / "b", tmp_path / "moved")
    assert PreparedData(moved).digest == two.digest  # the records moved with their manifest
    for n in range(3):
        shutil.copy(tmp_path / f"a/{n}.tfrec", tmp_path / f"copy{n}.tfrec")
    again = adopt(source(tmp_path, files="copy?.tfrec"), tmp_path / "again", settings={"seed": 4})
    assert again.digest != one.digest  # other names
    shutil.copytree(tmp_path / "a", tmp_path / "same")
    assert adopt(source(tmp_path / "same"), tmp_path / "same2", settings={}).digest == one.digest
    assert adopt(source(tmp_path / "a", seed=9), tmp_path / "drawn", settings={}).digest != one.digest


def test_the_division_is_that_of_class_folders(class_folders: Path, images: Records, tmp_path: Path):
    write(tmp_path / "a.tfrec", sorted(images, key=lambda image: image[1]))
    data = adopt(source(tmp_path), tmp_path / "set", settings={})
    folders = prepare(folder_source(class_folders), tmp_path / "folders", settings={})
    for name in ("index.csv", "retrieval_solution.csv"):
        mine, other = (sorted(Path(each.file(name)).read_text().split()) for each in (data, folders))
        assert [line.split(",")[0] for line in mine] == [line.split(",")[0] for line in other]


def test_without_ids_they_are_made_of_file_and_number(images: Records, tmp_path: Path):
    write(tmp_path / "in/a.tfrec", [(image, None, label) for image, _, label in images], KAGGLE)
    data = adopt(source(tmp_path / "in"), tmp_path / "set", settings={})
    places = {image_id: f"a.tfrec/{n}" for n, (_, image_id, _) in enumerate(images)}
    check(data, images, places.__getitem__)


def test_images_that_are_no_rgb_jpegs_are_converted_as_they_are_read(images: Records, tmp_path: Path):
    png = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (20, 50, 3), np.uint8)
    PIL.Image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(png, "PNG")
    records = [(png.getvalue() if n == 7 else image, i, label) for n, (image, i, label) in enumerate(images)]
    write(tmp_path / "in/a.tfrec", records)
    data = adopt(source(tmp_path / "in"), tmp_path / "set", Options(max_side=50), settings={})
    assert data.report == {"converted": 1}
    rows = Path(data.file("image_report.csv")).read_text().splitlines()
    assert rows[1].startswith(f"{records[7][1]},{tmp_path}/in/a.tfrec: the record at byte ")
    assert rows[1].endswith(",converted,PNG RGB")
    everything = {k: v for split in data.shards for k, v in read(data, split).items()}
    assert simplejpeg.decode_jpeg_header(everything[records[7][1]][1])[:2] == (20, 50)
    assert everything[records[8][1]][1] == records[8][0]
    for split in data.shards:
        pictures = StoredPictures(data, split)
        assert {picture(pictures, n).id for n in range(len(pictures))} == set(read(data, split))


def test_bad_images_are_refused_or_left_out(images: Records, tmp_path: Path):
    records = [(b"no image" if n == 7 else image, i, label) for n, (image, i, label) in enumerate(images)]
    write(tmp_path / "in/a.tfrec", records)
    with pytest.raises(
        GlrError, match=r"a\.tfrec: the record at byte \d+: it is not .* \(1 image is bad, see .*on_bad_i"
    ):
        adopt(source(tmp_path / "in"), tmp_path / "set", settings={})
    assert not (tmp_path / "set").exists()
    data = adopt(source(tmp_path / "in"), tmp_path / "set", Options(skip_bad=True), settings={})
    check(data, records[:7] + records[8:])
    assert data.report == {"skipped": 1}
    records = [(b"no image" if label == 1003 else image, i, label) for image, i, label in images]
    write(tmp_path / "in/a.tfrec", records)
    fewer = adopt(source(tmp_path / "in"), tmp_path / "fewer", Options(skip_bad=True), settings={})
    assert fewer.report == {"left out": 1, "skipped": 8}
    assert "1003,,left out,all images of this class were skipped" in Path(fewer.file("image_report.csv")).read_text()
    assert not (tmp_path / "set.partial").exists()


def test_damage_is_named(images: Records, tmp_path: Path):
    write(tmp_path / "in/a.tfrec", images)
    whole = (tmp_path / "in/a.tfrec").read_bytes()

    def failure(content: bytes, name: str = "a.tfrec", **settings: object) -> str:
        (tmp_path / "in" / name).write_bytes(content)
        with pytest.raises(GlrError) as raised:
            adopt(source(tmp_path / "in", **settings), tmp_path / "set", settings={})
        assert not (tmp_path / "set").exists()
        return str(raised.value)

    assert "is cut off; copy or prepare this shard again" in failure(whole[:-20])
    assert "is damaged (its checksum is wrong)" in failure(whole[:90] + bytes([whole[90] ^ 1]) + whole[91:])
    assert "a.tfrec does not begin with a record" in failure(b"text")
    assert "holds no TFRecord file named train*" in failure(whole, files="train*")
    with pytest.raises(GlrError, match="no such folder"):
        adopt(source(tmp_path / "nowhere"), tmp_path / "set", settings={})
    write(tmp_path / "in/a.tfrec", images, gzip=True)
    assert "a.tfrec cannot be read to its end" in failure((tmp_path / "in/a.tfrec").read_bytes()[:-3000])
    write(tmp_path / "in/a.tfrec", images)
    (tmp_path / "in/readme").write_text("no records")  # such files are left out, and listed
    (tmp_path / "in/b.tfrec").touch()
    data = adopt(source(tmp_path / "in"), tmp_path / "set", settings={})
    listed = Path(data.file("image_report.csv")).read_text()
    assert listed.count(",left out,it is not a TFRecord file") == 2
    (tmp_path / "in/a.tfrec").write_bytes(whole[:-1])
    with pytest.raises(GlrError, match=r"in/a\.tfrec has [\d,]+ bytes, the manifest says"):
        PreparedData(data.path)
    (tmp_path / "in/a.tfrec").write_bytes(whole)
    places = Path(data.file("records.npy"))
    places.write_bytes(places.read_bytes()[:-1] + b"x")
    with pytest.raises(GlrError, match=r"records\.npy is damaged"):
        PreparedData(data.path)


def test_an_interrupted_scan_continues(images: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for n in range(3):
        write(tmp_path / f"in/{n}.tfrec", images[n * 32 : n * 32 + 32])
    plain = adopt(source(tmp_path / "in"), tmp_path / "plain", settings={})
    scanned = []
    write_scan = adopting.ScanTask.write

    def interrupted(task: adopting.ScanTask) -> adopting.Scan:
        scanned.append(task.file)
        if len(scanned) == 2:
            raise KeyboardInterrupt
        return write_scan(task)

    monkeypatch.setattr(adopting.ScanTask, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        adopt(source(tmp_path / "in"), tmp_path / "in", settings={})
    data = adopt(source(tmp_path / "in"), tmp_path / "in", settings={})
    assert scanned == ["0.tfrec", "1.tfrec", "1.tfrec", "2.tfrec"]
    task = adopting.ScanTask("a", "b", "c", "d", DELF, None, 255, True)
    assert pickle.loads(pickle.dumps(task)) == task  # it goes to another process
    assert data.digest == plain.digest


def test_no_table_is_overwritten_beside_the_records(images: Records, tmp_path: Path):
    write(tmp_path / "train-00000-of-00001", images)
    (tmp_path / "relabeling.csv").write_text("new_label,old_label\n")  # as DELF's code writes it
    before = contents(tmp_path)
    with pytest.raises(GlrError, match=r"holds relabeling\.csv, which the data set would overwrite; give data\.path"):
        adopt(source(tmp_path), tmp_path, settings={})
    assert contents(tmp_path) == before


def test_opened_by_its_settings(images: Records, tmp_path: Path):
    write(tmp_path / "in/a.tfrec", images)
    config = OmegaConf.load("conf/data/tfrecords.yaml")
    config.path, config.source.path = str(tmp_path / "set"), str(tmp_path / "in")
    data = open_data(config, prepare=True)
    assert open_data(config, prepare=True).digest == data.digest
    config.source.label_feature = "other"
    with pytest.raises(GlrError, match=r"prepared with data\.source\.label_feature=None, this run says other"):
        open_data(config, prepare=False)


def test_records_in_a_bucket(images: Records, tmp_path: Path, gcs_folder: str):
    for n in range(2):
        write(tmp_path / f"in/{n}.tfrec", images[n * 48 : n * 48 + 48])
        storage.upload([(tmp_path / f"in/{n}.tfrec", f"{gcs_folder}/in/{n}.tfrec")])
    local = adopt(source(tmp_path / "in"), tmp_path / "set", settings={})
    config = OmegaConf.load("conf/data/tfrecords.yaml")
    config.source.path, config.source.seed = f"{gcs_folder}/in", 3
    for path in ("in", "elsewhere"):
        config.path = f"{gcs_folder}/{path}"
        data = open_data(config, prepare=True)
        check(data, images)
        assert data.digest == local.digest
    config.cache_dir = str(tmp_path / "cache")
    with pytest.raises(
        GlrError, match=r"data\.cache_dir: .*elsewhere reads its records in .*/in; a set is copied only if"
    ):
        open_data(config, prepare=False)
    config.path = f"{gcs_folder}/in"
    cached = open_data(config, prepare=False)
    assert Path(cached.path).is_relative_to(tmp_path / "cache")
    check(cached, images)
