"""SavedModels of any origin that describe images: folders, or zips of such folders as submitted to Kaggle."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
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
_OF_SCALES = "global_descriptors"  # the descriptors of several scales, one a row
_IMAGE = (None, None, 3)
# Errors of zipfile and its decoders. A password or an unknown format raises RuntimeError, an empty name IndexError, and
# a name that the file system rejects OSError.
_DAMAGED = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, ValueError, IndexError, RuntimeError, OSError)
_MOST_FILES = 10_000  # a SavedModel has about ten

Name = TypeVar("Name")


class SavedModel:
    """Describes images of any size, one at a time, through the signature of the Google Landmark tasks or of DELG.

    The tasks' `serving_default` accepts one uint8 image [H, W, 3] and returns `global_descriptor`, a float vector.
    DELG's signature may also accept `input_scales`, float [S], and return `global_descriptors` [S, D]; these are
    normalised and added up. Local features are not used. Source: Cao et al., Unifying deep local and global features
    for image search, ECCV 2020, arXiv:2001.05027, and the authors' export and extraction scripts.

    Args:
        path: the folder that holds saved_model.pb.
        trusted: run the model even if it does more than compute.
        scales: factors of the image's sides, for a model that accepts `input_scales`; else [1.0].

    Raises:
        GlrError: this is no SavedModel, its signature differs, it accepts no scales but some are given, or it does more
            than compute and is not trusted.
    """

    image_size: int | None = None
    batch_size: int = 16  # images that are decoded together

    def __init__(self, path: Path, *, trusted: bool = False, scales: Sequence[float] = (1.0,)):
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
        self._path = path
        self._call = self._model.signatures.get(SIGNATURE)
        if self._call is None:
            names = ", ".join(self._model.signatures) or "none"
            raise GlrError(f"{path} has no signature {SIGNATURE}; it has {names}")
        self._input, self._others = self._inputs(scales)
        self._output = next(name for name in (OUTPUT, _OF_SCALES) if name in self._call.structured_outputs)

    def _inputs(self, scales: Sequence[float]) -> tuple[str, dict[str, tf.Tensor]]:
        """Check the signature; return the name of the image's input, and the values of DELG's other inputs."""
        inputs, outputs = self._call.structured_input_signature[1], self._call.structured_outputs
        known = {
            "input_scales": list(scales),
            "input_global_scales_ind": list(range(len(scales))),
            "input_max_feature_num": 1,  # local features are not used
            "input_abs_thres": 175.0,  # of local features: the threshold of the published models
        }
        images = [name for name in inputs if name not in known]
        fits = [inputs[name].dtype == tf.uint8 and inputs[name].shape.is_compatible_with(_IMAGE) for name in images]
        if fits != [True] or not {OUTPUT, _OF_SCALES} & set(outputs):
            takes = ", ".join(f"{name} {i.dtype.name} {i.shape}" for name, i in sorted(inputs.items()))
            raise GlrError(
                f"{self._path}: {SIGNATURE} takes {takes} and returns {', '.join(sorted(outputs))}; "
                f"expected one uint8 image [height, width, 3] and {OUTPUT}, or the inputs of DELG and {_OF_SCALES}"
            )
        if list(scales) != [1.0] and "input_scales" not in inputs:
            raise GlrError(f"tta: a SavedModel makes its own views of an image; {self._path} accepts no input_scales")
        others = {name: tf.constant(value, inputs[name].dtype) for name, value in known.items() if name in inputs}
        for name, value in others.items():
            if not inputs[name].shape.is_compatible_with(value.shape):
                raise GlrError(
                    f"tta.scales: {self._path} takes {name} of shape {inputs[name].shape}, not {value.shape}"
                )
        return images[0], others

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the descriptor float32 [D], of length 1, of an image uint8 [H, W, 3].

        Raises:
            GlrError: the model fails on this image.
        """
        try:
            described = self._call(**{self._input: tf.constant(image)}, **self._others)[self._output].numpy()
        except tf.errors.OpError as error:
            size = f"{image.shape[1]} x {image.shape[0]} pixels"
            raise GlrError(f"{self._path} fails on an image of {size} ({first_line(error)})") from error
        if self._output == _OF_SCALES:
            described = _unit(described.reshape(-1, described.shape[-1])).sum(0)
        return _unit(np.ravel(described))

    def describe(self, loaded: Iterable[tuple[list[Name], Any]]) -> Iterator[tuple[list[Name], np.ndarray]]:
        """Describe batches of images uint8 [H, W, 3]: descriptors float32 [b, D], of length 1.

        Where the number of dimensions changes, a batch is split, so that the receiver can name the image.
        """
        for names, images in loaded:
            described = zip(names, map(self, images), strict=True)
            for _, alike in groupby(described, lambda pair: len(pair[1])):
                part, values = zip(*alike, strict=True)
                yield list(part), np.stack(values)


def _unit(values: np.ndarray) -> np.ndarray:
    """Scale vectors [..., D] to length 1; a zero vector stays zero."""
    lengths = np.linalg.norm(values.astype(np.float32), axis=-1, keepdims=True)
    return values.astype(np.float32) / np.maximum(lengths, np.finfo(np.float32).tiny)


@contextmanager
def on_disk(path: str, gigabytes: float) -> Iterator[Path]:
    """Yield a SavedModel's folder: the given one, or a temporary copy if the model is a zip or in a bucket.

    Args:
        path: a folder, an export's folder that holds it as `saved_model`, or a zip, on this disk or in a bucket.
        gigabytes: the size limit of a copy.

    Raises:
        GlrError: the model does not exist or exceeds the limit, or the zip holds paths that lead outside it.
    """
    if not storage.is_bucket(path) and not path.endswith(".zip"):
        if not Path(path).is_dir():
            raise GlrError(f"model={path}: no such folder; give a SavedModel's folder, or a .zip of one")
        yield _folder(path)
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


def is_one(path: str) -> bool:
    """Return True for the folder of a SavedModel, or of an export that holds one."""
    return bool(path) and (_folder(path) / "saved_model.pb").is_file()


def _folder(path: str) -> Path:
    inside = Path(path, "saved_model")
    return inside if inside.is_dir() else Path(path)


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
