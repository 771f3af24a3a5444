"""Sources: GLDv2's layout and class folders, with their mistakes named."""

import csv
import os
import shutil
from pathlib import Path

import PIL.Image
import pytest

from glr.data.catalog import Catalog
from glr.data.source import CsvSource, FolderSource, KaggleSource
from glr.errors import GlrError
from tests.conftest import content, folder_source


def write(file: Path, *rows: str) -> None:
    file.write_text("\n".join(rows) + "\n")


@pytest.fixture
def gldv2(tmp_path: Path) -> Path:
    for name in ("train/a/b/c/abc1", "train/abd2", "train/a/b/e/abe3", "index/i1xx", "index/i2xx", "test/q1xx"):
        file = tmp_path / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (4, 3)).save(file)
    write(tmp_path / "train.csv", "id,url,landmark_id", "abc1,http://x,7", "abd2,http://y,30", "abe3,http://z,7")
    write(tmp_path / "index.csv", "id,landmark_id", "i1xx,5", "i2xx,6")
    write(tmp_path / "test.csv", "id", "q1xx")
    write(tmp_path / "retrieval.csv", "id,images,Usage", "q1xx,i1xx,Public")
    write(tmp_path / "recognition.csv", "id,landmarks,Usage", "q1xx,5,Public")
    return tmp_path


def csv_source(path: Path | None, **changes: str | None) -> CsvSource:
    names = {"train_csv": "train.csv", "train_images": "train", "index_csv": "index.csv", "index_images": "index"}
    names |= {"query_csv": "test.csv", "query_images": "test"}
    names |= {"retrieval_solution": "retrieval.csv", "recognition_solution": "recognition.csv"}
    return CsvSource(path=path and str(path), **(names | changes))


def test_gldv2_layout_flat_or_in_folders(gldv2: Path):
    actual = content(csv_source(gldv2))
    assert [(i, name) for i, _, name in actual["train"]] == [("abc1", "7"), ("abd2", "30"), ("abe3", "7")]
    files = [file for _, file, _ in actual["train"]]
    assert files == [str(gldv2 / name) for name in ("train/a/b/c/abc1.jpg", "train/abd2.jpg", "train/a/b/e/abe3.jpg")]
    assert actual["query"] == [("q1xx", str(gldv2 / "test/q1xx.jpg"), "")]
    assert actual["retrieval"] == [("q1xx", "i1xx", "Public")]
    assert actual["recognition"] == [("q1xx", "5", "Public")]


def test_the_cleaned_train_csv_has_a_class_a_row(gldv2: Path):
    plain = content(csv_source(gldv2))["train"]
    write(gldv2 / "clean.csv", "landmark_id,images", "7,abc1 abe3", "30,abd2")
    assert content(csv_source(gldv2, train_csv="clean.csv"))["train"] == plain


def test_a_missing_image_names_the_line_and_the_file(gldv2: Path):
    (gldv2 / "train/abd2.jpg").unlink()
    with pytest.raises(GlrError, match=r"train\.csv, line 3: no image .*train/a/b/d/abd2\.jpg or .*\(1 of 6 images"):
        content(csv_source(gldv2))


def test_an_id_twice(gldv2: Path):
    write(gldv2 / "test.csv", "id", "q1xx", "q1xx")
    with pytest.raises(GlrError, match=r"test\.csv, line 3: the id q1xx appears twice"):
        content(csv_source(gldv2))


def test_a_missing_csv_column_or_solution(gldv2: Path):
    write(gldv2 / "test.csv", "name", "q1xx")
    with pytest.raises(GlrError, match=r"test\.csv, line 2: no id"):
        content(csv_source(gldv2))
    write(gldv2 / "test.csv", "id", "q1xx")
    (gldv2 / "recognition.csv").unlink()
    with pytest.raises(GlrError, match=r"recognition\.csv: no such file"):
        content(csv_source(gldv2))
    with pytest.raises(GlrError, match=r"data\.source\.path: give the folder"):
        csv_source(None)


def test_a_wrong_solution_is_refused_by_its_own_line_before_images_are_read(gldv2: Path):
    write(gldv2 / "retrieval.csv", "id,images,Usage", "q1xx,i1xx,Public", "q2xx,i2xx,Pubic")
    with pytest.raises(GlrError, match=rf"^{gldv2}/retrieval\.csv, line 3: Usage is 'Pubic'"):
        content(csv_source(gldv2))
    with pytest.raises(GlrError, match=r"recognition\.csv, line 1: .* solution of recognition, .* for retrieval"):
        content(csv_source(gldv2, retrieval_solution="recognition.csv"))


