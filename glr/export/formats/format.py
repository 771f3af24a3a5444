"""A file format: how to write a model in it, and how to describe images with the written file in a fresh process."""

import importlib.util
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from glr.config.installation import pip_install
from glr.errors import GlrError, first_line, is_no_room
from glr.export import runtimes
from glr.export.letterbox import letterbox
from glr.model.network import RetrievalModel


class FileFormat(ABC):
    """A file format.

    Attributes:
        name: the choice of the setting `format`.
        file: name of the written file or folder.
        runtime: the library that runs it, for messages.
        script: the file in glr.export.runtimes that runs it.
        extra: glr's extra that installs `packages`; None: nothing more is needed.
        packages: the modules that writing and running need.
        any_size: images may have any size; False: they must be letterboxed before.
        float16: weights are rounded to float16.
    """

    name: ClassVar[str]
    file: ClassVar[str]
    runtime: ClassVar[str]
    script: ClassVar[str]
    extra: ClassVar[str | None] = None
    packages: ClassVar[tuple[str, ...]] = ()
    any_size: ClassVar[bool] = False
    float16: ClassVar[bool] = False

    @abstractmethod
    def convert(self, members: Sequence[RetrievalModel], weights: Sequence[float], file: Path) -> None:
        """Write members as one model; raise GlrError or an error of the converter if they cannot be converted."""

    def check_installed(self) -> None:
        """Raise GlrError unless the packages of this format are installed."""
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing and self.extra:
            raise GlrError(f"format={self.name}: {', '.join(missing)} is not installed; {pip_install(self.extra)}")

    def write(self, members: Sequence[RetrievalModel], weights: Sequence[float], file: Path) -> None:
        """Write members, in float32, as one model.

        Raises:
            GlrError: the members cannot be converted.
        """
        try:
            self.convert(members, weights, file)
        except GlrError:
            raise
        except Exception as error:  # each converter has its own errors
            if is_no_room(error):
                raise
            raise GlrError(f"format={self.name}: the model cannot be converted ({self.reason(error)})") from error

    def reason(self, error: Exception) -> str:
        """The reason why a conversion failed, in one line."""
        return first_line(error)

    def inputs(self, sizes: Sequence[int]) -> str:
        """The inputs of a written file, in words."""
        if self.any_size:
            return "`input_images` uint8 [images, height, width, 3]"
        return " and ".join(f"`{name}` uint8 [images, {size}, {size}, 3]" for name, size in input_sizes(sizes).items())

    def describe(self, file: Path, images: Sequence[np.ndarray], sizes: Sequence[int], folder: Path) -> np.ndarray:
        """Describe images with a written file, in a fresh process without glr.

        Args:
            file: the written file.
            images: n images uint8 [H, W, 3].
            sizes: the members' image sizes, pixels.
            folder: for temporary files.

        Returns:
            Descriptors float32 [n, D].

        Raises:
            GlrError: the process fails.
        """
        if self.any_size:
            np.savez(folder / "images.npz", *images)
        else:
            inputs = input_sizes(sizes).items()
            fitted = {name: np.stack([letterbox(image, size) for image in images]) for name, size in inputs}
            np.savez(folder / "images.npz", **fitted)  # pyright: ignore[reportArgumentType]
        script = Path(runtimes.__path__[0], self.script)
        call = [sys.executable, "-I", script, file, folder / "images.npz", folder / "out.npy"]
        done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise GlrError(f"the written {self.file} does not load in a fresh process: {last}")
        return np.load(folder / "out.npy")


def input_sizes(sizes: Sequence[int]) -> dict[str, int]:
    """Map the inputs of a model of fixed sizes to their sizes in pixels.

    Examples:
        >>> input_sizes([224, 224]), input_sizes([512, 224])
        ({'input_images': 224}, {'input_images_224': 224, 'input_images_512': 512})
    """
    different = sorted(set(sizes))
    if len(different) == 1:
        return {"input_images": different[0]}
    return {f"input_images_{size}": size for size in different}
