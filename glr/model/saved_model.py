"""SavedModels of any origin that describe images: folders, or zips of such folders as submitted to Kaggle."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from glr import storage
from glr.errors import GlrError, first_line
from glr.model.operations import refused
from glr.storage.temporary import temporary_folder

SIGNATURE = "serving_default"
INPUT = "input_image"
OUTPUT = "global_descriptor"
# Errors of zipfile and its decoders. A password or an unknown format raises RuntimeError, an empty name IndexError, and
# a name that the file system rejects OSError.
_DAMAGED = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, ValueError, IndexError, RuntimeError, OSError)
_MOST_FILES = 10_000  # a SavedModel has about ten

Name = TypeVar("Name")


class SavedModel:
    """Describes images of any size, one at a time, through the signature that the Google Landmark tasks require.

    `serving_default` accepts one uint8 image [H, W, 3] and returns `global_descriptor`, a float vector.

    Args:
        path: the folder that holds saved_model.pb.
        trusted: run the model even if it does more than compute.

    Raises:
        GlrError: this is no SavedModel, its signature differs, or it does more than compute and is not trusted.
    """

    image_size: int | None = None
    batch_size: int = 16  # images that are decoded together

    def __init__(self, path: Path, *, trusted: bool = False):
        if not (path / "saved_model.pb").is_file():
            raise GlrError(f"{path} holds no saved_model.pb, so it is not a SavedModel")
        if not trusted and (names := refused(path)):
            raise GlrError(
                f"{path} does more than compute ({', '.join(names)}); if you trust it, add trust=[saved_model]"
            )
        try:
            self._model = tf.saved_model.load(str(path))
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = first_line(error)
            raise GlrError(f"{path} cannot be loaded as a SavedModel ({reason})") from error
        self._call = self._model.signatures.get(SIGNATURE)
        if self._call is None:
            names = ", ".join(self._model.signatures) or "none"
            raise GlrError(f"{path} has no signature {SIGNATURE}; it has {names}")
        inputs = self._call.structured_input_signature[1]
        fits = [i.dtype == tf.uint8 and i.shape.is_compatible_with((None, None, 3)) for i in inputs.values()]
        if fits != [True] or OUTPUT not in self._call.structured_outputs:
            takes = ", ".join(f"{name} {i.dtype.name} {i.shape}" for name, i in inputs.items())
            raise GlrError(
                f"{path}: {SIGNATURE} takes {takes} and returns {', '.join(self._call.structured_outputs)}; "
                f"expected one uint8 image [height, width, 3] and {OUTPUT}"
            )
        self._input = next(iter(inputs))

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the descriptor float32 [D], of length 1, of an image uint8 [H, W, 3]."""
        vector = np.ravel(self._call(**{self._input: tf.constant(image)})[OUTPUT].numpy()).astype(np.float32)
        return vector / max(float(np.linalg.norm(vector)), np.finfo(np.float32).tiny)

    def describe(self, loaded: Iterable[tuple[list[Name], Any]]) -> Iterator[tuple[list[Name], np.ndarray]]:
        """Describe batches of images uint8 [H, W, 3]: descriptors float32 [b, D], of length 1."""
        for names, images in loaded:
            yield names, np.stack([self(image) for image in images])


@contextmanager
def on_disk(path: str, gigabytes: float) -> Iterator[Path]:
    """Yield a SavedModel's folder: the given one, or a temporary copy if the model is a zip or in a bucket.

    Args:
        path: a folder or a zip, on this disk or in a bucket.
        gigabytes: the size limit of a copy.

    Raises:
        GlrError: the model does not exist or exceeds the limit, or the zip holds paths that lead outside it.
    """
    if not storage.is_bucket(path) and not path.endswith(".zip"):
        if not Path(path).is_dir():
            raise GlrError(f"model={path}: no such folder; give a SavedModel's folder, or a .zip of one")
        yield Path(path)
        return
    with temporary_folder() as folder:
        if path.endswith(".zip"):
            with storage.on_disk(path) as file:
                _unzip(path, file, folder, gigabytes)
        else:
            files = storage.files(path)
            _check_size(path, [info.size for info in files.values()], gigabytes)
            storage.download([(storage.join(path, name), folder / name) for name in files])
        yield folder


def _check_size(path: str, sizes: Sequence[int], gigabytes: float) -> None:
    if len(sizes) > _MOST_FILES or sum(sizes) > gigabytes * 1e9:
        raise GlrError(
            f"model={path} holds {len(sizes):,} files of {sum(sizes) / 1e9:,.1f} GB together; "
            f"max_model_gb={gigabytes:g} and {_MOST_FILES:,} files are the limits"
        )


def _unzip(path: str, file: Path, folder: Path, gigabytes: float) -> None:
    if not file.is_file():
        raise GlrError(f"model={path}: no such file")
    try:
        with zipfile.ZipFile(file) as archive:
            _check_size(path, [member.file_size for member in archive.infolist()], gigabytes)
            for name in archive.namelist():
                if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
                    raise GlrError(f"{path} holds {name}, a path outside of the zip; it is not unpacked")
            archive.extractall(folder)
    except _DAMAGED as error:
        raise GlrError(f"{path} cannot be unpacked ({error})") from error