def test_class_folders_hold_whole_classes_out(class_folders: Path):
    actual = content(folder_source(class_folders))
    trained, held_out = ({name for _, _, name in actual[split]} for split in ("train", "index"))
    assert (len(trained), len(held_out)) == (9, 3)
    assert not trained & held_out
    assert [len(actual[split]) for split in ("train", "validation", "index", "query")] == [72, 0, 18, 6]
    queries = {image_id for image_id, _, _ in actual["query"]}
    index = {image_id: name for image_id, _, name in actual["index"]}
    assert queries == {row[0] for row in actual["retrieval"]} == {row[0] for row in actual["recognition"]}
    assert not queries & set(index)
    for (query, images, usage), (same, landmark, same_usage) in zip(
        actual["retrieval"], actual["recognition"], strict=True
    ):
        assert (query, usage) == (same, same_usage)
        assert set(images.split()) == {i for i, name in index.items() if name == landmark}
        assert query.startswith(f"{landmark}/")
    assert [row[2] for row in actual["retrieval"]].count("Public") == 3
    assert content(folder_source(class_folders)) == actual


def test_class_folders_with_blanks_and_other_formats(tmp_path: Path):
    for name in ("Old Town/a b.png", "Old Town/c.webp", "x/1.bmp", "x/2.jpg", "y/1.jpg", "y/2.jpg", "empty/readme.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    source = FolderSource(path=str(tmp_path), retrieval_classes=0.34, query_images=0.5, seed=0)
    photos = {i: file for split in ("train", "index", "query") for i, file, _ in content(source)[split]}
    assert {i for i in photos if "Old" in i} == {"Old_Town/a_b.png", "Old_Town/c.webp"}
    assert photos["Old_Town/a_b.png"] == str(tmp_path / "Old Town/a b.png")
    assert len(photos) == 6


def test_class_folders_that_differ_in_blanks_only_are_refused(class_folders: Path, tmp_path: Path):
    for name, folder in zip(("old town", "old_town", "x"), sorted(class_folders.iterdir()), strict=False):
        shutil.copytree(folder, tmp_path / name)
    with pytest.raises(GlrError, match="the folders 'old town' and 'old_town' would both be the class old_town"):
        content(folder_source(tmp_path))


def test_too_few_classes(tmp_path: Path):
    with pytest.raises(GlrError, match="no such folder"):
        content(folder_source(tmp_path / "nowhere"))
    (tmp_path / "one").mkdir()
    (tmp_path / "one/1.jpg").write_bytes(b"x")
    with pytest.raises(GlrError, match="1 class folders with images, 0 with more than one; retrieval needs one"):
        content(folder_source(tmp_path))
    with pytest.raises(ValueError, match=r"query_images=1\.5: a share between 0 and 1"):
        FolderSource(path="x", retrieval_classes=0.5, query_images=1.5, seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_classes_with_one_image_are_trained_on(seed: int, tmp_path: Path, capsys):
    for number in range(28):
        (tmp_path / f"{number:02d}").mkdir()
        for image in range(4 if number < 8 else 1):
            (tmp_path / f"{number:02d}/{image}.jpg").write_bytes(b"x")
    listed = content(FolderSource(path=str(tmp_path), retrieval_classes=0.25, query_images=0.25, seed=seed))
    retrieved = {landmark for _, _, landmark in listed["query"]}
    assert retrieved == {landmark for _, _, landmark in listed["index"]}
    assert len(retrieved) == 2  # a quarter of the classes with several images
    assert max(retrieved) < "08"
    assert capsys.readouterr().out == "20 of 28 classes have one image only: they are trained on, not retrieved\n"


def test_csv_reader_counts_lines_from_the_header(gldv2: Path):
    with (gldv2 / "index.csv").open("a", newline="") as file:
        csv.writer(file).writerow(["", "8"])
    with pytest.raises(GlrError, match=r"index\.csv, line 4: no id"):
        content(csv_source(gldv2))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("i\u00e9xx,8\n".encode("latin-1"), "it is not UTF-8; save the file as UTF-8"),
        ("i\u2028xx,8\n".encode(), "the id 'i\\u2028xx' has a line break; correct it"),
        (b'"ixxx,8' + b"x" * 10_000 + b"\n\n", "a quote is not closed"),
    ],
)
def test_an_id_that_no_list_can_hold_names_the_line(gldv2: Path, row: bytes, message: str):
    with (gldv2 / "index.csv").open("ab") as file:
        file.write(row)
    with pytest.raises(GlrError) as refused:
        content(csv_source(gldv2))
    assert str(refused.value) == f"{gldv2}/index.csv, line 4: {message}"


