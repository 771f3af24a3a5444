"""A folder of class folders as people have them: 40 files, most of them odd in a way of its own, in one command."""

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.data.pictures import StoredPictures, picture
from glr.data.prepared import PreparedData
from tests.conftest import here

random = np.random.default_rng(0)
NOT_AN_IMAGE = "it is not an image in a readable format"


def rgb() -> PIL.Image.Image:
    return PIL.Image.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8))


def deep(values: np.ndarray, dtype: type) -> PIL.Image.Image:
    return PIL.Image.fromarray(values.astype(dtype))


def file(image: PIL.Image.Image, kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def turned() -> bytes:
    exif = PIL.Image.Exif()
    exif[0x112] = 6
    return file(rgb(), "JPEG", exif=exif)


def transparent(opacity: int) -> PIL.Image.Image:
    image = rgb().convert("RGBA")
    image.putalpha(opacity)
    return image


GREY = random.random((40, 40))
JPEG = file(rgb(), "JPEG")
# name: content, outcome in the report (None: it passes through; "": it is no data), reason
IMAGES: dict[str, tuple[bytes, str | None, str]] = {
    "castle/plain.jpg": (JPEG, None, ""),
    "castle/UPPER.JPG": (JPEG, None, ""),
    "castle/progressive.jpeg": (file(rgb(), "JPEG", progressive=True), None, ""),
    "castle/windows.jfif": (JPEG, None, ""),
    "castle/grey.jpg": (file(rgb().convert("L"), "JPEG"), "converted", "Gray JPEG"),
    "castle/print.jpg": (file(rgb().convert("CMYK"), "JPEG"), "converted", "CMYK JPEG"),
    "castle/turned.jpg": (turned(), "converted", "EXIF orientation 6"),
    "castle/räthaus (1).jpg": (JPEG, None, ""),
    "church/glass.png": (file(transparent(128), "PNG"), "converted", "PNG RGBA"),
    "church/grey.png": (file(transparent(0).convert("LA"), "PNG"), "converted", "PNG LA"),
    "church/palette.png": (file(rgb().quantize(16), "PNG", transparency=0), "converted", "PNG P"),
    "church/line.png": (file(rgb().convert("1"), "PNG"), "converted", "PNG 1"),
    "church/moving.gif": (file(rgb(), "GIF", save_all=True, append_images=[rgb()]), "converted", "GIF P"),
    "church/photo.webp": (file(rgb(), "WEBP"), "converted", "WEBP RGB"),
    "church/photo.avif": (file(rgb(), "AVIF"), "converted", "AVIF RGB"),
    "church/photo.jp2": (file(rgb(), "JPEG2000"), "converted", "JPEG2000 RGB"),
    "old tower/photo.bmp": (file(rgb(), "BMP"), "converted", "BMP RGB"),
    "old tower/thin.png": (file(rgb().resize((300, 1)), "PNG"), "converted", "PNG RGB"),
    "old tower/float.tif": (
        file(deep(GREY, np.float32), "TIFF"),
        "converted",
        "TIFF F, values 0 to 1 as black to white",
    ),
    "old tower/int.tif": (file(deep(GREY * 255, np.int32), "TIFF"), "converted", "TIFF I, values 0 to 255"),
    "old tower/12 bits.tif": (file(deep(GREY * 4095, np.uint16), "TIFF"), "converted", "TIFF I;16, values 0 to 4095"),
    "old tower/16 bits.png": (file(deep(GREY * 65535, np.uint16), "PNG"), "converted", "PNG I;16, values 0 to 65535"),
    "old tower/nan.tif": (file(deep(GREY * np.nan, np.float32), "TIFF"), "skipped", "it has values that are NaN"),
    "bridge/good.jpg": (JPEG, None, ""),
    "bridge/cut.jpg": (JPEG[: len(JPEG) // 2], "skipped", "it cannot be decoded: Premature end of JPEG file"),
    "bridge/empty.jpg": (b"", "skipped", "it is empty"),
    "bridge/page.jpg": (b"<html>404</html>", "skipped", NOT_AN_IMAGE),
    "bridge/drawing.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "skipped", NOT_AN_IMAGE),
    "bridge/notes.txt": (b"x", "left out", "its name does not end like an image's (.txt)"),
    "bridge/Thumbs.db": (b"x", "left out", "its name does not end like an image's (.db)"),
    "bridge/._good.jpg": (b"x", "", ""),
    "only bad/x.jpg": (b"x", "skipped", NOT_AN_IMAGE),
    "only text/a.md": (b"x", "left out", "its name does not end like an image's (.md)"),
    ".ipynb_checkpoints/plain.jpg": (JPEG, "", ""),
    "__MACOSX/castle/plain.jpg": (JPEG, "", ""),
    "readme.md": (b"x", "left out", "it lies outside of the class folders"),
}
OTHERS: dict[str, tuple[Callable[[Path], None], str | None, str]] = {
    "bridge/pipe.jpg": (os.mkfifo, "skipped", "it is not a regular file"),
    "bridge/lost.jpg": (lambda path: path.symlink_to("nowhere.jpg"), "missing", "it links to a missing file"),
    "bridge/link.jpg": (lambda path: path.symlink_to("good.jpg"), None, ""),
    "bridge/loop": (lambda path: path.symlink_to(".."), "left out", "a link to a folder above it"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, (content, *_) in IMAGES.items():
        (tmp_path / "ugly" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ugly" / name).write_bytes(content)
    for name, (make, *_) in OTHERS.items():
        make(tmp_path / "ugly" / name)
    return tmp_path


def test_forty_ugly_files_are_prepared_in_one_go_and_each_is_accounted_for(folder: Path):
    line = ["data=folder", "data.source.path=ugly", "data.path=set", "workers=1"]
    refusal = here("prepare", *line, cwd=folder)
    assert "(1 image is missing and 7 images are bad, see set.partial/image_report.csv)" in refusal
    assert "or leave them out with on_missing_image=skip on_bad_image=skip" in refusal

    printed = here("prepare", *line, "on_bad_image=skip", "on_missing_image=skip", cwd=folder)
    assert "1 image was missing, 7 images were skipped, 17 images were converted; see set/image_report.csv" in printed
    with (folder / "set/image_report.csv").open(encoding="utf-8") as opened:
        rows = {(row["file"], row["what"]): row["reason"] for row in csv.DictReader(opened)}
    expected = {(f"ugly/{n}", what): why for n, (_, what, why) in (IMAGES | OTHERS).items() if what}
    expected |= {("ugly/only text", "left out"): "no image in this class"}
    expected |= {("", "left out"): "all images of this class were skipped"}
    assert rows.keys() == expected.keys()
    assert {key: reason[: len(expected[key])] for key, reason in rows.items()} == expected
    outcomes = [what for _, what in rows]
    assert outcomes[-17:] == ["converted"] * 17  # those to act upon come first

    data = PreparedData(folder / "set")
    splits = [StoredPictures(data, split) for split in data.shards]
    stored = [picture(pictures, n).id for pictures in splits for n in range(len(pictures))]
    images = [name for name, (_, what, _) in (IMAGES | OTHERS).items() if what in (None, "converted")]
    assert sorted(stored) == sorted(name.replace(" ", "_") for name in images)
