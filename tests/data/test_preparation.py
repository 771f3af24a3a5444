"""Prepared sets: what goes in comes out, checked; what is interrupted continues."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from glr.data import preparation
from glr.data.preparation import Options, prepare
from glr.data.prepared import PreparedData
from glr.data.solution import read_solution
from glr.errors import GlrError
from glr.retrieval.landmarks import read_index_classes
from tests.conftest import content as content_of
from tests.conftest import folder_source, no_file_beyond
from tests.data.conftest import Listed, contents, records


def test_everything_arrives(small_data: PreparedData, class_folders: Path):
    assert small_data.classes == 9
    assert {split: small_data.images(split) for split in small_data.shards} == {"train": 72, "index": 18, "query": 6}
    with Path(small_data.file("relabeling.csv")).open() as file:
        names = {int(row["new_label"]): row["old_label"] for row in csv.DictReader(file)}
    assert sorted(names) == list(range(9))
    train = records(small_data, "train")
    assert len(train) == 72
    for image_id, (encoded, label) in train.items():
        assert encoded == (class_folders / image_id).read_bytes()  # byte for byte
        assert image_id.startswith(f"{names[label]}/")
    assert {label for _, label in records(small_data, "query").values()} == {-1}
    classes = read_index_classes(small_data.file("index.csv"))
    assert set(classes) == set(records(small_data, "index"))
    assert all(image_id.startswith(f"{name}/") for image_id, name in classes.items())


def test_shards_are_named_with_their_counts_and_mixed(small_data: PreparedData):
    names = [shard.file for shard in small_data.shards["train"]]
    assert names == [f"train-{i:05d}-of-00003-24.tfrec" for i in range(3)]
    for file in small_data.files("train"):
        labels = [
            tf.train.Example.FromString(r).features.feature["image/class/label"].int64_list.value[0]
            for r in tf.data.TFRecordDataset(file).as_numpy_iterator()
        ]
        assert len(set(labels)) >= 6  # the classes are mixed, not one after the other


def test_numeric_classes_are_numbered_in_their_order(few: Listed, tmp_path: Path):
    data = prepare(few, tmp_path / "out", settings={})
    assert Path(data.file("relabeling.csv")).read_text() == "new_label,old_label\n0,3\n1,20\n"
    assert {i: label for i, (_, label) in records(data, "train").items()} == {"a": 1, "b": 0, "c": 1}


def test_workers_and_repetition_write_the_same_bytes(class_folders: Path, small_data: PreparedData, tmp_path: Path):
    settings = {"path": str(class_folders), "seed": 3}
    again = prepare(
        folder_source(class_folders), tmp_path / "out", Options(shard_images=25, workers=2), settings=settings
    )
    assert contents(again.path) == contents(small_data.path)
    assert not list(tmp_path.glob("*.partial"))


def test_blocks_begin_where_the_manifest_says(class_folders: Path, tmp_path: Path):
    data = prepare(folder_source(class_folders), tmp_path / "out", settings={})
    (shard,) = data.shards["train"]
    assert (shard.records, len(shard.blocks), shard.blocks[0]) == (72, 2, 0)
    raw = [r.numpy() for r in tf.data.TFRecordDataset(data.files("train"))]
    assert [record for block in (0, 1) for _, record in data.read_block(shard, block)] == raw


def test_a_validation_split_has_the_same_classes(class_folders: Path, tmp_path: Path):
    data = prepare(
        folder_source(class_folders), tmp_path / "out", Options(validation_share=0.25, shard_images=10), settings={}
    )
    train, validation = records(data, "train"), records(data, "validation")
    assert not set(train) & set(validation)
    assert {label for _, label in validation.values()} == {label for _, label in train.values()} == set(range(9))
    assert (len(train), len(validation)) == (54, 18)  # 6 and 2 of each class's 8
    assert data.settings["validation_share"] == 0.25


def test_conversions_are_listed_and_large_images_shrunk(few: Listed, tmp_path: Path):
    PIL.Image.new("L", (30, 20)).save(tmp_path / "a.jpg")
    PIL.Image.new("RGB", (40, 20)).save(tmp_path / "b.jpg")
    data = prepare(few, tmp_path / "out", Options(max_side=32), settings={})
    with Path(data.file("image_report.csv")).open() as file:
        rows = {row["id"]: (row["what"], row["reason"]) for row in csv.DictReader(file)}
    assert rows == {"a": ("converted", "Gray JPEG"), "b": ("converted", "40 x 20 pixels")}
    assert data.report == {"converted": 2}
    train = records(data, "train")
    assert tf.io.decode_jpeg(train["b"][0]).shape == (16, 32, 3)
    assert tf.io.decode_jpeg(train["a"][0]).shape == (20, 30, 3)
    assert train["c"][0] == (tmp_path / "c.jpg").read_bytes()


def broken(kind: str, file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes({"empty": b"", "cut off": content[: len(content) // 2], "text": b"hello"}[kind])


@pytest.mark.parametrize("kind", ["empty", "cut off", "text"])
def test_bad_images_are_refused_together_and_the_rest_is_kept(few: Listed, tmp_path: Path, kind: str):
    good = (tmp_path / "b.jpg").read_bytes()
    whole = contents(prepare(few, tmp_path / "whole", Options(shard_images=1), settings={}).path)
    broken(kind, tmp_path / "b.jpg")
    broken(kind, tmp_path / "i.jpg")
    with pytest.raises(GlrError, match=r"i\.jpg: it .* \(2 images are bad, see .*on_bad_image=skip"):
        prepare(few, tmp_path / "out", Options(shard_images=1), settings={})
    assert not (tmp_path / "out").exists()
    with (tmp_path / "out.partial/image_report.csv").open() as file:
        assert [(row["id"], row["what"]) for row in csv.DictReader(file)] == [("i", "skipped"), ("b", "skipped")]
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.partial").glob("*-1.tfrec")}
    assert len(kept) == 4
    for name, content in (("b", good), ("i", (tmp_path / "c.jpg").read_bytes())):
        (tmp_path / f"{name}.jpg").write_bytes(content)
    (tmp_path / "i.jpg").write_bytes(good)
    PIL.Image.fromarray(np.full((8, 9, 3), ord("i"), np.uint8)).save(tmp_path / "i.jpg")
    data = prepare(few, tmp_path / "out", Options(shard_images=1), settings={})
    assert contents(data.path) == whole
    assert all((Path(data.path) / p.name).stat().st_mtime_ns == written for p, written in kept.items())


def test_what_is_left_out_is_listed_by_class(class_folders: Path, tmp_path: Path):
    photos = tmp_path / "photos"
    shutil.copytree(class_folders, photos)
    (photos / "class00/notes.txt").write_text("x")
    (photos / "class00/.hidden.jpg").write_text("x")
    (photos / "README.md").write_text("x")
    (photos / "videos").mkdir()
    (photos / "videos/1.mov").write_text("x")
    (photos / "broken").mkdir()
    (photos / "broken/1.jpg").write_text("x")
    data = prepare(folder_source(photos), tmp_path / "out", Options(skip_bad=True), settings={})
    with Path(data.file("image_report.csv")).open() as file:
        rows = {
            (row["id"], row["file"].removeprefix(f"{photos}/"), row["what"]): row["reason"]
            for row in csv.DictReader(file)
        }
    assert rows == {
        ("", "README.md", "left out"): "it lies outside of the class folders",
        ("class00", "class00/notes.txt", "left out"): "its name does not end like an image's (.txt)",
        ("videos", "videos/1.mov", "left out"): "its name does not end like an image's (.mov)",
        ("videos", "videos", "left out"): "no image in this class",
        ("broken/1.jpg", "broken/1.jpg", "skipped"): rows["broken/1.jpg", "broken/1.jpg", "skipped"],
        ("broken", "", "left out"): "all images of this class were skipped",
    }
    assert data.report == {"left out": 5, "skipped": 1}


def test_a_class_that_is_held_out_and_loses_all_its_images_is_listed(class_folders: Path, tmp_path: Path):
    photos = tmp_path / "photos"
    shutil.copytree(class_folders, photos)
    held_out = sorted({name for _, _, name in content_of(folder_source(photos))["index"]})[0]
    for file in (photos / held_out).iterdir():
        file.write_text("x")
    data = prepare(folder_source(photos), tmp_path / "out", Options(skip_bad=True), settings={})
    listed = Path(data.file("image_report.csv")).read_text().splitlines()
    assert f"{held_out},,left out,all images of this class were skipped" in listed
    assert data.report == {"left out": 1, "skipped": 8}


def test_a_bad_image_is_skipped_and_listed_on_request(few: Listed, tmp_path: Path):
    broken("cut off", tmp_path / "c.jpg")
    broken("text", tmp_path / "r.jpg")
    few.retrieval[0] = ("q", "i", "Private")
    few.recognition[0] = ("q", "5", "Private")
    without = prepare(few, tmp_path / "private", Options(skip_bad=True), settings={})
    assert read_solution(without.file("retrieval_solution.csv")).usage == {"q": "Private"}  # the Public query is bad
    (tmp_path / "r.jpg").write_bytes((tmp_path / "q.jpg").read_bytes())
    few.retrieval[1] = ("r", "i", "Public")
    few.recognition[1] = ("r", "5", "Public")
    data = prepare(few, tmp_path / "out", Options(skip_bad=True), settings={})
    assert set(records(data, "train")) == {"a", "b"}
    assert data.shards["train"][0].file.endswith("-2.tfrec")
    with Path(data.file("image_report.csv")).open() as file:
        (row,) = csv.DictReader(file)
    assert (row["id"], row["file"], row["what"]) == ("c", str(tmp_path / "c.jpg"), "skipped")
    assert "cannot be decoded" in row["reason"]


def test_a_quick_check_lets_damage_inside_pass(few: Listed, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    content[3000:3002] = b"\xff\xc4"
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(GlrError, match=r"a\.jpg: it cannot be decoded"):
        prepare(few, tmp_path / "one", settings={})
    assert records(prepare(few, tmp_path / "two", Options(check=False), settings={}), "train")["a"][0] == bytes(content)


@pytest.mark.parametrize("split", ["train", "index", "query"])
def test_an_empty_split(few: Listed, tmp_path: Path, split: str):
    few.photos[split].clear()
    with pytest.raises(GlrError, match=f"the {split} split of .* is empty"):
        prepare(few, tmp_path / "out", settings={"path": "here"})
    assert not (tmp_path / "out").exists()


def test_solutions_that_name_unknown_images(few: Listed, tmp_path: Path):
    few.retrieval[0] = ("q", "i nowhere", "Public")
    with pytest.raises(GlrError, match="a solution names the index image nowhere"):
        prepare(few, tmp_path / "out", settings={})
    few.retrieval[0] = ("nobody", "i", "Public")
    with pytest.raises(GlrError, match="a solution names the query image nobody"):
        prepare(few, tmp_path / "out", settings={})


def test_what_exists_is_not_overwritten(few: Listed, tmp_path: Path):
    prepare(few, tmp_path / "out", settings={})
    with pytest.raises(GlrError, match="out holds a prepared data set"):
        prepare(few, tmp_path / "out", settings={})
    (tmp_path / "file").touch()
    with pytest.raises(GlrError, match=r"file is a file; give data\.path a folder"):
        prepare(few, tmp_path / "file", settings={})


def test_a_full_disk_leaves_no_set_and_is_continued(few: Listed, tmp_path: Path):
    with no_file_beyond(1000), pytest.raises(GlrError, match=r"out\.partial: File too large; finished shards are kept"):
        prepare(few, tmp_path / "out", settings={})
    assert not (tmp_path / "out").exists()
    whole = contents(prepare(few, tmp_path / "whole", settings={}).path)
    assert contents(prepare(few, tmp_path / "out", settings={}).path) == whole
    assert not (tmp_path / "out.partial").exists()


def test_two_at_once_do_not_mix(few: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = preparation._write_solutions

    def meanwhile(*arguments: Any) -> None:
        with pytest.raises(GlrError, match=r"out\.partial is being written by another process"):
            prepare(few, tmp_path / "out", settings={})
        plain(*arguments)

    monkeypatch.setattr(preparation, "_write_solutions", meanwhile)
    prepare(few, tmp_path / "out", settings={})


def test_other_settings_do_not_take_over_what_is_there(few: Listed, tmp_path: Path):
    few.photos["query"].append(("missing", None))
    for size in (8, 7):
        with pytest.raises(GlrError, match="in no solution"):
            prepare(few, tmp_path / "out", Options(max_side=size), settings={})
    few.photos["query"].pop()
    broken("empty", tmp_path / "q.jpg")
    with pytest.raises(GlrError, match="1 image is bad"):
        prepare(few, tmp_path / "out", Options(max_side=8), settings={})
    PIL.Image.fromarray(np.full((8, 9, 3), 7, np.uint8)).save(tmp_path / "q.jpg")
    data = prepare(few, tmp_path / "out", Options(shard_images=2), settings={})
    assert records(data, "train")["a"][0] == (tmp_path / "a.jpg").read_bytes()  # not shrunk
    files = {shard.file for shards in data.shards.values() for shard in shards}
    assert {p.name for p in Path(data.path).glob("*.tfrec")} == files


def test_missing_images_are_left_out_on_request(few: Listed, tmp_path: Path):
    """A file that goes between listing and reading, such as an object of a bucket, is missing, not bad."""
    few.photos["index"].append(("j", "5"))
    few.retrieval[0] = ("q", "i j", "Public")
    with pytest.raises(
        GlrError, match=r"j\.jpg: there is no such file \(1 image is missing, see .*on_missing_image=skip"
    ):
        prepare(few, tmp_path / "out", Options(skip_bad=True), settings={})
    data = prepare(few, tmp_path / "out", Options(skip_missing=True), settings={})
    assert data.report == {"missing": 1}
    assert Path(data.file("retrieval_solution.csv")).read_text().splitlines()[1:] == ["q,i,Public", "r,i,Private"]
    assert Path(data.file("index.csv")).read_text().splitlines()[1:] == ["i,5"]


def test_a_set_of_one_task_has_one_solution_and_another_digest(few: Listed, tmp_path: Path):
    both = prepare(few, tmp_path / "both", settings={})
    few.recognition.clear()
    one = prepare(few, tmp_path / "one", settings={})
    assert (both.tasks, one.tasks) == (["retrieval", "recognition"], ["retrieval"])
    assert not Path(one.file("recognition_solution.csv")).exists()
    assert one.shards == both.shards
    assert one.digest != both.digest