def test_a_file_whose_name_is_not_utf_8_is_reported_as_left_out(class_folders: Path, tmp_path: Path):
    shutil.copytree(class_folders, tmp_path / "own")
    name = next(folder for folder in sorted((tmp_path / "own").iterdir()) if folder.is_dir())
    (name / os.fsdecode(b"caf\xe9.txt")).touch()
    catalog = Catalog()
    FolderSource(path=str(tmp_path / "own"), retrieval_classes=0.3, query_images=0.3, seed=1).fill(catalog)
    assert f"{name}/caf\\udce9.txt" in [path for _, path, _ in catalog.left_out()]


def test_missing_images_leave_the_solutions_and_their_classes(gldv2: Path):
    write(gldv2 / "retrieval.csv", "id,images,Usage", "q1xx,i1xx i2xx,Public", "q2xx,i1xx,Private", "q3xx,i1xx,Private")
    write(gldv2 / "recognition.csv", "id,landmarks,Usage", "q1xx,5,Public", "q2xx,5,Private", "q3xx,5,Private")
    write(gldv2 / "test.csv", "id", "q1xx", "q2xx", "q3xx")
    (gldv2 / "test/q1xx.jpg").rename(gldv2 / "test/q3xx.jpg")  # q1xx and q2xx are missing
    (gldv2 / "index/i1xx.jpg").unlink()
    (gldv2 / "train/abd2.jpg").unlink()
    catalog = Catalog()
    csv_source(gldv2).fill(catalog)
    with pytest.raises(
        GlrError, match=r"train\.csv, line 3: no image .* \(4 of 8 images are missing; on_missing_image=skip"
    ):
        catalog.refuse_missing()
    catalog.leave_missing_out()
    catalog.check_solutions()
    assert list(catalog.answers("retrieval")) == [("q3xx", "None", "Private")]
    assert list(catalog.answers("recognition")) == [("q3xx", "5", "Private")]
    assert [image_id for image_id, _ in catalog.missing()] == ["abd2", "i1xx", "q1xx", "q2xx"]
    assert list(catalog.left_out()) == [("30", "", "all images of this class are missing")]


def test_a_null_solution_is_not_read(gldv2: Path):
    (gldv2 / "recognition.csv").unlink()
    listed = content(csv_source(gldv2, recognition_solution=None))
    assert (listed["retrieval"], listed["recognition"]) == ([("q1xx", "i1xx", "Public")], [])
    with pytest.raises(GlrError, match=r"data\.source: give retrieval_solution or recognition_solution"):
        csv_source(gldv2, retrieval_solution=None, recognition_solution=None)


def test_kaggles_train_images_are_divided_like_class_folders(class_folders: Path, tmp_path: Path):
    """The same images as class folders and as a CSV: the same classes, index and queries, under other ids."""
    ids, rows = {}, ["id,landmark_id"]
    (tmp_path / "train").mkdir()
    for number, folder in enumerate(sorted(class_folders.iterdir())):
        for file in sorted(folder.iterdir()):
            ids[f"{folder.name}/{file.name}"] = image_id = f"{number:02d}{file.stem}"
            (tmp_path / f"train/{image_id}.jpg").symlink_to(file)
            rows.append(f"{image_id},{folder.name}")
    write(tmp_path / "train.csv", *rows)
    settings = {"path": str(tmp_path), "train_csv": "train.csv", "train_images": "train"}
    settings |= {"retrieval_classes": 0.25, "query_images": 0.25, "seed": 3}
    kaggle, folders = content(KaggleSource(**settings)), content(folder_source(class_folders))
    for split in ("train", "index", "query"):
        assert sorted((i, name) for i, _, name in kaggle[split]) == sorted(
            (ids[i], name) for i, _, name in folders[split]
        )
    expected = [(ids[q], " ".join(ids[i] for i in images.split()), usage) for q, images, usage in folders["retrieval"]]
    assert kaggle["retrieval"] == expected
    with pytest.raises(ValueError, match=r"retrieval_classes=0: a share between 0 and 1"):
        KaggleSource(**settings | {"retrieval_classes": 0})
    for file in (tmp_path / "train").iterdir():
        file.unlink()
    with pytest.raises(GlrError, match=r"train\.csv, line 2: no image .* \(96 of 96 images are missing"):
        content(KaggleSource(**settings))


def test_a_class_with_a_blank_cannot_be_held_out(gldv2: Path):
    write(gldv2 / "train.csv", "id,landmark_id", "abc1,Old Town", "abd2,7", "abe3,7")
    source = KaggleSource(
        path=str(gldv2), train_csv="train.csv", train_images="train", retrieval_classes=0.5, query_images=0.5, seed=0
    )
    with pytest.raises(GlrError, match=r"the class 'Old Town' has a blank"):
        content(source)
