"""Class folders: hidden files are no data, links are followed, and what is no image is listed."""

from pathlib import Path

import pytest

from glr import storage
from glr.data.class_folders import class_folders
from glr.errors import GlrError


def made(folder: Path, *files: str) -> str:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    return str(folder)


def listed(path: str) -> dict[str, tuple[list[str], list[str]]]:
    return {name: (images, [file for file, _ in others]) for name, images, others in class_folders(path)}


FILES = ["a/1.jpg", "a/b/2.JFIF", "a/b.avif", "a/3.jp2", "a/notes.txt", "a/noending", "b/4.mpo", "empty/x.mov"]
FILES += ["loose.jpg"]
HIDDEN = ["a/._1.jpg", "a/.ipynb_checkpoints/1.jpg", "__MACOSX/a/1.jpg", ".git/x.jpg", "a/__MACOSX/2.jpg", ".c.jpg"]
EXPECTED = {
    "": ([], ["loose.jpg"]),
    "a": (["1.jpg", "3.jp2", "b/2.JFIF", "b.avif"], ["noending", "notes.txt"]),
    "b": (["4.mpo"], []),
    "empty": ([], ["x.mov"]),
}


def test_what_is_hidden_is_no_data(tmp_path: Path):
    assert listed(made(tmp_path, *FILES, *HIDDEN)) == EXPECTED


def test_a_bucket_has_the_same_classes(gcs_folder: str):
    for file in FILES + HIDDEN:
        storage.write(f"{gcs_folder}/photos/{file}", b"")
    actual = listed(f"{gcs_folder}/photos")
    assert {name: (sorted(images), others) for name, (images, others) in actual.items()} == {
        name: (sorted(images), others) for name, (images, others) in EXPECTED.items()
    }


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    path = made(tmp_path / "photos", "a/1.jpg")
    made(tmp_path / "elsewhere", "x/2.jpg")
    (tmp_path / "photos/b").symlink_to(tmp_path / "elsewhere/x")
    (tmp_path / "photos/a/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/a/circle").symlink_to(tmp_path / "photos")
    (tmp_path / "elsewhere/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/x/itself").symlink_to("itself")
    a, b = class_folders(path)
    no_image = "its name does not end like an image's (no suffix)"
    circles = [(f, "a link to a folder above it") for f in ("circle", "more/again")]
    assert a == ("a", ["1.jpg", "more/x/2.jpg"], [*circles, ("more/x/itself", no_image)])
    assert b == ("b", ["2.jpg"], [("itself", no_image)])


@pytest.mark.parametrize("names", [["train", "val"], ["Train", "test", "valid"]])
def test_splits_are_no_classes(names: list[str], tmp_path: Path):
    path = made(tmp_path, *(f"{name}/cat/1.jpg" for name in names), ".hidden/x.jpg")
    with pytest.raises(GlrError, match=rf"look like splits, not classes; give the path of .*{tmp_path}/{min(names)}$"):
        list(class_folders(path))
    made(tmp_path, "boat/1.jpg")
    assert listed(path).keys() == {"boat", *names}  # a train and a test of something


def test_why_a_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("glr.data.photo.SUFFIXES", {".jpg"})
    ((_, _, others),) = class_folders(made(tmp_path, "a/1.heic", "a/2.txt", "a/3"))
    assert [why.split(";")[0] for _, why in others] == [
        ".heic files need a library",
        "its name does not end like an image's (.txt)",
        "its name does not end like an image's (no suffix)",
    ]
    assert "'.[heic]'" in others[0][1]
