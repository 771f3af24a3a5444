"""Untrusted images: only the decoders of the named formats run, and nothing hangs or fills the memory."""

import io
import os
import pickle
import shutil
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.data import photo
from glr.data.geometry import Warp
from glr.data.photo import jpeg
from glr.data.pictures import FilePictures, ImageFile, picture
from glr.data.preparation import prepare
from glr.data.source import CsvSource
from glr.errors import GlrError
from glr.retrieval.sets import folder_pair, revisited
from tests.conftest import content, filled, folder_source
from tests.data.conftest import Listed, few

__all__ = ["few"]  # a fixture

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
OTHER_FORMATS = ["ICO", "PPM", "TGA", "PCX", "ICNS", "SGI", "DDS", "IM", "SPIDER"]


def saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (16, 16)).save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def large_jpeg(**options: object) -> bytes:
    file = bytearray(saved("JPEG", **options))
    at = file.index(b"\xff\xc2" if options else b"\xff\xc0") + 5
    file[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    return bytes(file)


@pytest.mark.parametrize("file", [EPS, *map(saved, OTHER_FORMATS)], ids=["EPS", *OTHER_FORMATS])
def test_other_formats_are_not_decoded(file: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript was run"))
    with pytest.raises(GlrError, match=r"not an image in a readable format \(JPEG, PNG, GIF"):
        jpeg(file)


def test_two_pictures_in_one_file_are_read():
    file = saved("MPO", save_all=True, append_images=[PIL.Image.new("RGB", (16, 16))])
    assert jpeg(file, max_side=8).width == 8


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    "file", [png(60_000, 60_000), large_jpeg(), large_jpeg(progressive=True)], ids=["PNG", "JPEG", "progressive"]
)
def test_the_limit_on_pixels_of_what_is_shrunk(file: bytes, check: bool):
    with pytest.raises(GlrError, match="it has 60,000 x 60,000 pixels, too many to"):
        jpeg(file, max_side=512, check=check)


def test_the_limit_holds_for_records():
    with pytest.raises(ValueError, match="60,000 x 60,000 pixels"):
        Warp(16)(large_jpeg(), np.eye(3), np.empty((16, 16, 3), np.uint8))


@pytest.mark.parametrize("error", [KeyError("x"), struct.error("x"), AssertionError(), RecursionError()])
def test_whatever_a_decoder_raises(error: Exception, monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> None:
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", broken)
    with pytest.raises(GlrError, match=r"it cannot be decoded: \S"):
        jpeg(saved("PNG"))


def pipe(file: Path) -> None:
    os.mkfifo(file)


def bound(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(file))


def sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(2**40)


NO_IMAGES = [
    (pipe, "not a regular file"),
    (bound, "not a regular file"),
    (lambda file: file.symlink_to("/dev/zero"), "not a regular file"),
    (lambda file: file.mkdir(), "not a regular file"),
    (sparse, "more than 1,048,576 bytes, too many for an image"),
]


@pytest.mark.parametrize(("make", "why"), NO_IMAGES, ids=["pipe", "socket", "device", "folder", "sparse"])
def test_what_is_no_image(few: Listed, tmp_path: Path, make: Callable[[Path], object], why: str, monkeypatch):
    monkeypatch.setattr(photo, "LARGEST_FILE", 2**20)
    (file := tmp_path / "b.jpg").unlink()
    make(file)
    with pytest.raises(GlrError, match=rf"b\.jpg: it .*{why}"):
        picture(FilePictures([ImageFile("b", str(file))]), 0)
    with pytest.raises(GlrError, match=rf"b\.jpg: it .*{why}.* \(1 image is bad"):
        prepare(few, tmp_path / "out", settings={})


def test_links_of_the_user_are_followed(few: Listed, tmp_path: Path):
    (tmp_path / "b.jpg").rename(tmp_path / "elsewhere")
    (tmp_path / "b.jpg").symlink_to("elsewhere")
    assert prepare(few, tmp_path / "out", settings={}).images("train") == 3


def test_a_folder_that_is_named_like_an_image(class_folders: Path, tmp_path: Path):
    images = Path(shutil.copytree(class_folders, tmp_path / "images"))
    (images / "class00/0.jpg").rename(images / "class00/1")
    (images / "class00/0.jpg").mkdir()
    (images / "class00/1").rename(images / "class00/0.jpg/0.jpg")
    assert len(content(folder_source(images))["train"]) == 72


@pytest.mark.parametrize(
    "image_id", ["../secret", "a/../../secret", "/secret", "a//secret", "./secret", "a/secret", "..", "aa/../secret"]
)
def test_an_id_that_leads_elsewhere(tmp_path: Path, image_id: str):
    """`a/secret` is an id; in the layout of three folders it has been an absolute path."""
    folder = tmp_path / "set/images"
    folder.mkdir(parents=True)
    (tmp_path / "set/list.csv").write_text(f"id,landmark_id\n{image_id},1\n")
    (folder / "secret.jpg").touch()
    (folder.parent / "secret.jpg").touch()
    names = {f"{split}_{kind}": name for split in ("train", "index", "query") for kind, name in FILES.items()}
    (tmp_path / "set/none.csv").write_text("id,images\nq,x\n")
    source = CsvSource(path=str(folder.parent), retrieval_solution="none.csv", recognition_solution=None, **names)
    with pytest.raises(GlrError) as refusal:
        filled(source).refuse_missing()
    sentence = str(refusal.value)
    if image_id == "a/secret":
        assert f"no image {folder}/a/s/a/secret.jpg or {folder}/a/secret.jpg" in sentence
    else:
        assert f"list.csv, line 2: the id {image_id} leads out of {folder}; correct it" in sentence


BREAKS = ["\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]
BAD_NAMES = {f"a{each}b.jpg": "the name of this image has a line break; rename it" for each in BREAKS}
BAD_NAMES |= {"a\n.jpg": "has a line break", "bad\udcff.jpg": "is not UTF-8; rename it", "\udcff/b.jpg": "is not UTF-8"}


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
@pytest.mark.parametrize("role", ["index", "queries"])
def test_a_name_that_no_file_of_ids_holds_is_refused_before_anything_is_described(tmp_path: Path, name: str, role: str):
    for folder, file in (("index", "i.jpg"), ("queries", "q.jpg"), (role, name)):
        (tmp_path / folder / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file).touch()
    with pytest.raises(GlrError) as refusal:
        folder_pair(f"{tmp_path}/index", f"{tmp_path}/queries", **NO_SOLUTIONS)
    assert_names(str(refusal.value), f"{tmp_path}/{role}/{name}", BAD_NAMES[name])


NO_SOLUTIONS = {"retrieval_solution": None, "recognition_solution": None, "index_classes": None, "neighbors": 1}


def assert_names(sentence: str, path: str, why: str) -> None:
    assert sentence.startswith(f"{path!a}: ")
    assert why in sentence
    assert sentence.isprintable()


@pytest.mark.parametrize("name", ["bad\udcff.jpg", "\udcff/b.jpg", "a\u2028b.jpg"], ids=ascii)
def test_a_name_that_no_file_of_ids_holds_is_not_prepared(few: Listed, tmp_path: Path, name: str):
    few.photos["train"].append((name.removesuffix(".jpg"), "20"))
    with pytest.raises(GlrError) as refusal:
        prepare(few, tmp_path / "out", settings={})
    assert_names(str(refusal.value), f"{tmp_path}/{name}", "rename it")


def test_a_file_of_a_class_folder_that_is_not_utf8(class_folders: Path, tmp_path: Path):
    images = Path(shutil.copytree(class_folders, tmp_path / "images"))
    (images / "class00/0.jpg").rename(images / "class00/bad\udcff.jpg")
    with pytest.raises(GlrError, match=r"bad\\udcff\.jpg': the path of this image is not UTF-8; rename it$"):
        filled(folder_source(images))


def test_a_line_break_in_a_ground_truth(tmp_path: Path):
    entry = {"bbx": [0.0, 0.0, 1.0, 1.0], "easy": [0], "hard": [], "junk": []}
    truth = {"imlist": ["a\nb"], "qimlist": ["a\nb"], "gnd": [entry]}
    (tmp_path / "gnd.pkl").write_bytes(pickle.dumps(truth, 2))
    (tmp_path / "a\nb.jpg").touch()
    with pytest.raises(GlrError, match=r"/a\\nb\.jpg': the name of this image has a line break; rename it$"):
        revisited(f"{tmp_path}/gnd.pkl", str(tmp_path))


FILES = {"csv": "list.csv", "images": "images"}
