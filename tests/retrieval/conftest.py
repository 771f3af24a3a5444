"""A model of the tests: it describes an image by its mean colours, so that the right neighbours are known."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from glr.retrieval.trained import TrainedModel

NAMES = ["a.png", "b.png", "f.png", "g.png", "sub/c.png", "sub/d é.png", "sub/deep/e.png"]
SEEDS = dict(
    zip(["a.png", "b.png", "sub/c.png", "sub/d é.png", "sub/deep/e.png", "f.png", "g.png"], range(7), strict=True)
)

JPEG = 0.015  # files of other formats are described as JPEGs


class Colours:
    """Describes an image by the mean colours of its quarters, of length 1; counts the images that it describes."""

    image_size, batch_size = 12, 4

    def __init__(self):
        self.described: list[str] = []

    def describe(self, loaded: Iterable[tuple[list, np.ndarray]]) -> Iterator[tuple[list, np.ndarray]]:
        for names, pixels in loaded:
            self.described += [name for name, _ in names]
            quarters = pixels.reshape(-1, 2, 6, 2, 6, 3).mean((2, 4)).reshape(-1, 12) + 1
            yield names, (quarters / np.linalg.norm(quarters, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def model() -> TrainedModel:
    return TrainedModel("colours", "", None, Colours(), ["colours", 1])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven photos of plain quarters, in folders two deep, beside files that are no photos."""
    folder = tmp_path / "photos"
    for number, name in enumerate(SEEDS):
        photo(folder / name, number)
    (folder / "notes.txt").write_text("no image")
    photo(folder / ".hidden/h.png", 9)
    return folder


def photo(file: Path, seed: int) -> Path:
    """Write a photo of 32 x 32 pixels whose quarters have random colours."""
    file.parent.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8)
    PIL.Image.fromarray(colours.repeat(16, 0).repeat(16, 1)).save(file)
    return file


def vector(seed: int) -> np.ndarray:
    """The descriptor of such a photo, by definition: the colours plus 1, of length 1; JPEG changes it by some 0.01."""
    colours = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype=np.uint8).reshape(-1) + 1.0
    return colours / np.linalg.norm(colours)


def expected(names: list[str]) -> np.ndarray:
    return np.array([vector(SEEDS[name]) for name in names])


def touched(file: Path, seed: int) -> None:
    """Replace a photo; another time shows the change even if the clock is coarse."""
    photo(file, seed)
    os.utime(file, ns=(1, 1))
